"""Users: persons, and partners' programs, of one tenant."""

from collections.abc import Sequence
from dataclasses import dataclass

from identity.domain.email import Email
from identity.domain.names import check_name
from identity.domain.roles import Granted, Role, RoleGrant, limits
from kit.errors import InvalidInput, NotAllowed, NotFound, Reason, RuleViolated
from kit.values.ids import is_id

READERS = frozenset({Role.ADMINISTRATOR, Role.PROJECT_MANAGER})
"""Roles that read users."""


@dataclass(frozen=True, slots=True)
class User:
    """A user with all its grants. `agent_id` is the travelling agent that the user is, or empty."""

    user_id: str
    tenant_id: str
    email: Email
    display_name: str
    grants: tuple[RoleGrant, ...]
    agent_id: str = ""

    @property
    def is_administrator(self) -> bool:
        """Whether it runs the tenant."""
        return any(grant.is_administrator for grant in self.grants)


@dataclass(frozen=True, slots=True)
class NewUser:
    """What a user is made from. `field` is the path of its fields in the request, as in `administrator.`.

    Raises InvalidInput for a bad name or agent; the grants are checked once the tenant is known.
    """

    email: Email
    password: str
    display_name: str
    grants: tuple[RoleGrant, ...]
    agent_id: str = ""
    field: str = ""

    def __post_init__(self) -> None:
        check_name(self.display_name, f"{self.field}display_name")
        if self.agent_id and not is_id(self.agent_id, "agt"):
            message = "must be the id of an agent (agt_…), or empty"
            raise InvalidInput(Reason.INVALID_FIELD, message, field=f"{self.field}agent_id")


def not_found(user_id: str) -> NotFound:
    """The one answer for an id that is unknown, malformed or another tenant's."""
    return NotFound(Reason.NOT_FOUND, f"no user {user_id}", metadata={"resource": "user"})


def check_may_read(reader: Sequence[Granted], user: User) -> None:
    """Raises NotAllowed unless the reader's scope holds one of the user's grants (R-175, R-181)."""
    scopes = limits(reader, READERS)
    if scopes is not None and not any(grant.scope_id in scopes for grant in user.grants):
        message = f"your role does not reach user {user.user_id}"
        raise NotAllowed(Reason.OUT_OF_SCOPE, message)


def check_an_administrator_remains(user: User, grants: Sequence[RoleGrant], others: int) -> None:
    """Raises RuleViolated when `user` is the last administrator and would be none under `grants`.

    `others` counts the tenant's other administrators; the caller holds the lock that keeps it true.
    """
    keeps = any(grant.is_administrator for grant in grants)
    if user.is_administrator and not keeps and not others:
        message = "a tenant keeps at least one administrator: name another one first"
        raise RuleViolated(Reason.LAST_ADMINISTRATOR, message, field="grants")
