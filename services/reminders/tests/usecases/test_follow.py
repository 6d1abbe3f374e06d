"""Plans follow the appointment: any order, any repetition, no personal data needed from events."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from zoneinfo import ZoneInfo

import pytest
from reminder_house import DAY, HOUR, House, at

from giro.reminders.v1.reminders_events_pb2 import AppointmentColoured
from giro.reminders.v1.reminders_pb2 import Colour
from kit import failpoints
from kit.db.claims import Claim
from kit.errors import Unavailable
from kit.parameters import Scope
from reminders.domain.reminder import State
from reminders.storage import parameters
from reminders.usecases.follow_appointment import Told, follow_appointments
from reminders.usecases.recompute_zones import recompute_zones

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def waiting(house: House, appointment_id: str) -> list[object]:
    visit = house.visits.known[appointment_id]
    return [each.run_at for each in await house.of(visit) if each.state is State.WAITING]


@pytest.mark.parametrize("order", list(permutations(range(4))))
async def test_whatever_the_order_the_last_version_counts(house: House, order: tuple[int, ...]) -> None:
    await house.settle_in(DAY)
    first = house.visit(at(5, 12))
    told = [
        (house.told, first),
        (house.told, replace(first, version=2)),  # confirmed: nothing moves
        (house.told, replace(first, version=3, start=at(6, 15))),
        (house.told, replace(first, version=4)),  # and back again
    ]
    for index in (*order, *order):
        act, visit = told[index]
        await act(visit, f"{first.appointment_id}{index}")
    assert await waiting(house, first.appointment_id) == [at(4, 12)]
    assert await house.colour(first) == "GREY"


async def test_events_of_many_are_followed_together_each_once(house: House) -> None:
    """One that booking does not know is left, and nothing is done of it; the others come to the same."""
    await house.settle_in(DAY)
    coming, gone, unknown = (house.visit(at(5, 12)) for _ in range(3))
    await house.told(gone)
    del house.visits.known[unknown.appointment_id]
    told = [
        Told(visit, ends, Claim(f"evt:together:{visit.appointment_id}", b""))
        for visit, ends in ((unknown, False), (coming, False), (replace(gone, version=2), True))
    ]
    for _ in range(2):
        left = await follow_appointments(house.desk, house.tenant, told)
        assert left == {unknown.appointment_id}
    assert await waiting(house, coming.appointment_id) == [at(4, 12)]
    assert await waiting(house, gone.appointment_id) == []
    assert await house.of(unknown) == []
    house.visits.known[unknown.appointment_id] = unknown
    assert await follow_appointments(house.desk, house.tenant, told) == frozenset()
    assert await waiting(house, unknown.appointment_id) == [at(4, 12)]


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_a_cancelled_one_stays_cancelled(house: House, order: tuple[int, ...]) -> None:
    await house.settle_in(DAY, HOUR)
    first = house.visit(at(5, 12))
    told = [
        (house.told, first),
        (house.told, replace(first, version=2, start=at(6, 15))),
        (house.ended, replace(first, version=3, start=at(6, 15))),
    ]
    for index in (*order, *order):
        act, visit = told[index]
        await act(visit, f"{first.appointment_id}{index}")
    assert await waiting(house, first.appointment_id) == []
    await house.go_to(at(5, 16))
    assert await house.make() == 0


async def test_a_confirmation_keeps_the_plan_and_the_colour(house: House) -> None:
    await house.settle_in(DAY, HOUR, called_as='"Sole Mio"')
    visit = await house.booked(at(3, 12))
    await house.go_to(at(2, 12))
    await house.make()
    await house.told(replace(visit, version=2))
    assert await house.colour(visit) == "GREEN"
    assert len(await house.of(visit)) == 2


async def test_a_confirmation_of_a_visit_that_fell_through_brings_no_reminder_back(house: House) -> None:
    """ADR 0043: booking says that it does not take place; another start, later, does."""
    await house.settle_in(DAY)
    visit = await house.booked(at(4, 12))
    fell = replace(visit, version=2)
    await house.ended(fell)
    confirmed = replace(visit, version=3, takes_place=False)
    await house.told(confirmed)
    assert [each.state for each in await house.of(visit)] == [State.CANCELLED]
    await house.told(replace(visit, version=4, start=at(6, 12)))
    assert [each.state for each in await house.of(visit)] == [State.CANCELLED, State.WAITING]


async def test_a_move_plans_anew_and_is_grey_again(house: House) -> None:
    await house.settle_in(DAY, called_as='"Sole Mio"')
    visit = await house.booked(at(3, 12))
    await house.go_to(at(2, 12))
    await house.make()
    await house.told(replace(visit, version=2, start=at(5, 12)))
    assert await house.colour(visit) == "GREY"
    assert await waiting(house, visit.appointment_id) == [at(4, 12)]


async def coloured(house: House) -> list[tuple[datetime, int, str]]:
    """What was told of colours: the start that each is of, its revision, its name."""
    told = [each for each in await house.rows("outbox") if each.subject.endswith(".appointment_coloured")]
    found = [AppointmentColoured.FromString(each.payload) for each in sorted(told, key=lambda row: row.id)]
    return [
        (each.start.ToDatetime(UTC), each.revision, Colour.Name(each.colour).removeprefix("COLOUR_"))
        for each in found
    ]


async def test_a_move_before_the_reminder_tells_the_grey_of_the_new_start(house: House) -> None:
    """Booking shows a colour only while the start that it was told for is the appointment's own."""
    await house.settle_in(DAY)
    visit = await house.booked(at(3, 12))
    moved = replace(visit, version=2, start=at(5, 12))
    await house.told(moved)
    assert await coloured(house) == [(visit.start, 1, "GREY"), (moved.start, 2, "GREY")]
    await house.told(replace(moved, version=3))  # confirmed: nothing moves, nothing is told
    assert len(await coloured(house)) == 2


