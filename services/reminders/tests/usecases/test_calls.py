"""From an appointment to its call and its answer."""

from dataclasses import replace
from datetime import timedelta
from typing import Never

import pytest
from reminder_house import CALLER, DAY, HOUR, PHONE, House, at

from reminders.clients.simulated import Answer, Outcome
from reminders.domain.reminder import State
from reminders.prompts.catalogue import NoLanguage
from reminders.prompts.speech import Prompts
from reminders.storage import reminders
from reminders.usecases.ports import CallEnding, CallReport, CallState, Declined, Doubtful

pytestmark = pytest.mark.asyncio(loop_scope="session")

CALLED_AS = {"called_as": '"Sole Mio"'}


async def test_a_call_answered_with_one_turns_green(house: House) -> None:
    await house.settle_in(DAY, **CALLED_AS)
    visit = await house.booked(at(3, 12))
    assert (await house.only(visit)).run_at == at(2, 12)
    assert await house.colour(visit) == "GREY"
    assert await house.make() == 0
    await house.go_to(at(2, 12))
    assert await house.make() == 1
    (call,) = house.carrier.placed
    assert (call.to, call.caller) == (PHONE, CALLER)
    assert "Sole Mio" in call.script.prompt
    reminder = await house.only(visit)
    assert (reminder.state, reminder.outcome) == (State.DONE, "COMING")
    assert await house.colour(visit) == "GREEN"
    assert await house.events() == ["appointment_coloured", "appointment_coloured", "call_settled"]
    assert await house.make() == 0


async def test_two_turns_red(house: House) -> None:
    await house.settle_in(DAY, **CALLED_AS)
    house.carrier.book.script(PHONE, Answer(keys="2"))
    visit = await house.booked(at(3, 12))
    await house.go_to(at(2, 12))
    await house.make()
    assert await house.colour(visit) == "RED"


async def test_busy_is_repeated_twice_every_thirty_minutes(house: House) -> None:
    await house.settle_in(DAY, **CALLED_AS)
    house.carrier.book.script(PHONE, Answer(Outcome.BUSY))
    visit = await house.booked(at(3, 12))
    for number, minute in enumerate((0, 30, 60), start=1):
        await house.go_to(at(2, 12, minute) + timedelta(seconds=5 * number))
        assert await house.make() == 1
        assert len(house.carrier.placed) == number
        assert await house.colour(visit) == ("ORANGE" if number == 3 else "GREY")
    await house.go_to(at(2, 14))
    assert await house.make() == 0
    assert (await house.only(visit)).outcome == "NO_ANSWER"
    assert [row.charged for row in await house.rows("charges")] == [False] * 3


async def test_an_hour_before_it_is_ten_minutes_and_none_at_the_start(house: House) -> None:
    await house.settle_in(timedelta(minutes=20), **CALLED_AS)
    house.carrier.book.script(PHONE, Answer(Outcome.NO_ANSWER))
    visit = await house.booked(at(1, 12))
    await house.go_to(at(1, 11, 40))
    await house.make()
    again = (await house.only(visit)).run_at
    assert timedelta(minutes=10) <= again - at(1, 11, 40) < timedelta(minutes=11)
    await house.go_to(again)
    await house.make()
    reminder = await house.only(visit)
    assert (reminder.state, len(house.carrier.placed)) == (State.DONE, 2)
    assert await house.colour(visit) == "ORANGE"


async def test_no_key_is_orange_charged_and_repeated_and_may_still_turn_green(house: House) -> None:
    await house.settle_in(DAY, **CALLED_AS)
    house.carrier.book.script(PHONE, Answer(keys=""), Answer(keys="71"))
    visit = await house.booked(at(3, 12))
    await house.go_to(at(2, 12))
    await house.make()
    assert await house.colour(visit) == "ORANGE"
    await house.go_to((await house.only(visit)).run_at)
    await house.make()
    assert await house.colour(visit) == "GREEN"
    assert sorted((row.kind, row.charged) for row in await house.rows("charges")) == [
        ("ANSWERED", True),
        ("ANSWERED_NO_KEY", True),
    ]


async def test_charge_once(house: House) -> None:
    await house.settle_in(DAY, charge_once="true", **CALLED_AS)
    house.carrier.book.script(PHONE, Answer(keys=""), Answer(keys="1"))
    visit = await house.booked(at(3, 12))
    await house.go_to(at(2, 12))
    await house.make()
    await house.go_to((await house.only(visit)).run_at)
    await house.make()
    assert sorted(row.charged for row in await house.rows("charges")) == [False, True]


