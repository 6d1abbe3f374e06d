"""Two at once, death and doubt: at most one ring an attempt, and none lost (I9)."""

import time
from dataclasses import replace
from datetime import timedelta

import pytest
from reminder_house import DAY, HOUR, PHONE, House, at

from kit import failpoints
from kit.rpc import context
from kit.rpc.context import Caller, Grant
from kit.testing.schedule import two_sessions
from reminders.clients.simulated import Answer, Outcome
from reminders.domain.reminder import Reminder, State, Visit
from reminders.usecases import place_attempt
from reminders.usecases.make_reminders import claim_due, make, make_reminders
from reminders.usecases.ports import CallReport, CallState
from reminders.usecases.set_reminders import set_reminders

pytestmark = pytest.mark.asyncio(loop_scope="session")

BEFORE_THE_ROW = (
    "reminders.make.after_claim",
    "reminders.make.before_question",
    "reminders.make.before_attempt",
)
AFTER_THE_ROW = (
    "reminders.make.before_commit",
    "reminders.place.before_provider",
    "reminders.hear.before_settle",
    "reminders.place.after_provider",
    "reminders.hear.after_commit",
)
GAPS = (*BEFORE_THE_ROW, *AFTER_THE_ROW)


def patience(gap: str) -> float:
    """Seconds for whoever comes while a worker is held there: at one gap they wait for its row."""
    return 0.4 if gap == "reminders.make.before_commit" else 15


class Died(BaseException):
    """A process that is gone answers nobody and cleans nothing up."""


def die_at(name: str) -> None:
    async def die() -> None:
        failpoints.disarm(name)
        raise Died

    failpoints.arm(name, die)


async def due(house: House, **more: str) -> Visit:
    """One appointment whose reminder is due now."""
    await house.settle_in(DAY, called_as='"Sole Mio"', **more)
    visit = await house.booked(at(3, 12))
    await house.go_to(at(2, 12))
    return visit


async def recover(house: House, visit: Visit) -> Reminder:
    """What other workers make of it within six minutes."""
    for seconds in (40, 80, 290, 330):
        await house.go_to(at(2, 12) + timedelta(seconds=seconds))
        await house.look_up()
        await house.make()
    return await house.only(visit)


@pytest.mark.parametrize("gap", GAPS)
async def test_a_cancellation_at_every_gap(house: House, gap: str) -> None:
    visit = await due(house)
    cancelled = replace(visit, version=2)
    outcome = await two_sessions(house.make, lambda: house.ended(cancelled), at=gap, patience=patience(gap))
    assert outcome.held
    assert outcome.second is None
    assert outcome.overtook is (gap != "reminders.make.before_commit")
    if gap in BEFORE_THE_ROW:
        assert house.carrier.placed == []
    else:
        assert len(house.carrier.placed) == 1
    before = gap in {"reminders.place.after_provider", "reminders.hear.after_commit"}  # the call has ended
    reminder = await recover(house, visit)
    assert reminder.state is (State.DONE if before else State.CANCELLED)
    assert await house.colour(visit) == ("GREEN" if before else "GREY")
    assert sum(house.carrier.rang.values()) == len(house.carrier.placed)


async def test_a_cancellation_that_nobody_was_told_of_means_no_call(house: House) -> None:
    """It was committed in booking before the claim; its event is late, comes, and changes nothing more."""
    visit = await due(house)
    cancelled = replace(visit, version=2)
    house.cancelled_in_booking(cancelled)
    assert await house.make() == 1
    assert house.carrier.placed == []
    assert (await house.only(visit)).state is State.CANCELLED
    assert await house.attempts(visit) == []
    before = await house.events()
    await house.ended(cancelled)
    assert await house.events() == before
    assert await recover(house, visit) == await house.only(visit)
    assert house.carrier.placed == []


@pytest.mark.parametrize("gap", GAPS)
async def test_a_cancellation_in_booking_at_every_gap_whose_event_comes_last(house: House, gap: str) -> None:
    """Up to the question it means no call; after it the call is made, and what it brings changes nothing."""
    visit = await due(house)
    cancelled = replace(visit, version=2)

    async def cancels() -> None:
        house.cancelled_in_booking(cancelled)

    schedule = await two_sessions(house.make, cancels, at=gap, patience=15)
    assert (schedule.held, schedule.overtook) == (True, True)
    unasked = gap in {"reminders.make.after_claim", "reminders.make.before_question"}
    assert len(house.carrier.placed) == (0 if unasked else 1)
    await house.ended(cancelled)
    await recover(house, visit)
    assert len(house.carrier.placed) == (0 if unasked else 1)


