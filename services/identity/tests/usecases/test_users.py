"""Tenants, users and their roles: made once, kept apart, never without an administrator."""

import asyncio
from dataclasses import replace

import psycopg
import pytest
from identity_house import PASSWORD, House, fresh_email, fresh_request_id

from giro.identity.v1 import identity_events_pb2
from identity.domain.email import Email
from identity.domain.roles import Role, RoleGrant
from identity.domain.tenants import PLATFORM_TENANT_ID, Tenant
from identity.domain.users import NewUser
from identity.usecases.bootstrap_platform import BootstrapPlatform
from identity.usecases.create_tenant import NewTenant
from kit.errors import AlreadyExists, GiroError, InvalidInput, NotAllowed, NotFound, Reason, RuleViolated

ADMINISTRATOR = RoleGrant(Role.ADMINISTRATOR)
OPERATOR = RoleGrant(Role.OPERATOR)
CAMPAIGN = "cmp_" + "c" * 32


def _new_tenant(email: str, request_id: str, **changes: object) -> NewTenant:
    administrator = NewUser(Email.parse(email), PASSWORD, "Boss", (), field="administrator.")
    new = NewTenant("Acme", "Europe/Riga", administrator, request_id, b"body")
    return replace(new, **changes)


@pytest.mark.asyncio
async def test_a_repeated_tenant_is_the_same_one_and_told_once(house: House) -> None:
    new = _new_tenant(fresh_email("boss"), fresh_request_id())
    first = await house.use.create_tenant.run(PLATFORM_TENANT_ID, new)
    assert await house.use.create_tenant.run(PLATFORM_TENANT_ID, new) == first
    assert await _events(house, first) == ["tenant_created", "user_created"]


@pytest.mark.asyncio
async def test_the_same_tenant_asked_for_at_once_is_made_once(house: House) -> None:
    new = _new_tenant(fresh_email("boss"), fresh_request_id())
    run = house.use.create_tenant.run
    made = await asyncio.gather(*(run(PLATFORM_TENANT_ID, new) for _ in range(4)))
    assert len({tenant.tenant_id for tenant in made}) == 1
    assert len(await _events(house, made[0])) == 2


@pytest.mark.asyncio
@pytest.mark.parametrize("changes", [{"body": b"another"}, {"password": "another password"}])
async def test_a_request_id_with_another_body_is_refused(house: House, changes: dict[str, object]) -> None:
    new = _new_tenant(fresh_email("boss"), fresh_request_id())
    await house.use.create_tenant.run(PLATFORM_TENANT_ID, new)
    if "password" in changes:
        changes = {"administrator": replace(new.administrator, **changes)}
    with pytest.raises(InvalidInput) as refused:
        await house.use.create_tenant.run(PLATFORM_TENANT_ID, replace(new, **changes))
    assert refused.value.reason is Reason.REQUEST_ID_REUSED


@pytest.mark.asyncio
async def test_a_taken_address_makes_no_tenant(house: House) -> None:
    _, taken = await house.tenant()
    new = _new_tenant(taken.address.upper(), fresh_request_id())
    with pytest.raises(AlreadyExists) as refused:
        await house.use.create_tenant.run(PLATFORM_TENANT_ID, new)
    assert [violation.field for violation in refused.value.violations] == ["administrator.email"]
    free = replace(new, administrator=replace(new.administrator, email=Email.parse(fresh_email("boss"))))
    assert await house.use.create_tenant.run(PLATFORM_TENANT_ID, free)  # nothing was left behind


@pytest.mark.asyncio
async def test_the_first_administrator_must_be_one(house: House) -> None:
    new = _new_tenant(fresh_email("boss"), fresh_request_id())
    operator = replace(new, administrator=replace(new.administrator, grants=(OPERATOR,)))
    assert await _refused_fields(house, operator, InvalidInput) == ["administrator.grants"]
    platform = (ADMINISTRATOR, RoleGrant(Role.PLATFORM))
    escalated = replace(new, administrator=replace(new.administrator, grants=platform))
    assert await _refused_fields(house, escalated, NotAllowed) == ["administrator.grants[1].role"]


