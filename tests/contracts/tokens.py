"""Users' tokens for a running stack, signed with its own key: a test can be anybody."""

import time

from joserfc import jwt

from allinone.stack import Stack
from kit.rpc.tokens import AUDIENCE, TOKEN_ALG, USER_ISSUER
from kit.values.ids import new_id
from tests.world import key_in

_KINDS = {"": "tenant", "brn": "branch", "cmp": "campaign", "agt": "agent"}


def user_token(
    stack: Stack, tenant: str, *roles: str, scope: str = "", seconds: int = 300, more: str = ""
) -> str:
    """A token with these roles that works for so long; a negative time has passed.

    The roles hold in the whole tenant, or in the campaign, branch or agent that `scope` is the id of. `more`
    is one more role, in the whole tenant.
    """
    key = key_in(stack.urls.signing_key_file)
    now = int(time.time())
    claims = {
        "iss": USER_ISSUER,
        "aud": AUDIENCE,
        "sub": new_id("usr"),
        "tid": tenant,
        "grants": [
            *([role, _KINDS[scope[:3]], scope] for role in roles),
            *([[more, _KINDS[""], ""]] if more else []),
        ],
        "iat": now - 60,
        "exp": now + seconds,
        "jti": new_id("tok"),
    }
    return jwt.encode({"alg": TOKEN_ALG, "kid": key.kid}, claims, key, algorithms=[TOKEN_ALG])
