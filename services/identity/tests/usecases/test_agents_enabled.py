"""Supervisors, and agents, only where the call centre has the figure of the agent (R-084, ID-08)."""

import base64

import pytest
from identity_house import PASSWORD, House, fresh_email, fresh_request_id

from identity.domain.email import Email
from identity.domain.parameters import AGENTS_ENABLED, Shown
from identity.domain.roles import Role, RoleGrant
from identity.domain.tenants import Tenant
from identity.domain.users import NewUser
from identity.usecases.tenant_parameters import TenantParameters
from kit.errors import InvalidInput, NotFound, Reason, RuleViolated
from kit.parameters import Scope

pytestmark = pytest.mark.asyncio
SUPERVISOR, AGENT = RoleGrant(Role.AGENT_SUPERVISOR), RoleGrant(Role.AGENT)
OPERATOR = RoleGrant(Role.OPERATOR)
NAME = AGENTS_ENABLED.name


async def agents(house: House, tenant: Tenant, text: str) -> Shown:
    return await TenantParameters(house.db).set(tenant.tenant_id, NAME, text)


async def test_the_value_comes_from_the_system_until_the_tenant_sets_it(house: House) -> None:
    tenant, _ = await house.tenant()
    other, _ = await house.tenant()
    parameters = TenantParameters(house.db)
    seen = []
    for text in (None, "false", "true", ""):
        shown = await (
            parameters.get(tenant.tenant_id, NAME) if text is None else agents(house, tenant, text)
        )
        assert await parameters.get(tenant.tenant_id, NAME) == shown
        assert (await parameters.get(other.tenant_id, NAME)).source is Scope.SYSTEM
        seen.append((shown.value, shown.source))
    assert seen == [
        ("true", Scope.SYSTEM),
        ("false", Scope.TENANT),
        ("true", Scope.TENANT),
        ("true", Scope.SYSTEM),
    ]


async def test_what_is_no_value_or_no_parameter_is_refused_by_name(house: House) -> None:
    tenant, _ = await house.tenant()
    parameters = TenantParameters(house.db)
    for text in ("no", "0", '"false"', "False"):
        with pytest.raises(InvalidInput) as refused:
            await parameters.set(tenant.tenant_id, NAME, text)
        assert [each.field for each in refused.value.violations] == ["value"]
    for call in (
        parameters.get(tenant.tenant_id, "agents"),
        parameters.set(tenant.tenant_id, "agents", "true"),
    ):
        with pytest.raises(NotFound) as unknown:
            await call
        assert [each.field for each in unknown.value.violations] == ["name"]


@pytest.mark.parametrize("role", [SUPERVISOR, AGENT])
async def test_without_agents_an_agents_role_is_not_granted(house: House, role: RoleGrant) -> None:
    tenant, _ = await house.tenant()
    user = await house.user(tenant)
    await agents(house, tenant, "false")
    new = NewUser(Email.parse(fresh_email("user")), PASSWORD, "User", (OPERATOR, role))
    created = house.use.create_user.run(tenant.tenant_id, new, fresh_request_id(), b"body")
    replaced = house.use.set_user_grants.run(tenant.tenant_id, user.user_id, [OPERATOR, role])
    for call in (created, replaced):
        with pytest.raises(RuleViolated) as refused:
            await call
        assert refused.value.reason is Reason.AGENTS_DISABLED
        assert [each.field for each in refused.value.violations] == ["grants[1].role"]
        assert refused.value.metadata == {"role": role.role}
    assert await house.use.get_user.me(tenant.tenant_id, user.user_id) == user
    await house.user(tenant, OPERATOR, RoleGrant(Role.PROJECT_MANAGER))  # other roles are as ever
    await agents(house, tenant, "true")
    assert (await house.use.set_user_grants.run(tenant.tenant_id, user.user_id, [OPERATOR, role])).grants


async def test_who_has_the_role_signs_in_without_it_while_there_are_no_agents(house: House) -> None:
    tenant, _ = await house.tenant()
    other, _ = await house.tenant()
    email = fresh_email("boss-of-agents")
    user = await house.user(tenant, OPERATOR, SUPERVISOR, email=email)
    theirs = await house.user(other, SUPERVISOR)
    for text, counting in (("false", (OPERATOR,)), ("true", user.grants)):
        await agents(house, tenant, text)
        session = await house.use.create_session.run(Email.parse(email), PASSWORD)
        assert session.user.grants == counting
        claims = session.access_token.split(".")[1]
        assert ("AGENT_SUPERVISOR" in decoded(claims)) is (text == "true")
        assert (await house.use.get_user.me(tenant.tenant_id, user.user_id)).grants == counting
        kept = await house.use.get_user.run(tenant.tenant_id, user.user_id, (RoleGrant(Role.ADMINISTRATOR),))
        assert kept.grants == user.grants, "an administrator sees what would come back"
        again = await house.use.create_session.run(theirs.email, PASSWORD)
        assert again.user.grants == (SUPERVISOR,), "another tenant decides for itself"


def decoded(part: str) -> str:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)).decode()
