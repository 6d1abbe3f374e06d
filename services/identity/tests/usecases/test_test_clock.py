"""The tenant's test clock (sandbox mode): moved once per request, read by every transaction at once."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from identity_house import House, fresh_request_id

from identity.domain.roles import Role, RoleGrant
from identity.domain.tenants import Tenant
from identity.domain.testclock import MAX_AHEAD, TestClock
from kit.db.claims import Claim
from kit.errors import InvalidInput, NotAllowed, Reason, RuleViolated

ADMINISTRATOR = (RoleGrant(Role.ADMINISTRATOR),)
NEARLY = timedelta(minutes=1)


@pytest.mark.asyncio
async def test_the_next_transaction_sees_the_new_time_and_other_tenants_do_not(house: House) -> None:
    mine, _ = await house.tenant()
    theirs, _ = await house.tenant()
    clock = await _advance(house, mine, timedelta(hours=36))
    assert clock.offset == timedelta(hours=36)
    async with house.db.uow(mine.tenant_id) as tx:
        assert abs(await tx.now() - datetime.now(UTC) - timedelta(hours=36)) < NEARLY
    async with house.db.uow(theirs.tenant_id) as tx:
        assert abs(await tx.now() - datetime.now(UTC)) < NEARLY
    read = await house.use.get_test_clock.run(mine.tenant_id)
    assert read.offset == clock.offset
    assert read.now >= clock.now


@pytest.mark.asyncio
async def test_a_repeated_request_moves_it_once(house: House) -> None:
    tenant, _ = await house.tenant()
    request_id = fresh_request_id()
    first = await _advance(house, tenant, timedelta(hours=1), request_id)
    assert await _advance(house, tenant, timedelta(hours=1), request_id) == first
    with pytest.raises(InvalidInput) as refused:
        await _advance(house, tenant, timedelta(hours=2), request_id)
    assert refused.value.reason is Reason.REQUEST_ID_REUSED
    assert (await house.use.get_test_clock.run(tenant.tenant_id)).offset == timedelta(hours=1)


@pytest.mark.asyncio
async def test_steps_at_once_add_up(house: House) -> None:
    tenant, _ = await house.tenant()
    await asyncio.gather(*(_advance(house, tenant, timedelta(minutes=1)) for _ in range(8)))
    assert (await house.use.get_test_clock.run(tenant.tenant_id)).offset == timedelta(minutes=8)


@pytest.mark.asyncio
@pytest.mark.parametrize("by", [timedelta(0), timedelta(seconds=-1), timedelta(seconds=1.5)])
async def test_bad_steps_are_refused_by_name(house: House, by: timedelta) -> None:
    tenant, _ = await house.tenant()
    with pytest.raises(InvalidInput) as refused:
        await _advance(house, tenant, by)
    assert [violation.field for violation in refused.value.violations] == ["by"]


@pytest.mark.asyncio
async def test_the_clock_stays_within_the_calendar(house: House) -> None:
    tenant, _ = await house.tenant()
    await _advance(house, tenant, MAX_AHEAD)
    with pytest.raises(InvalidInput, match="3650 days"):
        await _advance(house, tenant, timedelta(seconds=1))


@pytest.mark.asyncio
async def test_there_is_none_outside_sandbox_mode(house: House) -> None:
    tenant, _ = await house.tenant()
    live = replace(house.use.advance_test_clock, sandbox=False)
    with pytest.raises(RuleViolated) as refused:
        await live.run(tenant.tenant_id, timedelta(hours=1), Claim(fresh_request_id(), b""), ADMINISTRATOR)
    assert refused.value.reason is Reason.SANDBOX_OFF
    assert (await house.use.get_test_clock.run(tenant.tenant_id)).offset == timedelta(0)


@pytest.mark.asyncio
async def test_a_partner_of_one_campaign_does_not_move_the_whole_tenant(house: House) -> None:
    tenant, _ = await house.tenant()
    partner = (RoleGrant(Role.PARTNER, "cmp_" + "c" * 32),)
    with pytest.raises(NotAllowed):
        await house.use.advance_test_clock.run(
            tenant.tenant_id, timedelta(hours=1), Claim(fresh_request_id(), b""), partner
        )


async def _advance(house: House, tenant: Tenant, by: timedelta, request_id: str = "") -> TestClock:
    claim = Claim(request_id or fresh_request_id(), str(by).encode())
    return await house.use.advance_test_clock.run(tenant.tenant_id, by, claim, ADMINISTRATOR)
