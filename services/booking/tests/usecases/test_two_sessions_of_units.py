"""Two sessions on one package or one hour, in either order: no unit and no hour goes to both."""

from typing import Any

import pytest
from booking_house import VISIT, House, claim
from house_clock import soon
from two_visits import AT_ONCE, WAITS, Act, Visit, meet

from booking.domain.appointment import State
from booking.domain.campaign import Campaign
from booking.domain.series import Series, SeriesState
from booking.usecases import portal
from booking.usecases.cancel_appointment import CancelAppointment, cancel_appointment
from booking.usecases.create_series import CreateSeries, create_series
from booking.usecases.packages import RenewPackage, _recover, renew_package

pytestmark = pytest.mark.asyncio(loop_scope="session")


# --- a series ------------------------------------------------------------------------------------------


def series(visit: Visit, start: Any, made: list[Series]) -> Act:
    """Two visits, two days apart."""
    house = visit.house

    async def create() -> None:
        who = visit.campaign.campaign_id, visit.card.appointment.contact_id, house.agents[0]
        command = CreateSeries(*who, start, VISIT, 2, 2, "", claim())
        made.append(await create_series(house.desk, command))

    return create


@pytest.mark.parametrize("series_first", [True, False])
async def test_a_series_and_a_booking_want_the_same_hour(house: House, series_first: bool) -> None:
    visit, start, made = await Visit.of(house), soon(100), list[Series]()

    async def book() -> Any:
        return await house.book(visit.campaign, visit.card.appointment.contact_id, start)

    create = series(visit, start, made)
    if series_first:
        assert await meet(create, book, "series.after_pending", AT_ONCE) == ("", "")
        assert [(each.number, each.refusal.reason) for each in made[0].conflicts] == [(1, "SLOT_TAKEN")]
    else:
        assert await meet(book, create, "book.after_pending", AT_ONCE) == ("SLOT_TAKEN", "")
        assert made[0].state is SeriesState.CREATED
    await visit.require_sound()
    assert (await house.package(visit.campaign)).taken == (2 if series_first else 3)


@pytest.mark.parametrize("series_first", [True, False])
async def test_a_series_and_a_booking_want_the_last_units(house: House, series_first: bool) -> None:
    campaign = await house.campaign(purchased=2)
    contact = await house.contact(campaign)
    who, made = (campaign.campaign_id, contact, house.agents[0]), list[Series]()

    async def book() -> Any:
        return await house.book(campaign, contact, soon(60), house.agents[1])

    async def create() -> None:
        made.append(await create_series(house.desk, CreateSeries(*who, soon(60), VISIT, 1, 2, "", claim())))

    if series_first:
        assert await meet(create, book, "series.after_pending", AT_ONCE) == ("", "PACKAGE_FULL")
        assert made[0].state is SeriesState.CREATED
    else:
        assert await meet(book, create, "book.after_pending", AT_ONCE) == ("", "PACKAGE_FULL")
    await house.settle()
    await house.require_sound()
    assert (await house.package(campaign)).taken == (2 if series_first else 1)


@pytest.mark.parametrize("series_first", [True, False])
async def test_a_series_and_the_cancellation_that_makes_room_for_it(house: House, series_first: bool) -> None:
    """The stop of what is cancelled is freed after the decision: until then the hour is taken."""
    visit, made = await Visit.of(house), list[Series]()
    create = series(visit, visit.card.appointment.window.start, made)

    async def cancel() -> None:
        await visit.cancel()
        await house.settle()

    if series_first:
        assert await meet(create, cancel, "series.after_pending", AT_ONCE) == ("", "")
        states = {each.state for each in made}
        assert states <= {SeriesState.CREATED, SeriesState.REFUSED}
    else:
        assert await meet(visit.cancel, create, "cancel.before_commit", WAITS) == ("", "")
        assert [(each.number, each.refusal.reason) for each in made[0].conflicts] == [(1, "SLOT_TAKEN")]
    assert (await visit.now()).state is State.CANCELLED
    await visit.require_sound()