async def test_a_move_that_nobody_was_told_of_moves_the_reminder(house: House) -> None:
    visit = await due(house)
    moved = replace(visit, version=2, start=at(5, 12))
    house.visits.known[visit.appointment_id] = moved
    await house.make()
    assert house.carrier.placed == []
    assert {each.start: each.state for each in await house.of(visit)} == {
        visit.start: State.CANCELLED,
        moved.start: State.WAITING,
    }
    await house.told(moved)
    assert len(await house.of(visit)) == 2


async def test_a_confirmation_that_nobody_was_told_of_holds_up_nothing(house: House) -> None:
    visit = await due(house)
    house.visits.known[visit.appointment_id] = replace(visit, version=2, phone="+37120000002")
    await house.make()
    assert [each.to for each in house.carrier.placed] == ["+37120000002"]
    assert (await house.only(visit)).outcome == "COMING"


async def test_while_booking_does_not_answer_nobody_is_called(house: House) -> None:
    visit = await due(house)
    house.visits.down = True
    assert await house.make() == 1
    assert (await house.only(visit)).state is State.CLAIMED
    assert house.carrier.placed == await house.attempts(visit) == []
    house.visits.down = False
    assert (await recover(house, visit)).outcome == "COMING"
    assert house.carrier.rang[PHONE] == 1


async def test_while_booking_does_not_answer_what_is_too_late_is_dropped(house: House) -> None:
    visit = await due(house)
    house.visits.down = True
    await house.make()
    await house.go_to(at(2, 14, 1))
    await house.make()
    found = await house.only(visit)
    assert (found.state, found.reason) == (State.DROPPED, "TOO_LATE")


async def test_an_appointment_that_booking_does_not_know_is_not_called(house: House) -> None:
    visit = await due(house)
    del house.visits.known[visit.appointment_id]
    await house.make()
    assert house.carrier.placed == []
    assert (await house.only(visit)).state is State.CANCELLED


@pytest.mark.parametrize("gap", GAPS)
async def test_a_move_at_every_gap(house: House, gap: str) -> None:
    visit = await due(house)
    moved = replace(visit, version=2, start=at(5, 12))
    await two_sessions(house.make, lambda: house.told(moved), at=gap, patience=patience(gap))
    assert len(house.carrier.placed) == (0 if gap in BEFORE_THE_ROW else 1)
    states = [each.state for each in await house.of(visit) if each.start == moved.start]
    assert states == [State.WAITING]
    assert await house.colour(visit) == "GREY"


@pytest.mark.parametrize("gap", GAPS)
async def test_a_worker_that_dies_loses_nothing_and_calls_nobody_twice(house: House, gap: str) -> None:
    visit = await due(house)
    die_at(gap)
    with pytest.raises(Died):
        await house.make()
    reminder = await recover(house, visit)
    assert (reminder.state, reminder.outcome) == (State.DONE, "COMING")
    assert house.carrier.rang[PHONE] == 1
    assert await house.colour(visit) == "GREEN"
    assert len(await house.rows("charges")) == 1
    assert (await house.events()).count("call_settled") == 1


@pytest.mark.parametrize("gap", ["reminders.look_up.before_provider", "reminders.hear.before_settle"])
async def test_death_while_looking_up(house: House, gap: str) -> None:
    visit = await due(house)
    house.carrier.book.script(PHONE, Answer(Outcome.DOUBTFUL_NOT_PLACED), Answer())
    await house.make()
    await house.go_to(at(2, 12) + timedelta(seconds=40))
    die_at(gap)
    with pytest.raises(Died):
        await house.look_up()
    reminder = await recover(house, visit)
    assert reminder.outcome == "COMING"
    assert house.carrier.rang[PHONE] == 1


async def test_two_workers_and_one_lease_that_ran_out(house: House) -> None:
    visit = await due(house)

    async def second() -> None:
        await house.go_to(at(2, 12) + timedelta(seconds=35))
        await house.make()

    outcome = await two_sessions(house.make, second, at="reminders.make.before_attempt", patience=15)
    assert (outcome.held, outcome.overtook) == (True, True)
    assert len(house.carrier.placed) == 1
    assert len(await house.attempts(visit)) == 1
    assert (await house.only(visit)).fence == 2


async def test_claims_never_collide(house: House) -> None:
    await house.settle_in(DAY, called_as='"Sole Mio"')
    visits = [await house.booked(at(3, 12)) for _ in range(10)]
    await house.go_to(at(2, 12))
    claims = [await claim_due(house.desk, 6, house.tenant) for _ in range(4)]
    mine = [each.reminder_id for claimed in claims for each in claimed]
    assert sorted(mine) == sorted([(await house.only(visit)).reminder_id for visit in visits])
    for claimed in claims:
        for each in claimed:
            await make(house.desk, each)
            await make(house.desk, each)  # the same claim again dials nobody
    assert len(house.carrier.placed) == 10