async def test_a_move_without_reminders_tells_no_colour(house: House) -> None:
    await house.settle_in()
    visit = await house.booked(at(3, 12))
    await house.told(replace(visit, version=2, start=at(5, 12)))
    assert await coloured(house) == []


async def test_without_offsets_there_is_no_colour(house: House) -> None:
    await house.settle_in()
    visit = await house.booked(at(3, 12))
    assert await house.of(visit) == []
    assert await house.colour(visit) is None


async def test_booking_away_is_tried_again(house: House) -> None:
    await house.settle_in(DAY)
    visit = house.visit(at(3, 12))
    house.visits.down = True
    with pytest.raises(Unavailable):
        await house.told(visit, "once")
    house.visits.down = False
    await house.told(visit, "once")
    assert await waiting(house, visit.appointment_id) == [at(2, 12)]


async def test_new_data_of_the_zones_moves_what_waits(house: House) -> None:
    """As if the zone had been an hour off when the reminder was planned."""
    from sqlalchemy import text

    await house.settle_in(timedelta(hours=30))
    visit = await house.booked(at(4, 12), zone="Europe/Riga")
    (planned,) = await waiting(house, visit.appointment_id)
    async with house.db.uow(house.tenant) as tx:
        statement = text(
            "UPDATE reminders.reminders SET tz_version = 'older', run_at = run_at - interval '1 hour',"
            " due_at = due_at - interval '1 hour' WHERE tenant_id = :t"
        )
        await tx.run(statement, {"t": house.tenant})
    while await recompute_zones(house.desk):
        pass
    assert await waiting(house, visit.appointment_id) == [planned]
    (row,) = await house.rows("reminders")
    assert row.tz_version == "test-1"
    assert row.wall == row.due_at.astimezone(ZoneInfo("Europe/Riga")).replace(tzinfo=None)