@pytest.mark.asyncio
async def test_a_repeated_user_is_the_first_answer_even_after_a_change(house: House) -> None:
    tenant, _ = await house.tenant()
    new = NewUser(Email.parse(fresh_email("user")), PASSWORD, "User", (OPERATOR,))
    request_id = fresh_request_id()
    first = await house.use.create_user.run(tenant.tenant_id, new, request_id, b"body")
    await house.use.set_user_grants.run(tenant.tenant_id, first.user_id, [RoleGrant(Role.AGENT)])
    assert await house.use.create_user.run(tenant.tenant_id, new, request_id, b"body") == first
    with pytest.raises(InvalidInput) as refused:
        await house.use.create_user.run(tenant.tenant_id, new, request_id, b"other")
    assert refused.value.reason is Reason.REQUEST_ID_REUSED


@pytest.mark.asyncio
async def test_the_password_is_nowhere_in_the_database(house: House) -> None:
    password = "never-to-be-seen-in-the-clear"
    tenant, _ = await house.tenant()
    new = NewUser(Email.parse(fresh_email("user")), password, "User", (OPERATOR,))
    await house.use.create_user.run(tenant.tenant_id, new, fresh_request_id(), b"body")
    with psycopg.connect(house.urls.admin) as admin:
        for table in ("claims", "outbox", "users", "logins"):
            rows = admin.execute(f"SELECT t::text FROM identity.{table} t").fetchall()
            assert rows
            assert not any(password in row or password.encode().hex() in row for (row,) in rows)


@pytest.mark.asyncio
async def test_an_address_belongs_to_one_user_over_all_tenants(house: House) -> None:
    mine, _ = await house.tenant()
    _, theirs = await house.tenant()
    with pytest.raises(AlreadyExists) as refused:
        await house.user(mine, email=theirs.address)
    assert [violation.field for violation in refused.value.violations] == ["email"]
    assert refused.value.reason is Reason.ALREADY_EXISTS


@pytest.mark.asyncio
async def test_pages_show_each_user_once_by_email(house: House) -> None:
    tenant, boss = await house.tenant()
    addresses = sorted([boss.address, *[(await house.user(tenant)).email.address for _ in range(6)]])
    seen, token = [], ""
    while True:
        page, token = await house.use.list_users.run(tenant.tenant_id, 3, token, (ADMINISTRATOR,))
        seen += [user.email.address for user in page]
        if not token:
            break
        assert boss.address not in token
    assert seen == addresses


@pytest.mark.asyncio
async def test_a_page_token_of_another_tenant_is_no_token(house: House) -> None:
    mine, _ = await house.tenant()
    theirs, _ = await house.tenant()
    await house.user(theirs)
    _, token = await house.use.list_users.run(theirs.tenant_id, 1, "", (ADMINISTRATOR,))
    assert token
    for broken in (token, token[:-3], "!!", "é"):
        with pytest.raises(InvalidInput) as refused:
            await house.use.list_users.run(mine.tenant_id, 1, broken, (ADMINISTRATOR,))
        assert [violation.field for violation in refused.value.violations] == ["page_token"]


@pytest.mark.asyncio
async def test_a_manager_of_a_campaign_sees_its_users_alone(house: House) -> None:
    tenant, _ = await house.tenant()
    inside = await house.user(tenant, RoleGrant(Role.OPERATOR, CAMPAIGN))
    outside = await house.user(tenant)
    manager = (RoleGrant(Role.PROJECT_MANAGER, CAMPAIGN),)
    listed, _ = await house.use.list_users.run(tenant.tenant_id, 0, "", manager)
    assert listed == [inside]
    assert await house.use.get_user.run(tenant.tenant_id, inside.user_id, manager) == inside
    with pytest.raises(NotAllowed) as refused:
        await house.use.get_user.run(tenant.tenant_id, outside.user_id, manager)
    assert refused.value.reason is Reason.OUT_OF_SCOPE


@pytest.mark.asyncio
async def test_another_tenants_user_is_not_found_like_a_random_one(house: House) -> None:
    mine, _ = await house.tenant()
    theirs, _ = await house.tenant()
    foreign, random = (await house.user(theirs)).user_id, "usr_" + "0" * 32
    for call in (
        lambda user_id: house.use.get_user.run(mine.tenant_id, user_id, (ADMINISTRATOR,)),
        lambda user_id: house.use.set_user_grants.run(mine.tenant_id, user_id, [OPERATOR]),
    ):
        answers = []
        for user_id in (foreign, random):
            with pytest.raises(NotFound) as refused:
                await call(user_id)
            answers.append((refused.value.message.replace(user_id, "<id>"), refused.value.metadata))
        assert answers[0] == answers[1]