async def test_a_frozen_worker_that_wakes_up_does_not_dial(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit = await due(house)
    awake = time.monotonic

    async def freeze() -> None:
        monkeypatch.setattr(place_attempt.time, "monotonic", lambda: awake() + 21)

    failpoints.arm("reminders.place.before_provider", freeze)
    await house.make()
    failpoints.reset()
    monkeypatch.undo()
    assert house.carrier.placed == []
    reminder = await recover(house, visit)
    assert (reminder.outcome, house.carrier.rang[PHONE]) == ("COMING", 1)
    assert [each.state for each in await house.attempts(visit)] == ["NEVER_PLACED", "ENDED"]


async def test_a_call_handed_over_too_late_does_not_ring(house: House) -> None:
    """The provider itself refuses after `give_up_at`."""
    visit = await due(house)

    async def later() -> None:
        failpoints.disarm("reminders.place.before_provider")
        await house.go_to(at(2, 12) + timedelta(seconds=25))

    failpoints.arm("reminders.place.before_provider", later)
    await house.make()
    reminder = await recover(house, visit)
    assert (reminder.outcome, house.carrier.rang[PHONE]) == ("COMING", 1)
    assert [each.state for each in await house.attempts(visit)] == ["NEVER_PLACED", "ENDED"]


@pytest.mark.parametrize("outcome", [Outcome.DOUBTFUL_PLACED, Outcome.DOUBTFUL_NOT_PLACED])
async def test_doubt_is_looked_up_and_never_called_again(house: House, outcome: Outcome) -> None:
    visit = await due(house)
    house.carrier.book.script(PHONE, Answer(outcome), Answer())
    await house.make()
    assert len(house.carrier.placed) == 1
    reminder = await recover(house, visit)
    assert (reminder.outcome, house.carrier.rang[PHONE]) == ("COMING", 1)


async def test_what_nobody_can_tell_is_left_and_shown(house: House) -> None:
    visit = await due(house)
    house.carrier.book.script(PHONE, Answer(Outcome.DOUBTFUL_NOT_PLACED))
    house.carrier.deaf = True
    await house.make()
    for hours in (1, 23, 24, 25, 26):
        await house.go_to(at(2, 12) + timedelta(hours=hours))
        await house.look_up()
        await make_reminders(house.desk, house.tenant)
    reminder = await house.only(visit)
    assert (reminder.state, reminder.reason) == (State.DROPPED, "UNSETTLED")
    assert await house.colour(visit) == "ORANGE"
    assert [each.state for each in await house.attempts(visit)] == ["UNSETTLED"]
    assert len(house.carrier.placed) == 1


async def test_a_call_that_goes_on_for_ever_is_left_unsettled_and_never_repeated(house: House) -> None:
    """The carrier says for hours that it is under way; the visit is a day ahead."""
    visit = await due(house)
    house.carrier.endless = True
    await house.make()
    for minutes in range(5, 360, 5):
        await house.go_to(at(2, 12) + timedelta(minutes=minutes))
        await house.look_up()
    assert (await house.only(visit)).state is State.CALLING
    await house.go_to(at(2, 18, 5))
    await house.look_up()
    reminder = await house.only(visit)
    assert (reminder.state, reminder.reason) == (State.DROPPED, "UNSETTLED")
    assert [each.state for each in await house.attempts(visit)] == ["UNSETTLED"]
    assert await house.colour(visit) == "ORANGE"
    assert await house.rows("charges") == []
    await house.go_to(at(2, 20))
    assert (await house.look_up(), await house.make(), len(house.carrier.placed)) == (0, 0, 1)


async def test_a_key_in_a_call_whose_end_nobody_tells_is_an_answer(house: House) -> None:
    visit = await due(house)
    house.carrier.endless = True
    await house.make()
    (attempt,) = await house.attempts(visit)
    await house.hear(house.tenant, CallReport(attempt.attempt_id, CallState.UNDER_WAY, digit="1"))
    await house.go_to(at(2, 18, 5))
    await house.look_up()
    reminder = await house.only(visit)
    assert (reminder.state, reminder.outcome) == (State.DONE, "COMING")
    assert [(row.kind, row.charged) for row in await house.rows("charges")] == [("ANSWERED", True)]


async def test_one_look_up_that_fails_does_not_end_the_round(house: House) -> None:
    await house.settle_in(DAY, called_as='"Sole Mio"')
    visits = [await house.booked(at(3, 12)) for _ in range(3)]
    await house.go_to(at(2, 12))
    house.carrier.book.script(PHONE, Answer(Outcome.DOUBTFUL_NOT_PLACED))
    await house.make()
    await house.go_to(at(2, 12) + timedelta(seconds=40))
    (broken,) = await house.attempts(visits[0])
    house.carrier.breaks = {broken.attempt_id}
    assert await house.look_up() == 2
    assert len(set(house.carrier.looked_up)) == 3
    states = [(await house.only(visit)).state for visit in visits]
    assert states == [State.CALLING, State.WAITING, State.WAITING]


async def test_what_was_never_placed_costs_no_attempt_however_often(house: House) -> None:
    """As for want of a line: it is tried until it has become too late."""
    visit = await due(house)
    house.carrier.no_line = True
    for number in range(20):
        await house.go_to(at(2, 12) + number * timedelta(minutes=5))
        assert await house.make() == 1
        found = await house.only(visit)
        assert (found.state, found.rings) == (State.WAITING, 0)
    assert [row.placed for row in await house.rows("daily_calls")] == [0]
    house.carrier.no_line = False
    await house.go_to(at(2, 13, 50))
    await house.make()
    found = await house.only(visit)
    assert (found.state, found.outcome, found.rings) == (State.DONE, "COMING", 1)


async def test_what_was_never_placed_is_dropped_once_it_is_too_late(house: House) -> None:
    visit = await due(house)
    house.carrier.no_line = True
    for minutes in range(0, 120, 10):
        await house.go_to(at(2, 12) + timedelta(minutes=minutes))
        assert await house.make() == 1
        assert (await house.only(visit)).state is State.WAITING
    await house.go_to(at(2, 14))
    await house.make()
    found = await house.only(visit)
    assert (found.state, found.reason) == (State.DROPPED, "TOO_LATE")
    assert await house.colour(visit) == "ORANGE"


async def test_the_limit_holds_against_many_at_once(house: House) -> None:
    await house.settle_in(DAY, called_as='"Sole Mio"', daily_call_limit="5")
    for _ in range(20):
        await house.booked(at(2, 12))
    await house.go_to(at(1, 12))
    await house.make()
    assert len(house.carrier.placed) == 5
    assert [row.placed for row in await house.rows("daily_calls")] == [5]
    assert (await house.events()).count("daily_limit_reached") == 1


async def test_a_call_that_was_never_placed_is_given_back_to_the_limit(house: House) -> None:
    await due(house, daily_call_limit="1")
    house.carrier.book.script(PHONE, Answer(Outcome.DOUBTFUL_NOT_PLACED), Answer())
    await house.make()
    await house.go_to(at(2, 12) + timedelta(seconds=40))
    await house.look_up()
    await house.go_to(at(2, 12) + timedelta(seconds=50))
    await house.make()
    assert house.carrier.rang[PHONE] == 1


async def take_away(house: House, visit: Visit, *offsets: timedelta) -> None:
    """An operator's SetReminders."""
    token = context.become(Caller("usr_1", house.tenant, (Grant("ADMINISTRATOR", "tenant", ""),)))
    await set_reminders(house.desk, visit.appointment_id, offsets)
    context.unbecome(token)


@pytest.mark.parametrize("answer", [Answer(Outcome.BUSY), Answer(Outcome.WRONG_NUMBER), Answer(keys="")])
async def test_a_reminder_taken_away_during_its_call_is_not_repeated(house: House, answer: Answer) -> None:
    visit = await due(house, reminder_ladder='"VOICE,EMAIL"')
    await house.told(replace(visit, version=2, email="ada@example.com"))
    house.carrier.book.script(PHONE, answer)
    await two_sessions(
        house.make, lambda: take_away(house, visit, HOUR), at="reminders.place.before_provider"
    )
    assert len(house.carrier.placed) == 1
    states = {each.offset: each.state for each in await house.of(visit)}
    assert states == {DAY: State.DONE, HOUR: State.WAITING}
    assert await house.colour(visit) == "ORANGE"
    await house.go_to(at(2, 20))
    assert await house.make() == 0
    assert house.post.sent == []


async def test_one_that_was_never_placed_and_is_taken_away_is_not_tried_again(house: House) -> None:
    visit = await due(house)
    house.carrier.book.script(PHONE, Answer(Outcome.DOUBTFUL_NOT_PLACED))
    await house.make()
    await take_away(house, visit)
    reminder = await recover(house, visit)
    assert (reminder.state, len(house.carrier.placed)) == (State.CANCELLED, 1)


async def test_an_answer_to_a_reminder_that_was_taken_away_counts(house: House) -> None:
    visit = await due(house)
    await two_sessions(
        house.make, lambda: take_away(house, visit, HOUR), at="reminders.place.before_provider"
    )
    outcomes = {each.offset: each.outcome for each in await house.of(visit)}
    assert outcomes == {DAY: "COMING", HOUR: ""}
    assert await house.colour(visit) == "GREEN"
