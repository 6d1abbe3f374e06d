"""Who may call: the token gives the caller, the contract's access option the roles."""

from collections.abc import Mapping

from kit.errors import NotAllowed, Reason, Unauthenticated
from kit.rpc.context import Caller
from kit.rpc.contract import Rpc
from kit.rpc.tokens import Authenticator

_SCHEME = "bearer "


def authenticate(rpc: Rpc, metadata: Mapping[str, object], auth: Authenticator) -> Caller | None:
    """The caller, or None for a public RPC.

    Raises Unauthenticated without a good token, NotAllowed (ROLE_REQUIRED) without one of the roles.
    """
    if rpc.public:
        return None
    header = metadata.get("authorization")
    if not isinstance(header, str) or header[: len(_SCHEME)].lower() != _SCHEME:
        raise Unauthenticated(Reason.UNAUTHENTICATED, "this call needs a token: authorization: Bearer …")
    caller = auth.verify(header[len(_SCHEME) :].strip())
    if not _may(caller, rpc.roles):
        needed = ", ".join(sorted(rpc.roles))
        message = f"this call needs one of these roles: {needed}"
        raise NotAllowed(Reason.ROLE_REQUIRED, message, metadata={"roles": needed})
    return caller


def _may(caller: Caller, roles: frozenset[str]) -> bool:
    if caller.service is not None and "SERVICE" in roles:
        return True
    return any(grant.role.upper() in roles and grant.role != "SERVICE" for grant in caller.grants)
