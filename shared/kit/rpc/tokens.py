"""Bearer tokens: users' (signed by identity with Ed25519) and services' (a shared secret, HS256).

Envoy verifies users' tokens too, and knows the Ed25519 signature by its older name "EdDSA" alone (tried with
1.40: a token or a key that says "Ed25519" is refused), so that one name is pinned here.
"""

import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey, OKPKey

from kit.errors import Reason, Unauthenticated
from kit.rpc.context import Caller, Grant
from kit.rpc.key_set import KeySet

TOKEN_ALG: Final = "EdDSA"  # noqa: S105 - no secret
"""Algorithm of users' tokens."""
SERVICE_ALG: Final = "HS256"
"""Algorithm of services' tokens."""
USER_ISSUER: Final = "giro-identity"
SERVICE_ISSUER: Final = "giro-service"
AUDIENCE: Final = "giro"

_MAX_TOKEN: Final = 8192
_CACHED: Final = 4096
_SKEW: Final = 30
"""Seconds by which the clock of who signed may be ahead of ours."""
_LIFETIME: Final = 300
"""Seconds that a service's token works."""

# joserfc warns about the older name, and warnings are errors in tests
jws.JWSRegistry.algorithms[TOKEN_ALG].security_warning = None


class Authenticator:
    """Turns tokens into callers. Remembers verified ones until they expire or the set of keys changes, which
    it follows within `key_set.LOOK_SECONDS`."""

    def __init__(self, jwks_file: str, service_key: str) -> None:
        """Raises SettingsError for a file that is missing or holds no keys. Either argument may be empty."""
        self._published = KeySet(jwks_file) if jwks_file else None
        self._service_key = OctKey.import_key(service_key) if service_key else None
        self._keys: Mapping[str, OKPKey] = {}
        self._known: OrderedDict[str, tuple[float, Caller]] = OrderedDict()

    def verify(self, token: str) -> Caller:
        """The caller of a token. Raises Unauthenticated for a forged or expired one, or one for others."""
        now = time.time()
        self._follow_keys()
        known = self._known.get(token)
        if known is not None and known[0] > now:
            self._known.move_to_end(token)
            return known[1]
        claims, is_service = self._claims(token)
        expires = _check_times(claims, now)
        caller = _service_caller(claims) if is_service else _user_caller(claims)
        self._remember(token, expires, caller)
        return caller

    def _claims(self, token: str) -> tuple[Mapping[str, Any], bool]:
        try:
            header = _header(token)
            is_service = header.get("alg") == SERVICE_ALG
            key = self._service_key if is_service else self._keys.get(str(header.get("kid", "")))
            if key is None:
                raise refused("it is signed by nobody known here")
            algorithm = SERVICE_ALG if is_service else TOKEN_ALG
            claims = jwt.decode(token, key, algorithms=[algorithm]).claims
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise refused("it is no token of Giro") from error
        if claims.get("iss") != (SERVICE_ISSUER if is_service else USER_ISSUER) or not _for_us(claims):
            raise refused("it is meant for somebody else")
        return claims, is_service

    def _follow_keys(self) -> None:
        """What was verified with other keys is not believed for it any more."""
        keys = self._keys if self._published is None else self._published.keys
        if keys is not self._keys:
            self._keys = keys
            self._known.clear()

    def _remember(self, token: str, expires: float, caller: Caller) -> None:
        self._known[token] = (expires, caller)
        if len(self._known) > _CACHED:
            self._known.popitem(last=False)


class ServiceTokens:
    """Makes the tokens with which one service calls another on behalf of a tenant and, maybe, of a caller."""

    def __init__(self, service: str, key: str) -> None:
        self._service = service
        self._key = OctKey.import_key(key)
        self._made: OrderedDict[tuple[str, str, tuple[Grant, ...]], tuple[float, str]] = OrderedDict()

    def mint(self, tenant: str, caller: Caller | None = None) -> str:
        """A token for calls in `tenant`; it carries the caller's id and grants on."""
        now = time.time()
        subject = caller.subject if caller else self._service
        grants = caller.grants if caller else ()
        made = self._made.get((tenant, subject, grants))
        if made is not None and made[0] > now:
            return made[1]
        token = self._sign(tenant, subject, grants, int(now))
        self._made[tenant, subject, grants] = (now + _LIFETIME / 2, token)
        if len(self._made) > _CACHED:
            self._made.popitem(last=False)
        return token

    def _sign(self, tenant: str, subject: str, grants: tuple[Grant, ...], now: int) -> str:
        claims = {
            "iss": SERVICE_ISSUER,
            "aud": AUDIENCE,
            "svc": self._service,
            "sub": subject,
            "tid": tenant,
            "grants": [[grant.role, grant.scope_kind, grant.scope_id] for grant in grants],
            "iat": now,
            "exp": now + _LIFETIME,
        }
        return jwt.encode({"alg": SERVICE_ALG}, claims, self._key, algorithms=[SERVICE_ALG])


def refused(why: str) -> Unauthenticated:
    """The one answer to any token that does not do."""
    return Unauthenticated(Reason.UNAUTHENTICATED, f"the token is not accepted: {why}")


def _header(token: str) -> Mapping[str, Any]:
    if len(token) > _MAX_TOKEN:
        raise ValueError("too long")
    header: Mapping[str, Any] = jws.extract_compact(token.encode("ascii")).protected
    return header


def _for_us(claims: Mapping[str, Any]) -> bool:
    audience = claims.get("aud")
    return AUDIENCE in audience if isinstance(audience, list) else audience == AUDIENCE


def _check_times(claims: Mapping[str, Any], now: float) -> float:
    expires, issued = claims.get("exp"), claims.get("iat")
    if not isinstance(expires, int | float) or not isinstance(issued, int | float):
        raise refused("it does not say when it expires")
    if expires <= now:
        raise refused("it has expired")
    if issued > now + _SKEW:
        raise refused("it comes from the future")
    return float(expires)


def _user_caller(claims: Mapping[str, Any]) -> Caller:
    return Caller(_text(claims, "sub"), _text(claims, "tid"), _grants(claims))


def _service_caller(claims: Mapping[str, Any]) -> Caller:
    return Caller(_text(claims, "sub"), _text(claims, "tid"), _grants(claims), service=_text(claims, "svc"))


def _grants(claims: Mapping[str, Any]) -> tuple[Grant, ...]:
    try:
        return tuple(
            Grant(str(role), str(kind), str(scope)) for role, kind, scope in claims.get("grants", [])
        )
    except (TypeError, ValueError) as error:
        raise refused("its grants cannot be read") from error


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not value:
        raise refused(f"it lacks {name}")
    return value