async def test_a_wrong_number_is_called_once_and_told(house: House) -> None:
    await house.settle_in(DAY, **CALLED_AS)
    house.carrier.book.script(PHONE, Answer(Outcome.WRONG_NUMBER))
    visit = await house.booked(at(3, 12))
    await house.go_to(at(2, 12))
    await house.make()
    reminder = await house.only(visit)
    assert (reminder.state, reminder.outcome, reminder.attempt) == (State.DONE, "WRONG_NUMBER", 1)
    assert "wrong_number" in await house.events()


async def test_two_offsets_are_two_chains_cancelled_together(house: House) -> None:
    await house.settle_in(DAY, HOUR, **CALLED_AS)
    visit = await house.booked(at(3, 12))
    await house.go_to(at(2, 12))
    await house.make()
    states = {each.offset: each.state for each in await house.of(visit)}
    assert states == {DAY: State.DONE, HOUR: State.WAITING}
    other = await house.booked(at(4, 12))
    await house.ended(replace(other, version=2))
    assert {each.state for each in await house.of(other)} == {State.CANCELLED}
    await house.go_to(at(3, 11))
    assert await house.make() == 1


async def test_messages_when_calls_bring_no_answer(house: House) -> None:
    await house.settle_in(DAY, reminder_ladder='"VOICE,EMAIL"', reminder_retries="0", **CALLED_AS)
    house.carrier.book.script(PHONE, Answer(Outcome.BUSY))
    visit = await house.booked(at(3, 12), email="ada@example.com", language="lv")
    await house.go_to(at(2, 12))
    assert await house.make() == 2
    (mail,) = house.post.sent
    assert (mail.to, mail.language) == ("ada@example.com", "lv")
    reminder = await house.only(visit)
    assert (reminder.state, reminder.outcome) == (State.DONE, "SENT")
    assert await house.colour(visit) == "ORANGE"


@pytest.mark.parametrize(
    ("failure", "state"),
    [(Declined(CallEnding.FAILED, "no such mailbox"), "ENDED"), (Doubtful("lost"), "ASKED")],
)
async def test_a_message_that_fails_is_not_repeated(house: House, failure: Exception, state: str) -> None:
    await house.settle_in(DAY, reminder_ladder='"EMAIL"', **CALLED_AS)
    house.post.fails = failure
    visit = await house.booked(at(3, 12), email="ada@example.com")
    await house.go_to(at(2, 12))
    await house.make()
    assert [each.state for each in await house.attempts(visit)] == [state]
    await house.go_to(at(2, 12) + HOUR)
    await house.look_up()
    assert await house.make() == 0
    assert (await house.only(visit)).outcome == "NO_ANSWER"
    assert len(await house.attempts(visit)) == 1


async def test_the_daily_limit_puts_off_or_drops_and_is_told_once(house: House) -> None:
    await house.settle_in(timedelta(hours=5), daily_call_limit="2", **CALLED_AS)
    visits = [await house.booked(at(2, 12)) for _ in range(4)]
    morning = await house.booked(at(3, 3))  # reminded at 22:00 of the same day, tomorrow is too late
    await house.go_to(at(2, 9))
    await house.make()
    assert len(house.carrier.placed) == 2
    found = [(await house.only(each)) for each in visits]
    assert sorted(each.state for each in found) == ["DONE", "DONE", "DROPPED", "DROPPED"]
    assert {each.reason for each in found} == {"", "DAILY_LIMIT"}
    await house.go_to(at(2, 22))
    await house.make()
    assert (await house.only(morning)).reason == "DAILY_LIMIT"
    assert (await house.events()).count("daily_limit_reached") == 1


async def test_the_next_day_is_taken_when_it_is_early_enough(house: House) -> None:
    await house.settle_in(DAY, daily_call_limit="1", **CALLED_AS)
    visits = [await house.booked(at(3, 12)) for _ in range(2)]
    await house.go_to(at(2, 12))
    await house.make()
    waits = [each for visit in visits for each in await house.of(visit) if each.state is State.WAITING]
    assert [each.run_at for each in waits] == [at(3, 9)]
    await house.go_to(at(3, 9))
    assert await house.make() == 1
    assert len(house.carrier.placed) == 2


async def test_nothing_is_called_from_a_number_that_is_not_active(house: House) -> None:
    await house.settle_in(DAY, **CALLED_AS)
    visit = await house.booked(at(3, 12))
    for row in await house.rows("numbers"):
        await _set_state(house, row.number_id, "VERIFIED")
    await house.go_to(at(2, 12))
    await house.make()
    assert (await house.only(visit)).reason == "NO_CALLER_NUMBER"
    assert house.carrier.placed == []


