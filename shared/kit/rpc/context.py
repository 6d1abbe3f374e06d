"""Who is calling: set by the server for each RPC, read by use cases."""

from contextvars import ContextVar, Token
from dataclasses import dataclass
from typing import Final

from kit.errors import Reason, Unauthenticated

TENANT: Final = "tenant"
BRANCH: Final = "branch"
CAMPAIGN: Final = "campaign"
AGENT: Final = "agent"


@dataclass(frozen=True, slots=True)
class Grant:
    """A role, as in `OPERATOR`, within the whole tenant (`tenant`), one `branch`, `campaign` or `agent`."""

    role: str
    scope_kind: str
    scope_id: str

    @property
    def is_whole(self) -> bool:
        """Whether it reaches all campaigns and agents; one of a branch does, as they belong to none yet."""
        return self.scope_kind in {TENANT, BRANCH}


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom the verified token stands for.

    `subject` is a user's id, or a service's name when no user is behind the call; `service` names the calling
    service, or is None when the user's own token came in.
    """

    subject: str
    tenant: str
    grants: tuple[Grant, ...] = ()
    request_id: str = ""
    service: str | None = None

    def has_role(self, *roles: str) -> bool:
        """Whether any grant, of any scope, is one of these roles: for what is no campaign's or agent's."""
        return any(grant.role in roles for grant in self.grants)

    @property
    def is_whole(self) -> bool:
        """Whether some grant reaches the whole tenant."""
        return any(grant.is_whole for grant in self.grants)

    def with_request_id(self, request_id: str) -> "Caller":
        """The same caller in this request."""
        return Caller(self.subject, self.tenant, self.grants, request_id, self.service)


_caller: ContextVar[Caller | None] = ContextVar("giro_caller", default=None)


def caller() -> Caller:
    """The caller of the RPC in hand. Raises Unauthenticated outside one, and in a public RPC."""
    found = _caller.get()
    if found is None:
        raise Unauthenticated(Reason.UNAUTHENTICATED, "this call needs a token")
    return found


def caller_or_none() -> Caller | None:
    """The caller, or None where there is none: a consumer, a background task, a public RPC."""
    return _caller.get()


def become(who: Caller | None) -> Token[Caller | None]:
    """Makes `who` the caller of this task; the token goes to `unbecome`. For the server and for tests."""
    return _caller.set(who)


def unbecome(token: Token[Caller | None]) -> None:
    """Undoes `become`."""
    _caller.reset(token)
