"""Packages on a real database: renewal, recovery by days, events of the level, storms, crashes."""

import asyncio
import random
from datetime import timedelta
from typing import Any

import pytest
from booking_house import House, claim
from house_clock import soon
from ledger_double import Lost
from sqlalchemy import text

from booking import events
from booking.domain.appointment import Card
from booking.domain.campaign import Campaign
from booking.domain.package import Level
from booking.transport.consumers import PackageLevels
from booking.usecases import packages, portal
from booking.usecases.cancel_appointment import CancelAppointment, cancel_appointment
from booking.usecases.packages import RenewPackage, list_package_steps, recover_units, renew_package
from booking.usecases.set_parameter import set_parameter
from giro.booking.v1 import package_events_pb2 as pb
from kit.bus.events import Event
from kit.errors import GiroError, NotAllowed, NotFound, Reason
from kit.rpc.context import Grant
from kit.testing.dying import Died, die_at
from kit.values.ids import new_id

pytestmark = pytest.mark.asyncio(loop_scope="session")

DAY = timedelta(days=1)


async def renew(house: House, campaign: Campaign, units: int, key: Any = None) -> Any:
    return await renew_package(house.desk, RenewPackage(campaign.campaign_id, units, key or claim()))


async def cancel(house: House, card: Card) -> None:
    await cancel_appointment(house.desk, CancelAppointment(card.appointment.appointment_id, 0, ""))


async def full(house: House, purchased: int, cancelled: int) -> tuple[Campaign, str]:
    """A campaign whose package is used up, some of it cancelled."""
    campaign = await house.campaign(purchased=purchased)
    contact = await house.contact(campaign)
    cards = [await house.book(campaign, contact, soon(48 + n)) for n in range(purchased)]
    for card in cards[:cancelled]:
        await cancel(house, card)
    return campaign, contact


async def sound(house: House, campaign: Campaign) -> None:
    assert (await portal.verify_counters(house.desk, campaign.campaign_id)).differing == []


async def levels(house: House) -> list[tuple[str, int]]:
    """Lets booking hear its own events, twice each; gives (level's event, revision) in order."""
    query = text("SELECT * FROM booking.outbox WHERE tenant_id = :t ORDER BY id")
    for _ in range(2):
        async with house.desk.db.uow(house.tenant) as tx:
            rows = list(await tx.run(query, {"t": house.tenant}))
        for row in rows:
            name = row.subject
            await PackageLevels(house.desk.db)(
                Event(row.event_id, row.tenant_id, name, row.entity_id, bytes(row.payload), "", "", "levels")
            )
    async with house.desk.db.uow(house.tenant) as tx:
        rows = list(await tx.run(query, {"t": house.tenant}))
    told = [(row.subject.rpartition(".")[2], bytes(row.payload)) for row in rows]
    return [(n, pb.PackageFull.FromString(p).package.revision) for n, p in told if n.startswith("package")]


async def test_renewal_after_the_stop_goes_on_at_once(house: House) -> None:
    campaign, contact = await full(house, 3, cancelled=1)
    with pytest.raises(GiroError) as refused:
        await house.book(campaign, contact, soon(60))
    assert refused.value.reason is Reason.PACKAGE_FULL
    key = claim()
    package = await renew(house, campaign, 2, key)
    assert (package.purchased, package.step, package.left, package.to_recover) == (5, 2, 2, 1)
    assert await renew(house, campaign, 2, key) == package
    for n in range(2):
        await house.book(campaign, contact, soon(60 + n))
    with pytest.raises(GiroError):
        await house.book(campaign, contact, soon(70))
    assert [(s.step, s.units) for s in await list_package_steps(house.desk, campaign.campaign_id)] == [
        (1, 3),
        (2, 2),
    ]
    await sound(house, campaign)


async def test_cancelled_ones_are_made_up_two_a_day_after_the_step(house: House) -> None:
    campaign, contact = await full(house, 6, cancelled=5)
    booked = []
    for day in range(4):
        for _ in range(3):  # as often as the worker may look
            await recover_units(house.desk)
        while True:
            try:
                hours = 100 + 24 * day + len(booked)
                booked.append((day, await house.book(campaign, contact, soon(hours))))
            except GiroError as refused:
                assert refused.reason is Reason.PACKAGE_FULL  # noqa: PT017
                break
        await sound(house, campaign)
        await house.advance(DAY)
    assert [day for day, _ in booked] == [0, 0, 1, 1, 2]
    package = await house.package(campaign)
    assert (package.taken, package.waiting, package.recovered) == (6, 0, 5)


async def test_a_booking_under_way_that_fails_has_freed_nothing_early(house: House) -> None:
    campaign = await house.campaign(purchased=3)
    contact = await house.contact(campaign)
    kept, gone = [await house.book(campaign, contact, soon(48 + n)) for n in range(2)]
    await cancel(house, gone)
    house.ledger.lose("reserve", Lost.REQUEST)
    with pytest.raises(GiroError):
        await house.book(campaign, contact, soon(60))
    await recover_units(house.desk)  # the third unit is taken, but nobody has it yet
    package = await house.package(campaign)
    assert (package.left, package.recovered, package.cancelled_in_step) == (0, 0, 1)
    await house.settle()
    await recover_units(house.desk)
    package = await house.package(campaign)
    assert (package.left, package.recovered, package.cancelled_in_step) == (1, 0, 1)
    await house.book(campaign, contact, soon(60))
    await recover_units(house.desk)  # the same day: the looks before it set nothing free
    assert ((await house.package(campaign)).left, (await house.package(campaign)).recovered) == (1, 1)
    assert (await house.stored(kept.appointment.appointment_id)).state == "TO_CONFIRM"
    await sound(house, campaign)


