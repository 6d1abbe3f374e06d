"""A series is booked whole or not at all, whatever does not fit and whatever dies (BK-44)."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from booking_house import VISIT, House, claim
from house_clock import soon
from ledger_double import Lost
from sqlalchemy import text

from booking.domain import errors
from booking.domain.campaign import Campaign
from booking.domain.refusal import Refusal
from booking.domain.series import Series, SeriesState
from booking.storage import packages
from booking.usecases.booked_together import give_up
from booking.usecases.cancel_appointment import CancelAppointment, cancel_appointment
from booking.usecases.create_series import CreateSeries, create_series, get_series
from booking.usecases.fail_booking import fail_booking
from booking.usecases.settle_changes import settle_changes
from booking.usecases.unavailability import SetUnavailability, set_unavailability
from kit import failpoints
from kit.db.claims import Claim
from kit.errors import GiroError, NotFound, Reason, Unavailable
from kit.testing.dying import Died, die_at
from kit.values.ids import new_id

pytestmark = pytest.mark.asyncio(loop_scope="session")

STEPS = ("before_decide", "after_pending", "after_reserve", "before_commit")


async def ready(house: House, purchased: int = 20) -> tuple[Campaign, str]:
    campaign = await house.campaign(purchased=purchased)
    return campaign, await house.contact(campaign)


async def create(house: House, of: tuple[Campaign, str], key: Claim | None = None, **changes: Any) -> Series:
    wanted: dict[str, Any] = {
        "agent_id": house.agents[0],
        "start": soon(48),
        "duration": VISIT,
        "every_days": 7,
        "count": 4,
        "note": "",
        **changes,
    }
    command = CreateSeries(of[0].campaign_id, of[1], claim=key or claim(), **wanted)
    return await create_series(house.desk, command)


async def booked(house: House) -> int:
    rows = await house.all_stored()
    return sum(row.state == "TO_CONFIRM" for row in rows.values())


async def require_none_or_all(house: House, number: int = 4) -> int:
    await house.settle()
    await house.require_sound()
    there = await booked(house)
    assert there in {0, number}
    return there


async def test_all_are_booked_in_one_step(house: House) -> None:
    of, key = await ready(house), claim()
    made = await create(house, of, key)
    assert made.state is SeriesState.CREATED
    assert [number for number, _ in made.appointments] == [1, 2, 3, 4]
    assert {each.state for _, each in made.appointments} == {"TO_CONFIRM"}
    assert await create(house, of, key) == made
    assert await get_series(house.desk, made.series_id) == made
    assert [name for name, _ in await house.events()] == ["appointment_booked"] * 4
    assert (await house.package(of[0])).taken == 4
    await house.require_sound()


async def test_a_repetition_gets_the_first_answer_and_the_series_tells_how_it_is(house: House) -> None:
    of, key = await ready(house), claim()
    made = await create(house, of, key)
    first = made.appointments[0][1].appointment_id
    await cancel_appointment(house.desk, CancelAppointment(first, 0, "moved away"))
    assert await create(house, of, key) == made
    found = await get_series(house.desk, made.series_id)
    assert [each.state for _, each in found.appointments] == ["CANCELLED", *["TO_CONFIRM"] * 3]


async def test_all_that_does_not_fit_is_told_and_nothing_is_booked(house: House) -> None:
    of = await ready(house)
    start = soon(24 * 10)
    await house.book(*of, start + timedelta(days=7))
    day = (start + timedelta(days=14)).date()
    note = SetUnavailability(
        house.agents[0], "", (day - timedelta(days=1)).isoformat(), (day + timedelta(days=1)).isoformat(),
        "", "", claim(),
    )  # fmt: skip
    await set_unavailability(house.desk, note)
    key = claim()
    made = await create(house, of, key, start=start)
    assert made.state is SeriesState.REFUSED
    assert [(c.number, c.refusal.reason) for c in made.conflicts] == [(2, "SLOT_TAKEN"), (3, "ABSENT")]
    assert await create(house, of, key, start=start) == made
    await house.settle()
    await house.require_sound()
    assert await booked(house) == 1
    assert (await house.package(of[0])).taken == 1


async def test_the_lead_time_counts_for_each(house: House) -> None:
    made = await create(house, await ready(house), start=soon(36) - timedelta(minutes=1), every_days=1)
    assert [(c.number, c.refusal.reason) for c in made.conflicts] == [(1, "LEAD_TIME")]
    assert await require_none_or_all(house) == 0


@pytest.mark.parametrize(("purchased", "good"), [(4, True), (3, False)])
async def test_the_package_has_to_have_all(house: House, purchased: int, good: bool) -> None:
    of = await ready(house, purchased)
    if good:
        assert (await create(house, of)).state is SeriesState.CREATED
    else:
        with pytest.raises(GiroError) as refused:
            await create(house, of)
        assert refused.value.reason is Reason.PACKAGE_FULL
        assert (await house.package(of[0])).taken == 0
    await house.require_sound()


async def test_what_is_nobodys_is_named(house: House) -> None:
    of = await ready(house)
    with pytest.raises(GiroError) as refused:
        await create(house, of, agent_id=new_id("agt"))
    assert refused.value.reason is Reason.AGENT_NOT_IN_CAMPAIGN
    with pytest.raises(NotFound):
        await create(house, (of[0], new_id("cnt")))
    with pytest.raises(NotFound):
        await get_series(house.desk, new_id("ser"))


@pytest.mark.parametrize("step", STEPS)
async def test_death_at_any_step_leaves_none_or_all(house: House, step: str) -> None:
    of = await ready(house)
    die_at(f"booking.series.{step}")
    with pytest.raises(Died):
        await create(house, of)
    assert await require_none_or_all(house) == 0
    assert (await house.package(of[0])).taken == 0


@pytest.mark.parametrize("step", STEPS)
async def test_its_repetition_finishes_what_died(house: House, step: str) -> None:
    of, key, start = await ready(house), claim(), soon(48)
    die_at(f"booking.series.{step}")
    with pytest.raises(Died):
        await create(house, of, key, start=start)
    assert (await create(house, of, key, start=start)).state is SeriesState.CREATED
    assert await require_none_or_all(house) == 4


async def hanging(house: House) -> list[Any]:
    """The series of this tenant that nobody has decided."""
    async with house.desk.db.uow(house.tenant) as tx:
        query = text("SELECT series_id FROM booking.series WHERE tenant_id = :t AND state = 'PENDING'")
        return list(await tx.run(query, {"t": house.tenant}))


@pytest.mark.parametrize("step", ["after_pending", "after_reserve", "before_commit"])
async def test_what_nobody_repeats_is_undone_whole(house: House, step: str) -> None:
    of = await ready(house)
    die_at(f"booking.series.{step}")
    with pytest.raises(Died):
        await create(house, of)
    (left,) = await hanging(house)
    await settle_changes(house.desk, timedelta(minutes=1))
    assert await hanging(house) == [left], "it may still be under way"
    await house.settle()
    assert await hanging(house) == []
    made = await get_series(house.desk, left.series_id)
    assert [(c.number, c.refusal.reason) for c in made.conflicts] == [(n, "SETTLED") for n in (1, 2, 3, 4)]
    assert await require_none_or_all(house) == 0


async def test_a_series_whose_appointments_were_given_up_alone_is_ended_too(house: House) -> None:
    of = await ready(house)
    die_at("booking.series.after_pending")
    with pytest.raises(Died):
        await create(house, of)
    for appointment_id in await house.all_stored():
        async with house.desk.db.uow(house.tenant) as tx:
            assert await fail_booking(tx, appointment_id, Refusal.of(errors.given_up("booking")))
    await house.settle()
    assert await hanging(house) == []


async def test_all_of_it_together_has_a_limit_of_time(house: House) -> None:
    of, key, start = await ready(house), claim(), soon(48)
    held = asyncio.Event()
    reserve, asked = house.ledger.reserve, 0

    async def slow(*given: Any) -> Any:
        nonlocal asked
        asked += 1
        if asked == 3:
            await held.wait()
        return await reserve(*given)

    house.ledger.reserve = slow  # type: ignore[method-assign]
    short = replace(house, desk=replace(house.desk, series_within=timedelta(milliseconds=300)))
    async with asyncio.timeout(20):
        with pytest.raises(Unavailable) as unknown:
            await create(short, of, key, start=start)
    assert "same request_id" in unknown.value.message
    assert len(await hanging(house)) == 1
    held.set()
    made = await create(short, of, key, start=start)
    assert made.state is SeriesState.CREATED
    assert await require_none_or_all(house) == 4


async def test_giving_up_one_and_refusing_all_do_not_deadlock(house: House) -> None:
    of = await ready(house)
    die_at("booking.series.after_pending")
    with pytest.raises(Died):
        await create(house, of)
    (left,) = await hanging(house)
    (*_, (_, last)) = (await get_series(house.desk, left.series_id)).appointments

    async def whole() -> Any:
        return await give_up(house.desk, house.tenant, left.series_id)

    async def alone() -> Any:
        async with house.desk.db.uow(house.tenant) as tx:
            return await fail_booking(tx, last.appointment_id, Refusal.of(errors.given_up("booking")))

    async with house.desk.db.uow(house.tenant) as tx:
        await packages.lock(tx, of[0].campaign_id)
        first = asyncio.create_task(whole())
        await house.until_waiting(1)
        second = asyncio.create_task(alone())
        await house.until_waiting(2)
    assert await asyncio.gather(first, second) == [True, False]
    assert await require_none_or_all(house) == 0


async def test_what_was_given_up_is_told_to_its_repetition(house: House) -> None:
    of, key, start = await ready(house), claim(), soon(48)
    die_at("booking.series.after_reserve")
    with pytest.raises(Died):
        await create(house, of, key, start=start)
    await house.settle()
    made = await create(house, of, key, start=start)
    assert {conflict.refusal.reason for conflict in made.conflicts} == {"SETTLED"}
    assert await require_none_or_all(house) == 0


async def test_one_given_up_before_the_decision_fails_all(house: House) -> None:
    of = await ready(house)

    async def give_up() -> None:
        failpoints.disarm("booking.series.after_reserve")
        await house.settle()

    failpoints.arm("booking.series.after_reserve", give_up)
    made = await create(house, of)
    assert made.state is SeriesState.REFUSED
    assert await require_none_or_all(house) == 0


@pytest.mark.parametrize("lost", list(Lost))
async def test_an_answer_that_is_lost_leaves_none_or_all(house: House, lost: Lost) -> None:
    of, key, start = await ready(house), claim(), soon(48)
    house.ledger.lose("reserve", lost)
    with pytest.raises(GiroError):
        await create(house, of, key, start=start)
    await house.settle()
    await house.ledger.deliver_late()
    assert await require_none_or_all(house) == 0


async def test_eight_series_for_the_same_times_leave_one_whole(house: House) -> None:
    of, start = await ready(house, 100), soon(48)
    made = await asyncio.gather(*(create(house, of, start=start) for _ in range(8)), return_exceptions=True)
    states = [each.state for each in made if isinstance(each, Series)]
    assert states.count(SeriesState.CREATED) <= 1
    await require_none_or_all(house)


async def test_nothing_of_it_is_seen_before_all_is_decided(house: House) -> None:
    of, seen = await ready(house), []

    async def look() -> None:
        seen.append(await booked(house))

    failpoints.arm("booking.series.after_reserve", look)
    failpoints.arm("booking.series.before_commit", look)
    try:
        await create(house, of)
    finally:
        failpoints.reset()
    assert seen == [0, 0]
