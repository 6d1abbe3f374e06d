"""User tokens as identity signs them, and all the ways to get one wrong."""

import json
import time
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.jwk import OKPKey

from kit.rpc.tokens import AUDIENCE, TOKEN_ALG, USER_ISSUER


class Tokens:
    """Signs user tokens as identity does, with keys made for the test."""

    def __init__(self) -> None:
        self.key = OKPKey.generate_key("Ed25519", {"kid": "test", "use": "sig"})

    def write_jwks(self, path: Path, **changes: str) -> None:
        """Writes the public key as a JWK set; `changes` replace members of the key."""
        path.write_text(json.dumps({"keys": [{**self.key.as_dict(private=False), **changes}]}))

    def claims(self, **changes: object) -> dict[str, Any]:
        """Claims of a good token, with `changes`; None takes a claim away."""
        now = int(time.time())
        good: dict[str, object] = {
            "sub": "usr_1",
            "tid": "ten_1",
            "grants": [["OPERATOR", "tenant", ""]],
            "iss": USER_ISSUER,
            "aud": AUDIENCE,
            "iat": now,
            "exp": now + 600,
            "jti": "tok_1",
        }
        return {key: value for key, value in {**good, **changes}.items() if value is not None}

    def sign(self, *, alg: str = TOKEN_ALG, **changes: object) -> str:
        """A token with the good claims, changed."""
        return jwt.encode({"alg": alg, "kid": "test"}, self.claims(**changes), self.key, algorithms=[alg])
