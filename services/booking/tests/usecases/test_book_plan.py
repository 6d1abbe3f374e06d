"""A plan's new visits are booked in one step: all of them, or none (GEO-21)."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from booking_house import VISIT, House, claim
from house_clock import soon
from ledger_double import Lost
from rounds_double import RoundsDouble
from two_visits import AT_ONCE, meet

from booking.domain.appointment import Appointment, State
from booking.domain.campaign import Campaign
from booking.domain.promise import PromiseKind
from booking.usecases.book_plan import PlannedVisit, book_plan
from booking.usecases.cancel_appointment import CancelAppointment, cancel_appointment
from booking.usecases.create_series import get_series
from kit.db.claims import Claim
from kit.errors import GiroError, NotFound, Reason
from kit.rpc.context import Grant
from kit.testing.dying import Died, die_at
from kit.values.ids import new_id

pytestmark = pytest.mark.asyncio(loop_scope="session")

UNDONE = (
    "book_plan.before_decide",
    "book_plan.after_pending",
    "book_plan.after_reserve",
    "series.before_commit",
)


class Tour:
    """Visits of two campaigns, two of each, by two agents on one day."""

    def __init__(self, house: House, campaigns: Sequence[Campaign], visits: list[PlannedVisit]) -> None:
        self.house, self.campaigns, self.visits = house, campaigns, visits
        self.rounds = RoundsDouble(house.ledger)

    @classmethod
    async def of(cls, house: House, purchased: int = 20) -> "Tour":
        campaigns = [await house.campaign(purchased=purchased) for _ in range(2)]
        visits = []
        for at in range(4):
            of, who = campaigns[at % 2], house.agents[at // 2]
            contact, start = await house.contact(of), soon(60) + at * timedelta(hours=3)
            visits.append(PlannedVisit(of.campaign_id, contact, who, start, VISIT, f"number {at}"))
        return cls(house, campaigns, visits)

    async def book(
        self, key: Claim | None = None, visits: list[PlannedVisit] | None = None
    ) -> list[Appointment]:
        return await book_plan(self.house.desk, self.rounds, visits or self.visits, key or claim())

    async def refused(self, visits: list[PlannedVisit]) -> GiroError:
        with pytest.raises(GiroError) as found:
            await self.book(visits=visits)
        return found.value

    async def there(self) -> int:
        """How many are booked, after everything that was left is settled: none, or all."""
        await self.house.settle()
        await self.house.require_sound()
        found = sum(row.state == "TO_CONFIRM" for row in (await self.house.all_stored()).values())
        assert found in {0, len(self.visits)}
        taken = [(await self.house.package(each)).taken for each in self.campaigns]
        assert taken == ([2, 2] if found else [0, 0])
        return found


async def test_all_are_booked_by_one_call_to_the_ledger(house: House) -> None:
    tour, key = await Tour.of(house), claim()
    tour.visits[3] = replace(tour.visits[3], promise=PromiseKind.DAY)
    made = await tour.book(key)
    assert house.ledger.calls.count("reserve_all") == 1
    assert "reserve" not in house.ledger.calls
    asked = [(one.campaign_id, one.contact_id, one.agent_id, one.start, one.note) for one in tour.visits]
    assert [(a.campaign_id, a.contact_id, a.agent_id, a.window.start, a.note) for a in made] == asked
    assert {one.state for one in made} == {State.TO_CONFIRM}
    assert made[3].promise is not None
    assert await tour.book(key) == made
    assert [name for name, _ in await house.events()] == ["appointment_booked"] * 4
    assert await tour.there() == 4


async def test_a_repetition_gets_the_first_answer_whatever_became_of_them(house: House) -> None:
    tour, key = await Tour.of(house), claim()
    made = await tour.book(key)
    await cancel_appointment(house.desk, CancelAppointment(made[0].appointment_id, 0, "moved away"))
    assert await tour.book(key) == made


async def test_one_that_does_not_fit_is_named_and_none_is_booked(house: House) -> None:
    tour = await Tour.of(house)
    first, _, third, last = tour.visits
    for bad, reason, field in (
        (replace(last, start=third.start), Reason.SLOT_TAKEN, "visits[3]"),
        (replace(last, start=soon(36) - timedelta(minutes=1)), Reason.LEAD_TIME, "visits[3]"),
        (replace(last, agent_id=new_id("agt")), Reason.AGENT_NOT_IN_CAMPAIGN, "visits[3]"),
        (replace(last, campaign_id=new_id("cmp")), Reason.NOT_FOUND, "visits[3].campaign_id"),
        (replace(last, contact_id=first.contact_id), Reason.NOT_FOUND, "visits[3].contact_id"),
    ):
        found = await tour.refused([*tour.visits[:3], bad])
        assert (found.reason, [one.field for one in found.violations]) == (reason, [field])
        assert await tour.there() == 0


async def test_what_was_refused_is_refused_again_in_the_same_words(house: House) -> None:
    tour, key = await Tour.of(house), claim()
    taken = [*tour.visits[:3], replace(tour.visits[3], start=tour.visits[2].start)]
    told = []
    for _ in range(2):
        with pytest.raises(GiroError) as found:
            await tour.book(key, taken)
        told.append((found.value.reason, found.value.message, found.value.violations))
    assert told[0] == told[1]
    assert house.ledger.calls.count("reserve_all") == 1


@pytest.mark.parametrize(("purchased", "good"), [(2, True), (1, False)])
async def test_each_package_has_to_have_its_part(house: House, purchased: int, good: bool) -> None:
    tour = await Tour.of(house, purchased)
    if not good:
        found = await tour.refused(tour.visits)
        assert found.reason is Reason.PACKAGE_FULL
        assert found.violations[0].field in {"visits[2]", "visits[3]"}
    else:
        await tour.book()
    assert await tour.there() == (4 if good else 0)


async def test_somebody_limited_books_its_own_campaigns_alone(house: House) -> None:
    tour = await Tour.of(house)
    house.enter(Grant("PROJECT_MANAGER", "campaign", tour.campaigns[0].campaign_id))
    found = await tour.refused(tour.visits)
    assert (found.reason, found.violations[0].field) == (Reason.OUT_OF_SCOPE, "visits[1]")
    assert await house.all_stored() == {}


@pytest.mark.parametrize("step", UNDONE)
@pytest.mark.parametrize("repeated", [False, True])
async def test_a_plan_that_died_is_booked_whole_or_not_at_all(
    house: House, step: str, repeated: bool
) -> None:
    tour, key = await Tour.of(house), claim()
    die_at(f"booking.{step}")
    with pytest.raises(Died):
        await tour.book(key)
    if repeated:
        assert len(await tour.book(key)) == 4
    assert await tour.there() == (4 if repeated else 0)


@pytest.mark.parametrize("lost", list(Lost))
async def test_an_answer_that_is_lost_leaves_none_or_all(house: House, lost: Lost) -> None:
    tour = await Tour.of(house)
    house.ledger.lose("reserve_all", lost)
    with pytest.raises(GiroError):
        await tour.book()
    await house.settle()
    await house.ledger.deliver_late()
    assert await tour.there() == 0


async def test_what_was_given_up_is_told_and_is_no_series(house: House) -> None:
    tour, key = await Tour.of(house), claim()
    die_at("booking.book_plan.after_reserve")
    with pytest.raises(Died):
        await tour.book(key)
    await house.settle()
    with pytest.raises(GiroError) as settled:
        await tour.book(key)
    assert settled.value.reason is Reason.SETTLED
    async with house.desk.db.uow(house.tenant, key) as tx:
        assert tx.claim_ref is not None
        series_id = tx.claim_ref
    with pytest.raises(NotFound):
        await get_series(house.desk, series_id)


@pytest.mark.parametrize("at", ["book_plan.after_pending", "series.before_commit"])
async def test_two_plans_of_the_same_times_meet(house: House, at: str) -> None:
    """One is booked, the other told by name; campaigns and people in the opposite order."""
    tour = await Tour.of(house)

    async def one() -> Any:
        return await tour.book()

    async def other() -> Any:
        return await tour.book(visits=tour.visits[::-1])

    assert "SLOT_TAKEN" in await meet(one, other, at, AT_ONCE)
    assert await tour.there() == 4


async def test_many_plans_at_once_never_wait_for_each_other_in_a_circle(house: House) -> None:
    tour = await Tour.of(house, 100)
    orders = [tour.visits, tour.visits[::-1], [*tour.visits[2:], *tour.visits[:2]]]
    made = await asyncio.gather(*(tour.book(visits=one) for one in orders), return_exceptions=True)
    assert sum(isinstance(one, list) for one in made) == 1
    assert {one.reason for one in made if isinstance(one, GiroError)} == {Reason.SLOT_TAKEN}
    assert await tour.there() == 4