async def _set_state(house: House, number_id: str, state: str) -> None:
    from sqlalchemy import text

    async with house.db.uow(house.tenant) as tx:
        statement = text("UPDATE reminders.numbers SET state = :s WHERE number_id = :n")
        await tx.run(statement, {"s": state, "n": number_id})


async def test_late_by_an_outage_is_made_or_dropped_by_the_rules(house: House) -> None:
    await house.settle_in(timedelta(hours=4), reminder_lateness="600", **CALLED_AS)
    short, long = await house.booked(at(2, 16)), await house.booked(at(2, 15, 55))
    await house.go_to(at(2, 12, 9))
    await house.make()
    assert (await house.only(short)).state is State.DONE
    assert (await house.only(long)).reason == "TOO_LATE"
    assert await house.colour(long) == "GREY"


async def test_a_reminder_long_past_when_booked_is_dropped_at_once(house: House) -> None:
    await house.settle_in(DAY, HOUR, **CALLED_AS)
    await house.go_to(at(2, 12))
    visit = await house.booked(at(2, 18))
    found = {each.offset: each for each in await house.of(visit)}
    assert found[DAY].reason == "TOO_LATE"
    assert found[HOUR].state is State.WAITING
    assert await house.colour(visit) == "GREY"


async def test_no_address_at_all(house: House) -> None:
    await house.settle_in(DAY, **CALLED_AS)
    visit = await house.booked(at(3, 12), phone="")
    assert (await house.only(visit)).reason == "NO_ADDRESS"
    assert await house.colour(visit) is None


async def test_answers_after_the_end_are_kept_and_change_nothing(house: House) -> None:
    await house.settle_in(DAY, **CALLED_AS)
    visit = await house.booked(at(3, 12))
    await house.go_to(at(2, 12))
    await house.make()
    (attempt,) = await house.attempts(visit)
    before = await house.events()
    late = CallReport(attempt.attempt_id, CallState.ENDED, CallEnding.ANSWERED, "2")
    for _ in range(5):
        await house.hear(house.tenant, late)
    await house.hear(house.tenant, CallReport(attempt.attempt_id, CallState.ENDED, CallEnding.ANSWERED, "%"))
    assert await house.colour(visit) == "GREEN"
    assert sorted((row.digit, row.counted) for row in await house.rows("answers")) == [
        ("1", True),
        ("2", False),
    ]
    assert await house.events() == before
    stranger = House(house.db)
    await stranger.hear(stranger.tenant, late)
    assert await house.events() == before


async def test_a_key_counts_before_the_call_has_ended(house: House) -> None:
    await house.settle_in(DAY, **CALLED_AS)
    house.carrier.book.script(PHONE, Answer(Outcome.DOUBTFUL_NOT_PLACED))
    visit = await house.booked(at(3, 12))
    await house.go_to(at(2, 12))
    await house.make()
    (attempt,) = await house.attempts(visit)
    await house.hear(house.tenant, CallReport(attempt.attempt_id, CallState.UNDER_WAY, digit="1"))
    assert await house.colour(visit) == "GREEN"
    await house.hear(house.tenant, CallReport(attempt.attempt_id, CallState.ENDED, CallEnding.ANSWERED, "1"))
    assert (await house.only(visit)).outcome == "COMING"


@pytest.mark.parametrize(
    ("offset", "stops_short"), [(timedelta(hours=3), True), (timedelta(minutes=61), True), (HOUR, False)]
)
async def test_no_ring_begins_in_quiet_hours(house: House, offset: timedelta, stops_short: bool) -> None:
    """Asked for ten seconds before 23:00, with twenty to begin to ring; an hour before is exempt (R-116)."""
    await house.settle_in(offset, **CALLED_AS)
    visit = await house.booked(at(2, 22, 59) + offset)
    await house.go_to(at(2, 22, 59) + timedelta(seconds=49))
    assert await house.make() == 1
    (attempt,) = await house.attempts(visit)
    assert attempt.asked_at < at(2, 23)
    assert attempt.give_up_at == (at(2, 23) if stops_short else attempt.asked_at + timedelta(seconds=20))