async def new_data(house: House) -> int:
    """All that waits was planned by older data; what comes of it, in rounds."""
    desk, rounds = replace(house.desk, tz_version="test-2"), 0
    while await recompute_zones(desk):
        rounds += 1
    return rounds


async def test_new_data_leaves_what_the_limit_put_off_where_it_is(house: House) -> None:
    """Due at noon, put off to the next morning; new data may not drop it as long past, nor call it now."""
    await house.settle_in(timedelta(hours=48), daily_call_limit="0", called_as='"Sole Mio"')
    visit = await house.booked(at(4, 12), zone="Europe/Riga")
    await house.go_to(at(2, 12))
    await house.make()
    (put_off,) = await waiting(house, visit.appointment_id)
    assert isinstance(put_off, datetime)
    assert put_off.astimezone(ZoneInfo("Europe/Riga")).replace(tzinfo=None) == at(3, 9).replace(tzinfo=None)
    for hours in (13, 16):
        await house.go_to(at(2, hours))
        assert await new_data(house) == (1 if hours == 13 else 0)
        assert await waiting(house, visit.appointment_id) == [put_off]
    (row,) = await house.rows("reminders")
    assert (row.tz_version, row.by_plan) == ("test-2", False)
    async with house.db.uow(house.tenant) as tx:
        await parameters.put(tx, (Scope.TENANT, ""), "daily_call_limit", "50")
    await house.go_to(put_off)
    await house.make()
    assert (await house.only(visit)).state is State.DONE


async def test_new_data_drops_what_has_become_pointless(house: House) -> None:
    """The only moments left were put off to what the wall clock now calls night."""
    await house.settle_in(timedelta(hours=26), daily_call_limit="0", called_as='"Sole Mio"')
    visit = await house.booked(at(4, 10))
    await house.go_to(at(3, 8, 1))
    await house.make()
    async with house.db.uow(house.tenant) as tx:
        for name, value in (("quiet_from", '"09:01"'), ("quiet_until", '"09:00"')):
            await parameters.put(tx, (Scope.TENANT, ""), name, value)
    (before,) = await waiting(house, visit.appointment_id)
    await new_data(house)
    after = await waiting(house, visit.appointment_id)
    assert after == [before]  # 09:00 is the one minute left


async def test_new_data_leaves_a_late_booking_where_it_was_moved_to(house: House) -> None:
    """Booked an hour after its reminder's moment, in quiet hours: planned for their end, and stays there."""
    await house.settle_in(timedelta(hours=13), called_as='"Sole Mio"')
    await house.go_to(at(2, 23, 10))
    visit = await house.booked(at(3, 11, 30))
    assert await waiting(house, visit.appointment_id) == [at(3, 9)]
    await house.go_to(at(3, 3))
    await new_data(house)
    assert await waiting(house, visit.appointment_id) == [at(3, 9)]


async def test_one_row_that_fails_does_not_end_the_round(house: House) -> None:
    await house.settle_in(DAY)
    for _ in range(3):
        await house.booked(at(4, 12))
    tries = 0

    async def fails_first() -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise ValueError("a row that can't be read")

    failpoints.arm("reminders.recompute.before_plan", fails_first)
    desk = replace(house.desk, tz_version="test-2")
    assert await recompute_zones(desk) == 2
    assert sorted(row.tz_version for row in await house.rows("reminders")) == ["test-1", "test-2", "test-2"]
    assert await recompute_zones(desk) == 1


async def test_two_hosts_with_different_data_of_the_zones_come_to_rest(house: House) -> None:
    """What was planned by newer data is left alone, so that the older host takes nothing back."""
    await house.settle_in(DAY)
    await house.booked(at(4, 12))
    older, newer = (replace(house.desk, tz_version=version) for version in ("test-0", "test-2"))
    while await recompute_zones(newer):
        pass
    for desk in (older, house.desk, newer):
        assert await recompute_zones(desk) == 0
    (row,) = await house.rows("reminders")
    assert row.tz_version == "test-2"
