"""Which grants a user can have (R-176, R-179, R-181)."""

import pytest

from giro.common.v1 import access_pb2
from identity.domain.roles import Role, RoleGrant, ScopeKind, as_agent, check_grants, limits
from identity.domain.tenants import PLATFORM_TENANT_ID
from kit.errors import GiroError, InvalidInput, NotAllowed
from kit.rpc import context

TENANT = "ten_" + "a" * 32
BRANCH = "brn_" + "b" * 32
CAMPAIGN = "cmp_" + "c" * 32
AGENT = "agt_" + "a" * 32


def test_every_role_of_the_contract_but_service_can_be_granted() -> None:
    contract = {name.removeprefix("ROLE_") for name in dict(access_pb2.Role.items())}
    assert contract - {"UNSPECIFIED", "SERVICE"} == {str(role) for role in Role}


def test_the_scope_says_how_far_a_grant_reaches() -> None:
    assert RoleGrant(Role.OPERATOR).scope_kind is ScopeKind.TENANT
    assert RoleGrant(Role.OPERATOR, CAMPAIGN).scope_kind is ScopeKind.CAMPAIGN
    assert RoleGrant(Role.BRANCH_MANAGER, BRANCH).scope_kind is ScopeKind.BRANCH
    assert RoleGrant(Role.AGENT, AGENT).scope_kind is ScopeKind.AGENT


def test_scopes_are_called_in_tokens_what_the_other_services_read() -> None:
    assert [str(kind) for kind in ScopeKind] == [
        context.TENANT,
        context.BRANCH,
        context.CAMPAIGN,
        context.AGENT,
    ]


@pytest.mark.parametrize(
    ("grants", "field"),
    [
        ([], "grants"),
        ([RoleGrant(Role.AGENT)] * 51, "grants"),
        ([RoleGrant(Role.AGENT), RoleGrant(Role.AGENT)], "grants[1]"),
        ([RoleGrant(Role.OPERATOR), RoleGrant(Role.OPERATOR, "anything")], "grants[1].scope_id"),
        ([RoleGrant(Role.OPERATOR, "cmp_")], "grants[0].scope_id"),
        ([RoleGrant(Role.OPERATOR, "agt_" + "a" * 32)], "grants[0].scope_id"),
        ([RoleGrant(Role.AGENT, AGENT), RoleGrant(Role.CUSTOMER, AGENT)], "grants[1].scope_id"),
        ([RoleGrant(Role.ADMINISTRATOR, CAMPAIGN)], "grants[0].scope_id"),
        ([RoleGrant(Role.SRE, BRANCH)], "grants[0].scope_id"),
    ],
)
def test_bad_grants_are_named(grants: list[RoleGrant], field: str) -> None:
    assert _refusal(grants, InvalidInput) == [field]


def test_platform_is_granted_in_the_platforms_own_tenant_alone() -> None:
    grants = [RoleGrant(Role.ADMINISTRATOR), RoleGrant(Role.PLATFORM)]
    assert check_grants(grants, PLATFORM_TENANT_ID) == tuple(grants)
    assert _refusal(grants, NotAllowed) == ["grants[1].role"]


def test_limits_are_the_scopes_of_the_roles_asked_for() -> None:
    both = [RoleGrant(Role.PROJECT_MANAGER, CAMPAIGN), RoleGrant(Role.OPERATOR)]
    assert limits(both, frozenset({Role.PROJECT_MANAGER})) == {CAMPAIGN}
    assert limits(both, frozenset({Role.PROJECT_MANAGER, Role.OPERATOR})) is None
    assert limits(both, frozenset({Role.SRE})) == frozenset()


def test_a_user_who_is_an_agent_is_one_as_that_agent_alone() -> None:
    asked = [RoleGrant(Role.AGENT), RoleGrant(Role.AGENT, CAMPAIGN), RoleGrant(Role.OPERATOR)]
    own = RoleGrant(Role.AGENT, AGENT)
    assert set(as_agent(asked, AGENT)) == {own, RoleGrant(Role.AGENT, CAMPAIGN), RoleGrant(Role.OPERATOR)}
    assert as_agent([own, RoleGrant(Role.AGENT)], AGENT) == (own,)
    assert as_agent([RoleGrant(Role.AGENT)], "") == (RoleGrant(Role.AGENT),)


def _refusal(grants: list[RoleGrant], kind: type[GiroError]) -> list[str]:
    with pytest.raises(kind) as refused:
        check_grants(grants, TENANT)
    return [violation.field for violation in refused.value.violations]
