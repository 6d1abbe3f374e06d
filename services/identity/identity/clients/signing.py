"""The Ed25519 key that signs tokens, and the published set that verifies them (RFC 7517, 8037, 9864)."""

import hashlib
import hmac
import json
import os
from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from identity.domain.users import User
from kit.rpc.key_set import read_key_set
from kit.rpc.tokens import AUDIENCE, TOKEN_ALG, USER_ISSUER
from kit.settings import SettingsError
from kit.values.ids import new_id

SIGNING_KEY_FILE = "signing.jwk.json"
JWKS_FILE = "jwks.json"


class SigningKey:
    """Signs tokens with one private key."""

    def __init__(self, key: OKPKey) -> None:
        self._key = key
        self.kid: str = key.kid or key.thumbprint()

    @classmethod
    def load(cls, path: str) -> "SigningKey":
        """Raises SettingsError for a file that is missing or holds no private Ed25519 key."""
        try:
            key = OKPKey.import_key(json.loads(Path(path).read_text()))
        except (OSError, ValueError, TypeError, KeyError, JoseError) as refused:
            raise SettingsError(f"GIRO_SIGNING_KEY_FILE: {path} holds no key: {refused}") from None
        if not key.is_private or key.as_dict(private=False).get("crv") != "Ed25519":
            raise SettingsError(f"GIRO_SIGNING_KEY_FILE: {path} holds no private Ed25519 key")
        return cls(key)

    def token(self, user: User, issued_at: datetime, expires_at: datetime) -> str:
        """A compact JWT that names this key; `kit.rpc.tokens` reads it."""
        header = {"alg": TOKEN_ALG, "kid": self.kid, "typ": "JWT"}
        claims = {
            "iss": USER_ISSUER,
            "aud": AUDIENCE,
            "sub": user.user_id,
            "tid": user.tenant_id,
            "grants": [[str(grant.role), str(grant.scope_kind), grant.scope_id] for grant in user.grants],
            "iat": int(issued_at.timestamp()),
            "exp": int(expires_at.timestamp()),
            "jti": new_id("tok"),
        }
        return jwt.encode(header, claims, self._key, algorithms=[TOKEN_ALG])

    def public(self) -> dict[str, Any]:
        """The published half, as in a key set."""
        return {**self._key.as_dict(private=False), "kid": self.kid, "use": "sig", "alg": TOKEN_ALG}

    def derive(self, purpose: str) -> bytes:
        """A secret for another purpose: it cannot be had without the key, nor the key from it."""
        secret = self._key.as_dict(private=True)["d"]
        return hmac.digest(str(secret).encode(), purpose.encode(), hashlib.sha256)


def make_keys(directory: Path) -> tuple[Path, Path]:
    """Writes a signing key (for its owner alone) and the key set that verifies it, unless they are there.

    Gives both paths. Raises SettingsError for a key set that lacks the signing key.
    """
    directory.mkdir(parents=True, exist_ok=True)
    private, public = directory / SIGNING_KEY_FILE, directory / JWKS_FILE
    if not private.exists():
        key = OKPKey.generate_key("Ed25519", auto_kid=True)
        _write(private, key.as_dict(private=True), 0o600)
    signing = SigningKey.load(str(private))
    if not public.exists():
        _write(public, {"keys": [signing.public()]}, 0o644)
    check_published(signing, read_key_set(public)[1])
    return private, public


def check_published(signing: SigningKey, published: Collection[str]) -> None:
    """Raises SettingsError when nobody could verify what this key signs; `published` are the set's ids."""
    if signing.kid not in published:
        raise SettingsError(f"GIRO_JWKS_FILE lacks the signing key {signing.kid}: nobody could verify tokens")


def _write(path: Path, content: Mapping[str, Any], mode: int) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        json.dump(content, file, indent=2)
    fresh.replace(path)  # whole or not at all