@pytest.mark.parametrize("series_first", [True, False])
async def test_one_of_a_series_is_cancelled_once_it_is_an_appointment(
    house: House, series_first: bool
) -> None:
    visit, made = await Visit.of(house), list[Series]()
    create, wanted = series(visit, soon(100), made), set(await house.all_stored())

    async def cancel() -> Any:
        pending = sorted(set(await house.all_stored()) - wanted)
        return await cancel_appointment(house.desk, CancelAppointment(pending[0], 0, ""))

    if series_first:
        assert await meet(create, cancel, "series.before_commit", WAITS) == ("", "")
    else:
        assert await meet(create, cancel, "series.after_reserve", AT_ONCE) == ("", "WRONG_STATE")
    states = [each.state for _, each in made[0].appointments]
    assert made[0].state is SeriesState.CREATED
    assert states == [State.TO_CONFIRM] * 2
    await visit.require_sound()
    assert (await house.package(visit.campaign)).taken == (2 if series_first else 3)


# --- a package -----------------------------------------------------------------------------------------


async def full(house: House) -> tuple[Campaign, str]:
    """A package of two: one taken, one cancelled and not free yet."""
    campaign = await house.campaign(purchased=2)
    contact = await house.contact(campaign)
    cards = [await house.book(campaign, contact, soon(48 + 2 * n)) for n in range(2)]
    await cancel_appointment(house.desk, CancelAppointment(cards[0].appointment.appointment_id, 0, ""))
    return campaign, contact


async def recover(house: House, campaign: Campaign) -> bool:
    """As a round does, which would meet the packages of other tests first."""
    return await _recover(house.desk, house.tenant, campaign.campaign_id)


@pytest.mark.parametrize(
    ("first", "second", "at"),
    [
        ("renew", "recover", "renew.before_commit"),
        ("renew", "book", "renew.before_commit"),
        ("recover", "renew", "recover.before_commit"),
        ("recover", "book", "recover.before_commit"),
    ],
)
async def test_units_are_renewed_recovered_and_taken_each_once(
    house: House, first: str, second: str, at: str
) -> None:
    campaign, contact = await full(house)

    async def renew() -> Any:
        return await renew_package(house.desk, RenewPackage(campaign.campaign_id, 3, claim()))

    async def book() -> Any:
        return await house.book(campaign, contact, soon(60))

    acts: dict[str, Act] = {"renew": renew, "recover": lambda: recover(house, campaign), "book": book}
    ends = await meet(acts[first], acts[second], at, WAITS if second != "book" else AT_ONCE)
    assert ends == ("", "PACKAGE_FULL" if second == "book" else "")
    assert (await portal.verify_counters(house.desk, campaign.campaign_id)).differing == []
    package = await house.package(campaign)
    assert package.purchased == (5 if "renew" in {first, second} else 2)
    assert package.taken + package.cancelled_in_step + package.to_recover + package.left == package.purchased
    await book()  # what it brought may be taken by now
    assert (await house.package(campaign)).taken == 2
    await house.settle()
    await house.require_stops()


@pytest.mark.parametrize("second", ["renew", "recover"])
async def test_a_booking_that_is_decided_meets_who_works_its_package(house: House, second: str) -> None:
    campaign = await house.campaign(purchased=3)
    contact = await house.contact(campaign)
    card = await house.book(campaign, contact, soon(48))
    await cancel_appointment(house.desk, CancelAppointment(card.appointment.appointment_id, 0, ""))
    await house.book(campaign, contact, soon(50))

    async def renew() -> Any:
        return await renew_package(house.desk, RenewPackage(campaign.campaign_id, 3, claim()))

    acts: dict[str, Act] = {"renew": renew, "recover": lambda: recover(house, campaign)}
    ends = await meet(
        lambda: house.book(campaign, contact, soon(60)), acts[second], "book.before_commit", AT_ONCE
    )
    assert ends == ("", "")
    assert (await portal.verify_counters(house.desk, campaign.campaign_id)).differing == []
    package = await house.package(campaign)
    assert (package.taken, package.to_confirm) == (2, 2)
    await house.settle()
    await house.require_stops()
