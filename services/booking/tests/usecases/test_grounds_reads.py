"""Reads shared by those who ask at once: fresh for each, and one failure or one end is nobody else's."""

import asyncio

import pytest
from booking_house import PLACE, House

from booking.storage import campaigns
from booking.usecases.set_parameter import set_parameter
from kit.errors import Reason, Unavailable
from kit.values.ids import new_id

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_many_who_ask_at_once_cost_few_reads(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    campaign = await house.campaign()
    contacts = [await house.contact(campaign) for _ in range(3)]
    reads = []
    read = campaigns.grounds_to_suggest

    async def counted(*args: object, **named: object) -> object:
        reads.append(args)
        return await read(*args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(campaigns, "grounds_to_suggest", counted)
    asked = [*contacts, "", new_id("cnt")] * 8
    found = await asyncio.gather(
        *(house.desk.grounds.of(house.tenant, campaign.campaign_id, contact) for contact in asked)
    )
    assert len(reads) <= 2
    for contact, grounds in zip(asked, found, strict=True):
        assert grounds is not None
        assert grounds.contact_point == (PLACE if contact in contacts else None)
    assert await house.desk.grounds.of(house.tenant, new_id("cmp"), "") is None


async def test_who_asks_after_a_change_sees_it_even_while_a_read_is_under_way(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = await house.campaign()
    read, go_on, reading = campaigns.grounds_to_suggest, asyncio.Event(), asyncio.Event()

    async def slow(*args: object, **named: object) -> object:
        found = await read(*args, **named)  # type: ignore[arg-type]
        reading.set()
        await go_on.wait()
        return found

    monkeypatch.setattr(campaigns, "grounds_to_suggest", slow)
    early = asyncio.ensure_future(house.desk.grounds.of(house.tenant, campaign.campaign_id, ""))
    await reading.wait()
    await set_parameter(house.desk, "lead_time", "", "60s")
    late = asyncio.ensure_future(house.desk.grounds.of(house.tenant, campaign.campaign_id, ""))
    await asyncio.sleep(0)
    go_on.set()
    before, after = await early, await late
    assert before is not None
    assert after is not None
    assert before.parameters.lead_time.total_seconds() == 129_600
    assert after.parameters.lead_time.total_seconds() == 60


async def test_a_failure_is_told_and_forgotten_and_an_end_is_ones_own(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = await house.campaign()

    async def fail(*_: object, **__: object) -> object:
        raise Unavailable(Reason.DATABASE_UNAVAILABLE, "away")

    with monkeypatch.context() as broken:
        broken.setattr(campaigns, "grounds_to_suggest", fail)
        both = await asyncio.gather(
            *(house.desk.grounds.of(house.tenant, campaign.campaign_id, "") for _ in range(2)),
            return_exceptions=True,
        )
    assert all(isinstance(each, Unavailable) for each in both)
    gone = asyncio.ensure_future(house.desk.grounds.of(house.tenant, campaign.campaign_id, ""))
    stays = asyncio.ensure_future(house.desk.grounds.of(house.tenant, campaign.campaign_id, ""))
    await asyncio.sleep(0)
    gone.cancel()
    assert await stays is not None