async def test_an_open_step_makes_nothing_up(house: House) -> None:
    campaign, _ = await full(house, 3, cancelled=2)
    await renew(house, campaign, 10)
    await recover_units(house.desk)
    package = await house.package(campaign)
    assert (package.left, package.to_recover, package.recovered) == (10, 2, 0)


async def test_a_pace_of_nought_makes_nothing_up(house: House) -> None:
    campaign, _ = await full(house, 2, cancelled=2)
    await set_parameter(house.desk, "recovery_a_day", campaign.campaign_id, "0")
    await recover_units(house.desk)
    assert (await house.package(campaign)).left == 0


async def test_levels_are_told_once_in_order(house: House) -> None:
    await set_parameter(house.desk, "nearly_full_left", "", "1")
    await set_parameter(house.desk, "nearly_full_percent", "", "50")
    campaign = await house.campaign(purchased=3)
    contact = await house.contact(campaign)
    first = await house.book(campaign, contact, soon(48))
    assert await levels(house) == []
    await house.book(campaign, contact, soon(50))
    assert await levels(house) == [("package_nearly_full", 1)]
    await house.book(campaign, contact, soon(52))
    await cancel(house, first)
    assert await levels(house) == [("package_nearly_full", 1), ("package_full", 2)]
    await renew(house, campaign, 4)
    assert (await levels(house))[2:] == [("package_renewed", 3), ("package_open", 4)]
    assert (await portal.get_campaign_box(house.desk, campaign.campaign_id)).level is Level.OPEN


async def test_a_failed_booking_opens_the_package_again(house: House) -> None:
    campaign = await house.campaign(purchased=1)
    contact = await house.contact(campaign)
    house.ledger.lose("reserve", NotFound(Reason.NOT_FOUND, "no such agent"))
    with pytest.raises(NotFound):
        await house.book(campaign, contact, soon())
    assert await levels(house) == []
    await house.book(campaign, contact, soon())
    assert await levels(house) == [("package_full", 1)]


async def test_a_storm_of_bookings_renewals_and_recoveries_keeps_the_counters(house: House) -> None:
    chance = random.Random(20270328)
    campaign = await house.campaign(purchased=6)
    contact = await house.contact(campaign)

    async def one(number: int) -> None:
        try:
            if number % 8 == 0:
                await renew(house, campaign, 1)
            elif number % 9 == 0:
                await recover_units(house.desk)
            else:
                card = await house.book(campaign, contact, soon(48 + 2 * number), house.agents[number % 4])
                if chance.random() < 0.5:
                    await cancel(house, card)
        except GiroError as refused:
            assert refused.reason in {Reason.PACKAGE_FULL, Reason.CONTENTION}  # noqa: PT017

    room = asyncio.Semaphore(16)  # fewer than the pool has connections: on a slow machine the rest give up

    async def in_turn(number: int) -> None:
        async with room:
            await one(number)

    await asyncio.gather(*(in_turn(number) for number in range(64)))
    await house.settle()
    package = await house.package(campaign)
    assert package.purchased == 6 + 8
    assert package.step == 9
    await sound(house, campaign)


async def test_the_last_unit_of_a_renewal_goes_to_one_of_32(house: House) -> None:
    campaign, contact = await full(house, 2, cancelled=1)
    await renew(house, campaign, 1)
    answers = await asyncio.gather(
        *(house.book(campaign, contact, soon(60 + 2 * n), house.agents[n % 4]) for n in range(32)),
        return_exceptions=True,
    )
    assert sum(isinstance(answer, Card) for answer in answers) == 1
    await sound(house, campaign)


async def test_two_recoveries_at_once_set_one_days_share_free(house: House) -> None:
    campaign, _ = await full(house, 6, cancelled=6)
    await asyncio.gather(*(recover_units(house.desk) for _ in range(4)))
    assert (await house.package(campaign)).recovered == 2


@pytest.mark.parametrize("point", ["renew", "recover"])
async def test_death_before_the_commit_changes_nothing(house: House, point: str) -> None:
    campaign, _ = await full(house, 3, cancelled=2)
    before = await house.package(campaign)
    die_at(f"booking.{point}.before_commit")
    key = claim()

    async def act() -> None:
        if point == "renew":
            await renew(house, campaign, 5, key)
        else:
            await recover_units(house.desk)

    with pytest.raises(Died):
        await act()
    assert await house.package(campaign) == before
    assert not [name for name, _ in await house.events() if name.startswith("package")]
    await act()
    assert await house.package(campaign) != before
    await sound(house, campaign)


async def test_only_within_reach(house: House) -> None:
    mine, other = await house.campaign(), await house.campaign()
    house.enter(Grant("PROJECT_MANAGER", "campaign", mine.campaign_id))
    await renew(house, mine, 1)
    with pytest.raises(NotAllowed):
        await renew(house, other, 1)
    house.enter()
    with pytest.raises(NotFound):
        await packages.renew_package(house.desk, RenewPackage(new_id("cmp"), 1, claim()))
    assert events.PACKAGE_RENEWED in [name for name, _ in await house.events()]