@pytest.mark.parametrize(
    ("wanted", "used"), [("de", "lv"), ("de-AT", "lv"), ("ru-LV", "ru"), ("es", "es"), ("", "lv")]
)
@pytest.mark.parametrize("channel", ["VOICE", "EMAIL", "SMS"])
async def test_without_prompts_in_the_contacts_language_it_is_the_tenants(
    house: House, channel: str, wanted: str, used: str
) -> None:
    given = {"reminder_language": '"lv"', "reminder_ladder": f'"{channel}"', **CALLED_AS}
    await house.settle_in(DAY, **given)
    visit = await house.booked(at(3, 12), email="ada@example.com", language=wanted)
    await house.go_to(at(2, 12))
    assert await house.make() == 1
    called = [each.script.language for each in house.carrier.placed]
    assert [*called, *(each.language for each in house.post.sent)] == [used]
    reminder = await house.only(visit)
    assert reminder.state is State.DONE
    async with house.db.uow(house.tenant) as tx:
        said = [step for each in await reminders.decisions(tx, reminder.reminder_id) for step in each.path]
    assert any(f"no prompts in {wanted}," in step for step in said) is wanted.startswith("de")


@pytest.mark.parametrize("channel", ["VOICE", "EMAIL", "SMS"])
async def test_a_text_that_is_missing_leaves_no_attempt(
    house: House, channel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.settle_in(DAY, reminder_ladder=f'"{channel}"', **CALLED_AS)
    visit = await house.booked(at(3, 12), email="ada@example.com")
    await house.go_to(at(2, 12))

    def missing(*_: object) -> Never:
        raise NoLanguage("no texts")

    for name in ("call", "email", "text_message"):
        monkeypatch.setattr(Prompts, name, missing)
    await house.make()
    assert await house.attempts(visit) == []
    assert (await house.only(visit)).attempt == 0
    monkeypatch.undo()
    await house.go_to(at(2, 12) + timedelta(seconds=40))
    await house.make()
    assert (await house.only(visit)).state is State.DONE


async def test_the_next_call_goes_to_the_corrected_number_in_the_corrected_language(house: House) -> None:
    """A correction makes no new version of the visit: booking's word at the moment of each call counts."""
    await house.settle_in(DAY, **CALLED_AS)
    house.carrier.book.script(PHONE, Answer(Outcome.BUSY))
    visit = await house.booked(at(3, 12), language="en")
    await house.go_to(at(2, 12))
    await house.make()
    corrected = replace(visit, phone="+390110000007", language="it", name="Ada Neri", email="ada@example.com")
    house.visits.known[visit.appointment_id] = corrected
    await house.go_to(at(2, 12, 31))
    await house.make()
    first, second = house.carrier.placed
    assert (first.to, second.to) == (PHONE, "+390110000007")
    assert first.script.prompt != second.script.prompt
    assert "appuntamento" in second.script.prompt
    assert [each.recipient for each in await house.attempts(visit)] == [PHONE, "+390110000007"]
    assert await house.colour(visit) == "GREEN"


async def test_a_number_that_was_taken_away_is_not_called(house: House) -> None:
    """A letter takes the call's place, or a call the letter's; with no address at all it is dropped."""
    await house.settle_in(DAY, **CALLED_AS, reminder_ladder='"VOICE,EMAIL"')
    by_letter = await house.booked(at(3, 12), email="ada@example.com")
    nowhere = await house.booked(at(3, 12))
    by_call = await house.booked(at(3, 12), phone="", email="eva@example.com")
    for visit, told in (
        (by_letter, {"phone": ""}),
        (nowhere, {"phone": ""}),
        (by_call, {"phone": "+390110000008", "email": ""}),
    ):
        house.visits.known[visit.appointment_id] = replace(visit, **told)
    await house.go_to(at(2, 12))
    await house.make()
    await house.make()
    assert [call.to for call in house.carrier.placed] == ["+390110000008"]
    assert [message.to for message in house.post.sent] == ["ada@example.com"]
    dropped = await house.only(nowhere)
    assert (dropped.state, dropped.reason) == (State.DROPPED, "NO_ADDRESS")


async def test_who_was_called_to_the_end_is_not_called_anew_for_an_address_taken_away(house: House) -> None:
    """The ladder goes down alone: a letter that can't be sent brings no call beyond the last (R-118)."""
    given = {"reminder_ladder": '"VOICE,SMS,EMAIL"', "reminder_retries": "0", **CALLED_AS}
    await house.settle_in(DAY, **given)
    house.carrier.book.script(PHONE, Answer(Outcome.BUSY))
    visit = await house.booked(at(3, 12), email="ada@example.com")
    await house.go_to(at(2, 12))
    await house.make()
    house.visits.known[visit.appointment_id] = replace(visit, email="")
    await house.go_to(at(2, 12, 31))
    await house.make()
    assert len(house.carrier.placed) == 1
    assert [message.to for message in house.post.sent] == [PHONE]
    found = await house.only(visit)
    assert (found.state, found.reason) == (State.DROPPED, "NO_ADDRESS")
