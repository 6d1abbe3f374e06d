"""Key 9 stops calls to a number, for every campaign, from its commit on (RE-18)."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from reminder_house import CALLER, DAY, HOUR, PHONE, House, at

from kit.errors import InvalidInput, NotFound
from kit.rpc import context
from kit.rpc.context import Caller, Grant
from kit.testing.schedule import two_sessions
from reminders.clients.simulated import Answer, Outcome
from reminders.domain.reminder import State
from reminders.storage.opt_outs import Page
from reminders.usecases.opt_out import drop_calls, list_opt_outs, revoke_opt_out, set_opt_out
from reminders.usecases.ports import CallEnding, CallReport, CallState
from reminders.usecases.read_reminders import explain_call

pytestmark = pytest.mark.asyncio(loop_scope="session")

CALLED_AS = {"called_as": '"Sole Mio"'}
OTHER = "+37120000002"
VOICE_THEN_MAIL = {"reminder_ladder": '"VOICE,EMAIL"', **CALLED_AS}


@pytest.fixture
def inside(house: House) -> Iterator[House]:
    """The house, entered by its administrator."""
    token = context.become(Caller("usr_1", house.tenant, (Grant("ADMINISTRATOR", "tenant", ""),)))
    yield house
    context.unbecome(token)


async def obey(house: House) -> None:
    """What follows the events `opted_out`."""
    for row in await house.rows("opt_outs"):
        await drop_calls(house.desk, house.tenant, row.opt_out_id)


async def test_nine_stops_all_calls_to_the_number_and_answers_nothing(inside: House) -> None:
    await inside.settle_in(DAY, HOUR, **CALLED_AS)
    inside.carrier.book.script(PHONE, Answer(keys="9"))
    visit = await inside.booked(at(3, 12))
    later = await inside.booked(at(9, 12), campaign_id="cmp_2")
    stranger = await inside.booked(at(9, 12), phone=OTHER)
    await inside.go_to(at(2, 12))
    await inside.make()
    assert await inside.colour(visit) == "ORANGE"
    (attempt,) = await inside.attempts(visit)
    assert (attempt.ending, attempt.digit) == ("ANSWERED", "9")
    assert [(row.kind, row.charged) for row in await inside.rows("charges")] == [("ANSWERED", True)]
    (out,) = await list_opt_outs(inside.desk, Page(1000))
    assert (out.phone, out.attempt_id, out.noted_by) == (PHONE, attempt.attempt_id, "")
    assert out.provider_reference == attempt.provider_reference != ""
    assert (await inside.events()).count("opted_out") == 1
    await obey(inside)
    await obey(inside)
    assert {(each.state, each.reason) for each in await inside.of(visit)} == {(State.DROPPED, "OPTED_OUT")}
    assert {each.reason for each in await inside.of(later)} == {"OPTED_OUT"}
    assert await inside.colour(later) == "GREY"
    assert {each.state for each in await inside.of(stranger)} == {State.WAITING}
    called = next(each for each in await inside.of(visit) if each.attempt)
    told = await explain_call(inside.desk, called.reminder_id)
    said = [step for decision in told.decisions for step in (decision.what, *decision.path)]
    assert "opted out: no calls to this number" in said
    assert "dropped: OPTED_OUT" in said
    assert not any(PHONE in each for each in said)
    await inside.go_to(at(8, 12))
    await inside.make()
    assert [call.to for call in inside.carrier.placed] == [PHONE, OTHER]


async def test_mail_goes_on_where_calls_may_not(house: House) -> None:
    await house.settle_in(DAY, HOUR, **VOICE_THEN_MAIL)
    house.carrier.book.script(PHONE, Answer(keys="9"))
    visit = await house.booked(at(3, 12), email="ada@example.com")
    await house.go_to(at(2, 12))
    await house.make()
    await obey(house)
    await house.go_to(at(3, 11))
    await house.make()
    assert len(house.carrier.placed) == 1
    assert {each.outcome for each in await house.of(visit)} == {"SENT"}
    assert [each.to for each in house.post.sent] == ["ada@example.com"] * 2
    assert await house.colour(visit) == "ORANGE"


async def test_an_answer_that_was_given_before_stays(house: House) -> None:
    await house.settle_in(DAY, HOUR, **CALLED_AS)
    house.carrier.book.script(PHONE, Answer(keys="1"), Answer(keys="9"))
    visit = await house.booked(at(3, 12))
    for moment in (at(2, 12), at(3, 11)):
        await house.go_to(moment)
        await house.make()
    assert await house.colour(visit) == "GREEN"
    assert len(await house.rows("opt_outs")) == 1


@pytest.mark.parametrize(("on", "offered"), [("true", True), ("false", False)])
async def test_the_key_is_offered_where_the_tenant_has_it_on(house: House, on: str, offered: bool) -> None:
    await house.settle_in(DAY, opt_out_key=on, **CALLED_AS)
    house.carrier.book.script(PHONE, Answer(keys="9"))
    visit = await house.booked(at(3, 12))
    await house.go_to(at(2, 12))
    await house.make()
    (call,) = house.carrier.placed
    assert ("9" in call.script.thanks) is offered
    assert ("nine" in call.script.menu) is offered
    assert ("nine" in call.script.prompt) is offered
    assert bool(await house.rows("opt_outs")) is offered
    assert await house.colour(visit) == "ORANGE"


@pytest.mark.parametrize("gap", ["reminders.make.after_claim", "reminders.make.before_attempt"])
async def test_an_opt_out_that_commits_before_the_row_leaves_no_call(inside: House, gap: str) -> None:
    await inside.settle_in(DAY, **CALLED_AS)
    visit = await inside.booked(at(3, 12))
    await inside.go_to(at(2, 12))
    outcome = await two_sessions(
        inside.make, lambda: set_opt_out(inside.desk, PHONE, opted_out=True), at=gap, patience=15
    )
    assert (outcome.held, outcome.overtook, outcome.second) == (True, True, None)
    assert inside.carrier.placed == []
    assert await inside.attempts(visit) == []
    assert (await inside.only(visit)).reason == "OPTED_OUT"


async def test_an_opt_out_after_the_look_at_it_comes_too_late_for_that_call_alone(inside: House) -> None:
    await inside.settle_in(DAY, **CALLED_AS)
    inside.carrier.book.script(PHONE, Answer(Outcome.BUSY))
    visit = await inside.booked(at(3, 12))
    await inside.go_to(at(2, 12))
    await two_sessions(
        inside.make,
        lambda: set_opt_out(inside.desk, PHONE, opted_out=True),
        at="reminders.make.before_commit",
    )
    assert len(inside.carrier.placed) == 1
    await inside.go_to((await inside.only(visit)).run_at)
    await inside.make()
    assert len(inside.carrier.placed) == 1
    assert (await inside.only(visit)).reason == "OPTED_OUT"
    assert await inside.colour(visit) == "ORANGE"


async def test_two_calls_at_once_opt_out_once(house: House) -> None:
    await house.settle_in(DAY, **CALLED_AS)
    house.carrier.book.script(PHONE, Answer(keys="9"))
    visits = [await house.booked(at(3, 12)) for _ in range(2)]
    await house.go_to(at(2, 12))
    outcome = await two_sessions(house.make, house.make, at="reminders.make.before_commit", patience=15)
    assert outcome.held
    assert len(await house.rows("opt_outs")) == 1
    assert (await house.events()).count("opted_out") == 1
    assert {(await house.only(each)).reason for each in visits} == {"OPTED_OUT"}


@pytest.mark.parametrize("gone", ["cancelled", "never placed"])
async def test_it_counts_whatever_became_of_the_visit_and_the_call(house: House, gone: str) -> None:
    await house.settle_in(DAY, **CALLED_AS)
    house.carrier.book.script(PHONE, Answer(Outcome.DOUBTFUL_NOT_PLACED))
    visit = await house.booked(at(3, 12))
    await house.go_to(at(2, 12))
    await house.make()
    (attempt,) = await house.attempts(visit)
    if gone == "cancelled":
        await house.ended(replace(visit, version=2))
    else:
        await house.go_to(at(2, 12) + timedelta(seconds=40))
        await house.look_up()
    colour = await house.colour(visit)
    late = CallReport(attempt.attempt_id, CallState.ENDED, CallEnding.ANSWERED, "9")
    for _ in range(3):
        await house.hear(house.tenant, late)
    assert [row.phone for row in await house.rows("opt_outs")] == [PHONE]
    assert (await house.events()).count("opted_out") == 1
    assert await house.colour(visit) == colour


async def test_who_takes_it_back_is_kept_and_an_old_report_does_not_bring_it_again(inside: House) -> None:
    await inside.settle_in(DAY, **CALLED_AS)
    inside.carrier.book.script(PHONE, Answer(keys="9"), Answer(keys="1"))
    visit = await inside.booked(at(3, 12))
    await inside.go_to(at(2, 12))
    await inside.make()
    (attempt,) = await inside.attempts(visit)
    (out,) = await list_opt_outs(inside.desk, Page(1000))
    assert await list_opt_outs(inside.desk, Page(1000, out.since)) == []
    assert len(await list_opt_outs(inside.desk, Page(1000, out.since + timedelta(microseconds=1)))) == 1
    await revoke_opt_out(inside.desk, out.opt_out_id)
    (kept,) = await inside.rows("revoked_opt_outs")
    assert (kept.opt_out_id, kept.phone, kept.since) == (out.opt_out_id, PHONE, out.since)
    assert (kept.attempt_id, kept.revoked_by) == (attempt.attempt_id, "usr_1")
    with pytest.raises(NotFound) as refused:
        await revoke_opt_out(inside.desk, out.opt_out_id)
    assert [each.field for each in refused.value.violations] == ["opt_out_id"]
    await drop_calls(inside.desk, inside.tenant, out.opt_out_id)  # its event comes late
    await inside.hear(inside.tenant, CallReport(attempt.attempt_id, CallState.ENDED, digit="9"))
    assert await inside.rows("opt_outs") == []
    again = await inside.booked(at(4, 12))
    await inside.go_to(at(3, 12))
    await inside.make()
    assert await inside.colour(again) == "GREEN"


async def test_noting_twice_keeps_the_first_and_false_is_refused(inside: House) -> None:
    for _ in range(2):
        await set_opt_out(inside.desk, CALLER, opted_out=True)
    (out,) = await list_opt_outs(inside.desk, Page(1000))
    assert (out.noted_by, out.attempt_id) == ("usr_1", "")
    with pytest.raises(InvalidInput) as refused:
        await set_opt_out(inside.desk, CALLER, opted_out=False)
    assert [each.field for each in refused.value.violations] == ["opted_out"]
    stranger = House(inside.db)
    assert await stranger.rows("opt_outs") == []
