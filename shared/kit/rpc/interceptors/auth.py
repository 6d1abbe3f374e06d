"""Who may call: the token gives the caller, the contract's access option the roles."""

from collections.abc import Mapping
from dataclasses import replace

from kit.errors import NotAllowed, Reason, Unauthenticated
from kit.rpc.context import Caller
from kit.rpc.contract import Rpc
from kit.rpc.tokens import Authenticator

_SCHEME = "bearer "


def authenticate(rpc: Rpc, metadata: Mapping[str, object], auth: Authenticator) -> Caller | None:
    """The caller with the grants that open this RPC, or None for a public one.

    A grant of another role brings nothing here, neither its scope nor what it may do elsewhere. Raises
    Unauthenticated without a good token, NotAllowed (ROLE_REQUIRED) without one of the roles.
    """
    if rpc.public:
        return None
    header = metadata.get("authorization")
    if not isinstance(header, str) or header[: len(_SCHEME)].lower() != _SCHEME:
        raise Unauthenticated(Reason.UNAUTHENTICATED, "this call needs a token: authorization: Bearer …")
    caller = auth.verify(header[len(_SCHEME) :].strip())
    opened = _opened(caller, rpc.roles)
    if opened is None:
        needed = ", ".join(sorted(rpc.roles))
        message = f"this call needs one of these roles: {needed}"
        raise NotAllowed(Reason.ROLE_REQUIRED, message, metadata={"roles": needed})
    return opened


def _opened(caller: Caller, roles: frozenset[str]) -> Caller | None:
    """The caller as these roles let it in; a service comes with all that it was handed. None for nobody."""
    if caller.service is not None and "SERVICE" in roles:
        return caller
    grants = tuple(one for one in caller.grants if one.role.upper() in roles and one.role != "SERVICE")
    return replace(caller, grants=grants) if grants else None
