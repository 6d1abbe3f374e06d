"""Reports come in any order and number; what is known never goes back."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rigs import TENANT, Clock, Told, call

from reminders.clients.journal import Entry, MemoryJournal, begin, fence, merged
from reminders.clients.simulated import Answer, ScriptedAnswers, SimulatedCarrier
from reminders.usecases.ports import CallEnding, CallReport, CallState

NOW = datetime(2027, 3, 1, 9, tzinfo=UTC)
BEGUN = CallReport("att_1", CallState.UNDER_WAY)
STORY = (
    CallReport("att_1", CallState.UNDER_WAY, provider_reference="CA1"),
    CallReport("att_1", CallState.UNDER_WAY, provider_reference="CA1", answered_at=NOW),
    CallReport("att_1", CallState.UNDER_WAY, digit="1", provider_reference="CA1"),
    CallReport(
        "att_1",
        CallState.ENDED,
        CallEnding.ANSWERED,
        provider_reference="CA1",
        ended_at=NOW + timedelta(seconds=9),
    ),
)


@pytest.mark.parametrize("order", list(permutations(STORY)))
def test_any_order_comes_to_the_same(order: tuple[CallReport, ...]) -> None:
    known = BEGUN
    for report in (*order, *order):
        known = merged(known, report)
    assert known == CallReport(
        "att_1", CallState.ENDED, CallEnding.ANSWERED, "1", "CA1", NOW, NOW + timedelta(seconds=9)
    )


def test_the_first_key_stays() -> None:
    known = merged(BEGUN, CallReport("att_1", CallState.UNDER_WAY, digit="2"))
    assert merged(known, CallReport("att_1", CallState.UNDER_WAY, digit="1")).digit == "2"


def test_what_was_never_placed_stays_so_until_it_is_told_that_it_ended() -> None:
    never = merged(BEGUN, CallReport("att_1", CallState.NEVER_PLACED))
    assert never.state is CallState.NEVER_PLACED
    late = merged(never, CallReport("att_1", CallState.UNDER_WAY, provider_reference="CA1"))
    assert (late.state, late.provider_reference) == (CallState.NEVER_PLACED, "CA1")
    assert merged(late, CallReport("att_1", CallState.ENDED)).state is CallState.ENDED


def test_evidence_of_a_call_beats_its_absence() -> None:
    rang = merged(BEGUN, CallReport("att_1", CallState.UNDER_WAY, provider_reference="CA1"))
    assert merged(rang, CallReport("att_1", CallState.NEVER_PLACED)).state is CallState.UNDER_WAY


@given(st.lists(st.sampled_from(STORY), max_size=12))
def test_what_ended_stays_ended(reports: list[CallReport]) -> None:
    known = merged(BEGUN, STORY[-1])
    for report in reports:
        known = merged(known, report)
    assert (known.state, known.ending) == (CallState.ENDED, CallEnding.ANSWERED)


@pytest.mark.asyncio
async def test_a_reference_belongs_to_its_tenant() -> None:
    journal = MemoryJournal()
    await journal.begin(Entry(TENANT, BEGUN))
    await journal.learn(TENANT, STORY[0])
    assert await journal.find("ten_2", "att_1") is None
    assert await journal.owner(TENANT, "CA1") == "att_1"
    assert await journal.owner("ten_2", "CA1") is None
    with pytest.raises(KeyError):
        await journal.learn("ten_2", STORY[0])


@pytest.mark.asyncio
async def test_a_simulated_call_whose_worker_died_is_settled_when_it_may_no_longer_ring() -> None:
    clock, journal = Clock(), MemoryJournal()
    answers = ScriptedAnswers(Answer())
    carrier = SimulatedCarrier(Told(), journal, answers, clock, sandbox=True)
    rig = type("Rig", (), {"clock": clock})()
    placed = call(rig, "+37120000001")
    assert await begin(journal, placed, clock.now) is None  # and then nothing: the process is gone
    assert (await carrier.look_up(TENANT, placed.reference)).state is CallState.UNDER_WAY
    clock.now = placed.give_up_at
    assert (await carrier.look_up(TENANT, placed.reference)).state is CallState.NEVER_PLACED
    assert (await fence(journal, TENANT, placed.reference)).report.state is CallState.NEVER_PLACED


def test_the_simulated_carrier_stays_in_the_sandbox() -> None:
    with pytest.raises(ValueError, match="GIRO_SANDBOX"):
        SimulatedCarrier(Told(), MemoryJournal(), ScriptedAnswers(Answer()), Clock(), sandbox=False)


@pytest.mark.asyncio
async def test_scripted_answers_are_used_in_turn_and_the_last_one_stays() -> None:
    answers = ScriptedAnswers(Answer(keys=""), {"+371": [Answer(keys="1"), Answer(keys="2")]})
    assert [(await answers.next_answer(TENANT, "+371")).keys for _ in range(4)] == ["1", "2", "2", "2"]
    assert (await answers.next_answer(TENANT, "+372")).keys == ""
