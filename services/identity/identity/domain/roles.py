"""Roles and where they hold (R-176, R-179, R-181)."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Protocol

from identity.domain.tenants import PLATFORM_TENANT_ID
from kit.errors import InvalidInput, NotAllowed, Reason, RuleViolated
from kit.values.ids import is_id

MAX_GRANTS = 50


@unique
class Role(StrEnum):
    """What a person or a partner's program is; the contract's `Role` says what each does.

    SERVICE is missing: it is never granted.
    """

    ADMINISTRATOR = "ADMINISTRATOR"
    PROJECT_MANAGER = "PROJECT_MANAGER"
    OPERATOR = "OPERATOR"
    AGENT = "AGENT"
    AGENT_SUPERVISOR = "AGENT_SUPERVISOR"
    CUSTOMER = "CUSTOMER"
    BRANCH_MANAGER = "BRANCH_MANAGER"
    PHOTOGRAPHER = "PHOTOGRAPHER"
    CLIENT = "CLIENT"
    PLATFORM = "PLATFORM"
    PARTNER = "PARTNER"
    SRE = "SRE"


@unique
class ScopeKind(StrEnum):
    """How far a grant reaches."""

    TENANT = "tenant"
    BRANCH = "branch"
    CAMPAIGN = "campaign"
    AGENT = "agent"


_KIND_OF_PREFIX = {"brn": ScopeKind.BRANCH, "cmp": ScopeKind.CAMPAIGN, "agt": ScopeKind.AGENT}

UNLIMITED_ROLES = frozenset({Role.ADMINISTRATOR, Role.PLATFORM, Role.SRE})
"""Roles that run a whole tenant: an administrator of one campaign could make itself one of all."""

AGENT_ROLES = frozenset({Role.AGENT, Role.AGENT_SUPERVISOR})
"""Roles of call centres that have the figure of the agent (R-084)."""


@dataclass(frozen=True, slots=True, order=True)
class RoleGrant:
    """A role in the whole tenant (empty `scope_id`), one branch (`brn_…`), one campaign (`cmp_…`).

    AGENT may also be limited to the agent that the user is (`agt_…`).
    """

    role: Role
    scope_id: str = ""

    @property
    def scope_kind(self) -> ScopeKind:
        """What `scope_id` names. Only for grants that `check_grants` let through."""
        return _KIND_OF_PREFIX[self.scope_id[:3]] if self.scope_id else ScopeKind.TENANT

    @property
    def is_administrator(self) -> bool:
        """Whether it runs the tenant."""
        return self.role is Role.ADMINISTRATOR


class Granted(Protocol):
    """Any grant of a role, as in a caller's token."""

    @property
    def role(self) -> str:
        """Name of the role."""
        ...

    @property
    def scope_id(self) -> str:
        """Branch or campaign; empty for the whole tenant."""
        ...


def check_grants(grants: Sequence[RoleGrant], tenant_id: str, field: str = "grants") -> tuple[RoleGrant, ...]:
    """The grants in a stable order.

    Raises InvalidInput, naming the grant, for none, too many, a repeated one or a scope that is none;
    NotAllowed for PLATFORM outside the platform's own tenant.
    """
    if not 1 <= len(grants) <= MAX_GRANTS:
        raise _refused(f"needs 1 to {MAX_GRANTS} roles", field)
    for index, grant in enumerate(grants):
        path = f"{field}[{index}]"
        if grant in grants[:index]:
            raise _refused("repeats an earlier role in the same scope", path)
        _check_scope(grant, f"{path}.scope_id")
        _check_platform(grant, tenant_id, f"{path}.role")
    return tuple(sorted(grants))


def as_agent(grants: Sequence[RoleGrant], agent_id: str) -> tuple[RoleGrant, ...]:
    """The grants of a user who is this agent: AGENT without a scope reaches that agent alone (R-181)."""
    narrowed = (
        RoleGrant(grant.role, agent_id) if grant.role is Role.AGENT and not grant.scope_id else grant
        for grant in grants
    )
    return tuple(sorted(set(narrowed)))


def check_roles_open(grants: Sequence[RoleGrant], *, agents_enabled: bool) -> None:
    """Raises RuleViolated (AGENTS_DISABLED), naming the grant, for an agent's role without agents (R-084)."""
    for index, grant in enumerate(grants):
        if grant.role in AGENT_ROLES and not agents_enabled:
            message = f"{grant.role} needs agents, and agents_enabled is false here"
            metadata = {"role": grant.role}
            field = f"grants[{index}].role"
            raise RuleViolated(Reason.AGENTS_DISABLED, message, metadata=metadata, field=field)


def in_force(grants: Sequence[RoleGrant], *, agents_enabled: bool) -> tuple[RoleGrant, ...]:
    """The grants that count: an agent's roles only where there are agents (R-084)."""
    return tuple(grant for grant in grants if agents_enabled or grant.role not in AGENT_ROLES)


def limits(grants: Sequence[Granted], roles: frozenset[Role]) -> frozenset[str] | None:
    """The scopes to which those of `grants` with one of `roles` are limited; None when one is not limited."""
    scopes = {grant.scope_id for grant in grants if grant.role in roles}
    return None if "" in scopes else frozenset(scopes)


def _check_scope(grant: RoleGrant, field: str) -> None:
    if not grant.scope_id:
        return
    if grant.role in UNLIMITED_ROLES:
        raise _refused(f"{grant.role} holds for the whole tenant: leave scope_id empty", field)
    if not any(is_id(grant.scope_id, prefix) for prefix in _KIND_OF_PREFIX):
        raise _refused("must be the id of a branch (brn_…), a campaign (cmp_…) or an agent (agt_…)", field)
    if grant.scope_kind is ScopeKind.AGENT and grant.role is not Role.AGENT:
        raise _refused("AGENT alone is limited to an agent", field)


def _check_platform(grant: RoleGrant, tenant_id: str, field: str) -> None:
    if grant.role is Role.PLATFORM and tenant_id != PLATFORM_TENANT_ID:
        message = "PLATFORM is granted in the platform's own tenant only"
        raise NotAllowed(Reason.ROLE_REQUIRED, message, metadata={"roles": Role.PLATFORM}, field=field)


def _refused(message: str, field: str) -> InvalidInput:
    return InvalidInput(Reason.INVALID_FIELD, message, field=field)