@pytest.mark.asyncio
async def test_grants_are_replaced_and_told_once(house: House) -> None:
    tenant, _ = await house.tenant()
    user = await house.user(tenant)
    new = [RoleGrant(Role.AGENT), RoleGrant(Role.OPERATOR, CAMPAIGN)]
    for _ in range(2):
        changed = await house.use.set_user_grants.run(tenant.tenant_id, user.user_id, new)
        assert changed.grants == tuple(sorted(new))
    assert await house.use.get_user.me(tenant.tenant_id, user.user_id) == changed
    assert (await _events(house, tenant)).count("user_grants_set") == 1


@pytest.mark.asyncio
async def test_an_agent_reaches_itself_alone_whoever_sets_its_role(house: House) -> None:
    tenant, _ = await house.tenant()
    agent_id = "agt_" + "a" * 32
    new = NewUser(Email.parse(fresh_email("agent")), PASSWORD, "Agent", (RoleGrant(Role.AGENT),), agent_id)
    user = await house.use.create_user.run(tenant.tenant_id, new, fresh_request_id(), b"body")
    assert user.grants == (RoleGrant(Role.AGENT, agent_id),)
    again = await house.use.set_user_grants.run(tenant.tenant_id, user.user_id, [RoleGrant(Role.AGENT)])
    assert again == user


@pytest.mark.asyncio
async def test_an_administrator_remains(house: House) -> None:
    tenant, _ = await house.tenant()
    boss = await house.administrator(tenant)
    with pytest.raises(RuleViolated) as refused:
        await house.use.set_user_grants.run(tenant.tenant_id, boss.user_id, [OPERATOR])
    assert refused.value.reason is Reason.LAST_ADMINISTRATOR
    await house.use.set_user_grants.run(tenant.tenant_id, boss.user_id, [ADMINISTRATOR, OPERATOR])
    await house.user(tenant, ADMINISTRATOR)
    await house.use.set_user_grants.run(tenant.tenant_id, boss.user_id, [OPERATOR])


@pytest.mark.asyncio
async def test_two_administrators_cannot_remove_each_other_at_once(house: House) -> None:
    for _ in range(5):
        tenant, _ = await house.tenant()
        pair = [await house.administrator(tenant), await house.user(tenant, ADMINISTRATOR)]
        done = await asyncio.gather(
            *(house.use.set_user_grants.run(tenant.tenant_id, user.user_id, [OPERATOR]) for user in pair),
            return_exceptions=True,
        )
        assert [type(answer) for answer in done].count(RuleViolated) == 1
        assert (await house.administrator(tenant)).is_administrator


@pytest.mark.asyncio
async def test_the_platform_is_bootstrapped_once(house: House) -> None:
    bootstrap = BootstrapPlatform(house.db, house.passwords)
    email = Email.parse(fresh_email("root"))
    first = await bootstrap.run(email, PASSWORD)
    assert await bootstrap.run(email, "another password") == first
    assert {grant.role for grant in first.grants} == {Role.ADMINISTRATOR, Role.PLATFORM}
    session = await house.use.create_session.run(email, PASSWORD)
    assert session.user.tenant_id == PLATFORM_TENANT_ID
    _, taken = await house.tenant()
    with pytest.raises(AlreadyExists):
        await bootstrap.run(taken, PASSWORD)


@pytest.mark.asyncio
async def test_events_carry_no_personal_data(house: House) -> None:
    tenant, email = await house.tenant()
    with psycopg.connect(house.urls.admin) as admin:
        query = "SELECT subject, payload FROM identity.outbox WHERE tenant_id = %s ORDER BY id"
        (_, created), (subject, payload) = admin.execute(query, (tenant.tenant_id,)).fetchall()
    assert identity_events_pb2.TenantCreated.FromString(created).time_zone == "Europe/Riga"
    assert subject == f"giro.evt.{tenant.tenant_id}.identity.v1.user_created"
    assert email.address.encode() not in payload


async def _refused_fields(house: House, new: NewTenant, kind: type[GiroError]) -> list[str]:
    with pytest.raises(kind) as refused:
        await house.use.create_tenant.run(PLATFORM_TENANT_ID, new)
    return [violation.field for violation in refused.value.violations]


async def _events(house: House, tenant: Tenant) -> list[str]:
    query = "SELECT subject FROM identity.outbox WHERE tenant_id = %s ORDER BY id"
    with psycopg.connect(house.urls.admin) as admin:
        rows = admin.execute(query, (tenant.tenant_id,)).fetchall()
    return [subject.rpartition(".")[2] for (subject,) in rows]
