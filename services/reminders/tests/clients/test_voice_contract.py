"""What every voice provider keeps to, whatever carries its calls (R-111 to R-114, R-122)."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from rigs import SCRIPT, TENANT, Phone, Rig, call, outcome

from kit.testing.schedule import two_sessions
from reminders.usecases.ports import CallEnding, CallReport, CallState, Declined, Doubtful

NUMBER = "+37120000001"

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize("key", ["1", "2"])
async def test_an_answer_by_key(rig: Rig, key: str) -> None:
    await rig.phone(NUMBER, Phone(presses=key))
    report = await outcome(rig, call(rig, NUMBER))
    assert (report.state, report.ending, report.digit) == (CallState.ENDED, CallEnding.ANSWERED, key)
    assert report.answered_at is not None
    assert report.ended_at is not None
    assert report.answered_at <= report.ended_at
    assert rig.rings(NUMBER) == 1
    assert rig.heard(NUMBER) in ([], [SCRIPT.prompt, SCRIPT.thanks[key]])
    assert rig.told[-1] == report


async def test_any_key_of_the_script_is_taken(rig: Rig) -> None:
    script = replace(SCRIPT, thanks={**SCRIPT.thanks, "9": "Never again."})
    await rig.phone(NUMBER, Phone(presses="9"))
    report = await outcome(rig, call(rig, NUMBER, script=script))
    assert (report.ending, report.digit) == (CallEnding.ANSWERED, "9")
    assert rig.heard(NUMBER) in ([], [SCRIPT.prompt, "Never again."])


async def test_the_key_is_told_as_soon_as_it_is_pressed(rig: Rig) -> None:
    await rig.phone(NUMBER, Phone(presses="1"))
    await outcome(rig, call(rig, NUMBER))
    first = next(report for report in rig.told if report.digit)
    assert first.digit == "1"
    assert all(report.digit == "1" for report in rig.told[rig.told.index(first) :])


async def test_another_key_brings_the_menu_once_more(rig: Rig) -> None:
    await rig.phone(NUMBER, Phone(presses="72"))
    report = await outcome(rig, call(rig, NUMBER))
    assert (report.ending, report.digit) == (CallEnding.ANSWERED, "2")
    assert rig.heard(NUMBER) in ([], [SCRIPT.prompt, SCRIPT.menu, SCRIPT.thanks["2"]])


async def test_another_key_twice_is_no_answer_to_the_question(rig: Rig) -> None:
    await rig.phone(NUMBER, Phone(presses="77"))
    report = await outcome(rig, call(rig, NUMBER))
    assert (report.ending, report.digit) == (CallEnding.ANSWERED, None)
    assert rig.heard(NUMBER) in ([], [SCRIPT.prompt, SCRIPT.menu])


async def test_no_key_at_all(rig: Rig) -> None:
    await rig.phone(NUMBER, Phone())
    report = await outcome(rig, call(rig, NUMBER))
    assert (report.state, report.ending, report.digit) == (CallState.ENDED, CallEnding.ANSWERED, None)
    assert rig.heard(NUMBER) in ([], [SCRIPT.prompt, SCRIPT.menu])


async def test_hanging_up(rig: Rig) -> None:
    await rig.phone(NUMBER, Phone(hangs_up=True))
    report = await outcome(rig, call(rig, NUMBER))
    assert (report.state, report.ending, report.digit) == (CallState.ENDED, CallEnding.ANSWERED, None)


async def test_a_machine_is_hung_up_on_where_that_was_asked_for(rig: Rig) -> None:
    await rig.phone(NUMBER, Phone(machine=True))
    placed = call(rig, NUMBER, detect_machine=True)
    if not rig.provider.detects_machines:
        with pytest.raises(Declined, match="answering_machine_detection") as declined:
            await rig.provider.place(placed)
        assert declined.value.ending is CallEnding.FAILED
        assert (await rig.provider.look_up(TENANT, placed.reference)).state is CallState.NEVER_PLACED
        assert (rig.rings(NUMBER), rig.told) == (0, [])
        return
    report = await outcome(rig, placed)
    assert (report.state, report.ending, report.digit) == (CallState.ENDED, CallEnding.MACHINE, None)
    assert report.answered_at is not None
    assert rig.heard(NUMBER) == []
    await rig.told_again(placed.reference)
    assert await rig.provider.look_up(TENANT, placed.reference) == report


async def test_a_machine_is_anybody_where_nobody_asked(rig: Rig) -> None:
    await rig.phone(NUMBER, Phone(machine=True))
    report = await outcome(rig, call(rig, NUMBER))
    assert (report.state, report.ending, report.digit) == (CallState.ENDED, CallEnding.ANSWERED, None)
    assert rig.heard(NUMBER) in ([], [SCRIPT.prompt, SCRIPT.menu])


async def test_a_person_is_asked_also_where_machines_are_detected(rig: Rig) -> None:
    if not rig.provider.detects_machines:
        pytest.skip("declined, as the machine is")
    await rig.phone(NUMBER, Phone(presses="1"))
    report = await outcome(rig, call(rig, NUMBER, detect_machine=True))
    assert (report.state, report.ending, report.digit) == (CallState.ENDED, CallEnding.ANSWERED, "1")


@pytest.mark.parametrize(
    ("phone", "ending"),
    [
        (Phone(busy=True), CallEnding.BUSY),
        (Phone(picks_up=False), CallEnding.NO_ANSWER),
        (Phone(unknown=True), CallEnding.WRONG_NUMBER),
    ],
)
async def test_calls_that_nobody_answers(rig: Rig, phone: Phone, ending: CallEnding) -> None:
    await rig.phone(NUMBER, phone)
    report = await outcome(rig, call(rig, NUMBER))
    assert (report.state, report.ending, report.digit) == (CallState.ENDED, ending, None)
    assert report.answered_at is None


async def test_a_provider_that_is_down_is_doubtful_and_settled_by_look_up(rig: Rig) -> None:
    await rig.phone(NUMBER, Phone(dead=True))
    placed = call(rig, NUMBER)
    with pytest.raises(Doubtful):
        await rig.provider.place(placed)
    await rig.settled(placed.reference)
    await rig.phone(NUMBER, Phone(presses="1"))
    rig.clock.now = placed.give_up_at + timedelta(minutes=5)
    report = await rig.provider.look_up(TENANT, placed.reference)
    assert report.state is CallState.NEVER_PLACED or report.ending is CallEnding.FAILED
    assert (await rig.provider.place(placed)).state is report.state
    assert rig.rings(NUMBER) == 0


async def test_a_lost_reply_is_settled_by_look_up_and_never_by_calling_again(
    rig: Rig, request: pytest.FixtureRequest
) -> None:
    if request.node.callspec.params["rig"] == "sip":
        pytest.skip("a call over SIP lives by its replies: where they are lost, so is the call")
    await rig.phone(NUMBER, Phone(presses="2", reply_lost=True))
    placed = call(rig, NUMBER)
    report = await outcome(rig, placed)
    assert (report.state, report.ending, report.digit) == (CallState.ENDED, CallEnding.ANSWERED, "2")
    await rig.provider.place(placed)
    assert rig.rings(NUMBER) == 1


async def test_the_same_reference_never_rings_twice(rig: Rig) -> None:
    await rig.phone(NUMBER, Phone(presses="1"))
    placed = call(rig, NUMBER)
    await asyncio.gather(rig.provider.place(placed), rig.provider.place(placed))
    await rig.settled(placed.reference)
    again = await rig.provider.place(placed)
    assert (again.state, again.digit) == (CallState.ENDED, "1")
    assert rig.rings(NUMBER) == 1


@pytest.mark.parametrize("late", [timedelta(0), timedelta(hours=1)])
async def test_nothing_rings_from_the_moment_of_giving_up(rig: Rig, late: timedelta) -> None:
    await rig.phone(NUMBER, Phone(presses="1"))
    placed = call(rig, NUMBER, give_up_at=rig.clock.now - late)
    assert (await rig.provider.place(placed)).state is CallState.NEVER_PLACED
    await rig.settled(placed.reference)
    assert (await rig.provider.look_up(TENANT, placed.reference)).state is CallState.NEVER_PLACED
    assert rig.rings(NUMBER) == 0
    assert rig.told == []


async def test_a_reference_that_was_looked_up_first_is_never_placed(rig: Rig) -> None:
    await rig.phone(NUMBER, Phone(presses="1"))
    assert (await rig.provider.look_up(TENANT, "att_1")).state is CallState.NEVER_PLACED
    assert (await rig.provider.place(call(rig, NUMBER))).state is CallState.NEVER_PLACED
    assert rig.rings(NUMBER) == 0


async def test_whoever_was_frozen_after_the_journal_does_not_ring(rig: Rig) -> None:
    """Another process has settled the call meanwhile, and its place may be taken by another one."""
    await rig.phone(NUMBER, Phone(presses="1"))
    placed = call(rig, NUMBER)

    async def others_settle_it() -> CallReport:
        rig.clock.now = placed.give_up_at + timedelta(hours=1)
        return await rig.provider.look_up(TENANT, placed.reference)

    schedule = await two_sessions(
        lambda: rig.provider.place(placed),
        others_settle_it,
        at="reminders.provider.after_journal",
        patience=15,
    )
    assert (schedule.held, schedule.overtook) == (True, True)
    assert schedule.second.state is not CallState.UNDER_WAY
    assert schedule.first.state is schedule.second.state
    await rig.settled(placed.reference)
    assert rig.rings(NUMBER) == 0
    assert rig.told == []


async def test_another_tenants_reference_is_unknown(rig: Rig) -> None:
    await rig.phone(NUMBER, Phone(presses="1"))
    await outcome(rig, call(rig, NUMBER))
    assert (await rig.provider.look_up("ten_2", "att_1")).state is CallState.NEVER_PLACED
    assert (await rig.provider.look_up(TENANT, "att_1")).digit == "1"


async def test_reports_told_again_and_out_of_order_change_nothing(rig: Rig) -> None:
    await rig.phone(NUMBER, Phone(presses="2"))
    placed = call(rig, NUMBER)
    report = await outcome(rig, placed)
    await rig.told_again(placed.reference)
    assert await rig.provider.look_up(TENANT, placed.reference) == report
    assert rig.told[-1] == report
