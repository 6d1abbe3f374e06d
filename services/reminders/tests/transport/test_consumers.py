"""Events are followed once, letters written once."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from entered import CALLED_AS
from google.protobuf.timestamp_pb2 import Timestamp
from reminder_house import DAY, HOUR, PHONE, House, at

from giro.booking.v1 import booking_events_pb2 as booking
from giro.booking.v1 import outcomes_pb2 as outcomes
from giro.booking.v1.contact_events_pb2 import ContactUpdated
from giro.reminders.v1 import reminders_events_pb2 as own
from giro.reminders.v1 import reminders_pb2 as pb
from kit import subjects
from kit.bus.events import Event
from kit.errors import Unavailable
from kit.testing.schedule import two_sessions
from kit.values.ids import new_id
from reminders import app
from reminders.clients.simulated import Answer, Outcome
from reminders.domain.reminder import Channel, State, Visit
from reminders.settings import Settings
from reminders.transport.consumers import Appointments, Drops, Letters, OptOuts
from reminders.transport.rpc import RemindersServicer
from reminders.usecases.ports import Doubtful

pytestmark = pytest.mark.asyncio(loop_scope="session")


def event(house: House, service: str, name: str, message: Any) -> Event:
    subject = subjects.evt(house.tenant, service, name)
    return Event(new_id("evt"), house.tenant, subject, "", message.SerializeToString(), "", "", "test")


def snapshot(visit: Visit) -> booking.AppointmentSnapshot:
    start = Timestamp()
    start.FromDatetime(visit.start)
    return booking.AppointmentSnapshot(
        appointment_id=visit.appointment_id, campaign_id="cmp_1", start=start, version=visit.version
    )


async def corrected(house: House, visit: Visit, *fields: str, **told: str) -> None:
    """The contact's data in booking, and booking's event about it."""
    house.visits.known[visit.appointment_id] = replace(visit, **told)
    message = ContactUpdated(contact_id=visit.contact_id, campaign_id="cmp_1", version=2, fields=fields)
    await Appointments(house.desk)(event(house, "booking", "contact_updated", message))


async def test_an_address_that_is_told_later_brings_the_reminders_back(house: House) -> None:
    await house.settle_in(DAY, HOUR, reminder_ladder='"VOICE,EMAIL"', **CALLED_AS)
    visit = await house.booked(at(3, 12), phone="")
    assert [each.reason for each in await house.of(visit)] == ["NO_ADDRESS"] * 2
    await corrected(house, visit, "language", phone=PHONE)
    assert {each.state for each in await house.of(visit)} == {State.DROPPED}, "nothing was said of an address"
    for _ in range(2):
        await corrected(house, visit, "phone", phone=PHONE)
    waiting = [each for each in await house.of(visit) if each.state is State.WAITING]
    assert [(each.run_at, each.channel) for each in waiting] == [
        (at(2, 12), Channel.VOICE),
        (at(3, 11), Channel.VOICE),
    ]
    assert await house.colour(visit) == "GREY"
    await house.go_to(at(2, 12))
    await house.make()
    assert [call.to for call in house.carrier.placed] == [PHONE]


async def drops_told(house: House) -> int:
    """Hands on, in order, each drop that was told; how many there are."""
    told = [row for row in await house.rows("outbox") if row.subject.endswith(".reminder_dropped")]
    for row in sorted(told, key=lambda row: row.id):
        message = own.ReminderDropped.FromString(row.payload)
        await Drops(house.desk)(event(house, "reminders", "reminder_dropped", message))
    return len(told)


async def waiting(house: House, visit: Visit) -> list[Any]:
    return [each.run_at for each in await house.of(visit) if each.state is State.WAITING]


async def test_a_number_told_while_its_reminders_are_dropped_counts(house: House) -> None:
    """Booking is asked, the number is told, and the drop is committed after it, seen by nobody."""
    await house.settle_in(DAY, **CALLED_AS)
    visit = house.visit(at(3, 12), phone="")
    outcome = await two_sessions(
        lambda: house.told(visit),
        lambda: corrected(house, visit, "phone", phone=PHONE),
        at="reminders.follow.before_commit",
        patience=15,
    )
    assert (outcome.held, outcome.overtook, outcome.second) == (True, True, None)
    house.visits.down = True
    with pytest.raises(Unavailable):  # the event comes again
        await drops_told(house)
    house.visits.down = False
    for _ in range(2):
        assert await drops_told(house) == 1
        assert await waiting(house, visit) == [at(2, 12)]
    await house.go_to(at(2, 12))
    await house.make()
    assert [call.to for call in house.carrier.placed] == [PHONE]
    assert await drops_told(house) == 1
    assert await waiting(house, visit) == []


async def test_a_number_told_while_a_reminder_is_made_counts(house: House) -> None:
    """The number had been taken away; it is told anew between the question and the drop."""
    await house.settle_in(DAY, **CALLED_AS)
    visit = await house.booked(at(3, 12))
    house.visits.known[visit.appointment_id] = replace(visit, phone="")
    await house.go_to(at(2, 12))
    outcome = await two_sessions(
        house.make,
        lambda: corrected(house, visit, "phone", phone=PHONE),
        at="reminders.make.before_attempt",
        patience=15,
    )
    assert (outcome.held, outcome.overtook, outcome.second) == (True, True, None)
    assert await waiting(house, visit) == []
    assert await drops_told(house) == 1
    await house.make()
    assert [call.to for call in house.carrier.placed] == [PHONE]


async def test_each_of_its_own_events_has_a_consumer(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: dict[str, tuple[list[str], type]] = {}

    def consumer(bus: Any, durable: str, stream: str, names: list[str], handler: Any, **_: Any) -> Any:
        heard[durable] = ([name.rpartition(".")[2] for name in names], type(handler))
        return SimpleNamespace(run=None)

    monkeypatch.setattr(app, "Consumer", consumer)
    nothing: Any = SimpleNamespace(spawn=lambda name, run: None)
    app._work(nothing, Settings(), house.desk, nothing)
    assert heard == {
        "reminders-appointments": ([">"], Appointments),
        "reminders-letters": (["daily_limit_reached", "wrong_number"], Letters),
        "reminders-opt-outs": (["opted_out"], OptOuts),
        "reminders-drops": (["reminder_dropped"], Drops),
    }


async def test_what_is_still_without_an_address_stays_dropped(house: House) -> None:
    """And nothing new is told; booking is not asked about a drop of another reason."""
    await house.settle_in(DAY, HOUR, **CALLED_AS)
    visit = await house.booked(at(3, 12), phone="")
    for _ in range(2):
        assert await drops_told(house) == 2
    assert await waiting(house, visit) == []
    house.visits.down = True
    late = own.ReminderDropped(appointment_id=visit.appointment_id, reason="TOO_LATE")
    await Drops(house.desk)(event(house, "reminders", "reminder_dropped", late))


async def test_an_address_brings_no_reminder_back_that_was_tried_or_is_not_wanted(house: House) -> None:
    """What was called already is not called anew (R-118), and no address of this ladder is none at all."""
    await house.settle_in(DAY, **CALLED_AS)
    house.carrier.book.script(PHONE, Answer(Outcome.BUSY))
    tried, nowhere, over = [
        await house.booked(at(3, 12), **given) for given in ({}, {"phone": ""}, {"phone": ""})
    ]
    await house.ended(replace(over, version=2))
    await house.go_to(at(2, 12))
    await house.make()
    house.visits.known[tried.appointment_id] = replace(tried, phone="")
    await house.go_to(at(2, 12, 31))
    await house.make()
    await corrected(house, tried, "phone", phone="+390110000007")
    await corrected(house, nowhere, "email", email="ada@example.com")
    await corrected(house, replace(over, version=2, takes_place=False), "phone", phone=PHONE)
    for visit in (tried, nowhere, over):
        assert [(each.state, each.reason) for each in await house.of(visit)] == [
            (State.DROPPED, "NO_ADDRESS")
        ]


@pytest.mark.parametrize("end", ["cancelled", "superseded"])
async def test_bookings_events_make_move_and_end_a_plan(house: House, end: str) -> None:
    await house.settle_in(DAY)
    follow = Appointments(house.desk)
    visit = house.visit(at(5, 12))
    booked = event(
        house, "booking", "appointment_booked", booking.AppointmentBooked(appointment=snapshot(visit))
    )
    for _ in range(2):
        await follow(booked)
    moved = replace(visit, version=2, start=at(6, 12))
    house.visits.known[visit.appointment_id] = moved
    postponed = booking.AppointmentPostponed(appointment=snapshot(moved))
    await follow(event(house, "booking", "appointment_postponed", postponed))
    assert [each.run_at for each in await house.of(visit) if each.state is State.WAITING] == [at(5, 12)]
    again = replace(visit, version=3)
    house.visits.known[visit.appointment_id] = again
    refixed = booking.AppointmentRefixed(appointment=snapshot(again))
    await follow(event(house, "booking", "appointment_refixed", refixed))
    assert {each.run_at for each in await house.of(visit) if each.state is State.WAITING} != {at(5, 12)}
    messages = {"cancelled": booking.AppointmentCancelled, "superseded": booking.AppointmentSuperseded}
    ended = messages[end](appointment=snapshot(replace(again, version=4)))
    await follow(event(house, "booking", f"appointment_{end}", ended))
    assert {each.state for each in await house.of(visit)} == {State.CANCELLED}
    await follow(event(house, "booking", "appointment_failed", booking.AppointmentFailed()))
    with pytest.raises(ValueError, match="no appointment"):
        await follow(event(house, "booking", "appointment_booked", booking.AppointmentBooked()))


@pytest.mark.parametrize("held", [False, True])
async def test_an_outcome_ends_a_plan_and_a_later_word_takes_it_up_again(house: House, held: bool) -> None:
    await house.settle_in(DAY, HOUR)
    follow, visit = Appointments(house.desk), await house.booked(at(5, 12))
    name = "appointment_outcome_set"
    result = outcomes.VISIT_RESULT_HELD if held else outcomes.VISIT_RESULT_KO

    def told(version: int, **more: Any) -> Event:
        snap = snapshot(replace(visit, version=version))
        return event(house, "booking", name, booking.AppointmentOutcomeSet(appointment=snap, **more))

    await house.go_to(at(4, 12))
    assert await house.make() == 1
    assert await house.colour(visit) == "GREEN"
    await follow(told(2, result=result, held=held))
    assert {each.offset: each.state for each in await house.of(visit)} == {
        DAY: State.DONE,
        HOUR: State.CANCELLED,
    }
    again = told(3, result=outcomes.VISIT_RESULT_OPEN)
    for late in (again, told(2, result=result, held=held), again):
        await follow(late)
    states = sorted((each.offset, each.state) for each in await house.of(visit))
    assert states == [(HOUR, State.CANCELLED), (HOUR, State.WAITING), (DAY, State.DONE)]
    assert await house.colour(visit) == "GREEN"  # the answer was about this start
    await house.go_to(at(5, 12))
    await follow(told(4, result=result, held=held))
    before = len(await house.of(visit))
    await follow(told(5, result=outcomes.VISIT_RESULT_OPEN))
    assert len(await house.of(visit)) == before  # nothing is made of a visit that has begun
    assert await house.colour(visit) == "GREEN"


async def test_letters_are_written_once_to_who_is_to_be_told(house: House) -> None:
    await house.settle_in(
        DAY, called_as='"Sole Mio"', alert_email='"boss@example.com"', reminder_language='"lv"'
    )
    house.carrier.book.script(PHONE, Answer(Outcome.WRONG_NUMBER))
    visit = await house.booked(at(3, 12))
    await house.go_to(at(2, 12))
    await house.make()
    write = Letters(house.desk)
    wrong = own.WrongNumber(appointment_id=visit.appointment_id, campaign_id="cmp_1")
    told = event(house, "reminders", "wrong_number", wrong)
    limit = own.DailyLimitReached(day="2027-01-13", limit=50, campaign_id="cmp_1")
    reached = event(house, "reminders", "daily_limit_reached", limit)
    for _ in range(3):
        await write(told)
        await write(reached)
    assert [(each.to, each.language) for each in house.post.sent] == [("boss@example.com", "lv")] * 2
    assert visit.appointment_id in house.post.sent[0].body
    assert "50" in house.post.sent[1].body


async def test_what_is_planned_to_a_number_that_opted_out_is_dropped(
    house: House, desk: RemindersServicer
) -> None:
    await house.settle_in(DAY)
    visit = await house.booked(at(3, 12))
    await desk.SetOptOut(pb.SetOptOutRequest(phone=PHONE, opted_out=True), None)
    assert (await house.only(visit)).state is State.WAITING
    (out,) = await house.rows("opt_outs")
    told = event(house, "reminders", "opted_out", own.OptedOut(opt_out_id=out.opt_out_id))
    for _ in range(2):
        await OptOuts(house.desk)(told)
    assert (await house.only(visit)).reason == "OPTED_OUT"
    assert (await house.events()).count("reminder_dropped") == 1


async def test_nobody_to_tell_and_a_letter_that_is_lost(house: House) -> None:
    await house.settle_in(DAY, called_as='"Sole Mio"')
    limit = own.DailyLimitReached(day="2027-01-13", limit=50, campaign_id="cmp_1")
    await Letters(house.desk)(event(house, "reminders", "daily_limit_reached", limit))
    assert house.post.sent == []
    house.post.fails = Doubtful("lost")
    other = House(house.db, post=house.post)
    await other.settle_in(DAY, alert_email='"boss@example.com"')
    await Letters(other.desk)(event(other, "reminders", "daily_limit_reached", limit))
