"""What is Twilio's own: its refusals, its time-outs, and the search for a call whose reply was lost."""

from datetime import timedelta

import pytest
from rigs import TENANT, Phone, call, outcome, until
from twilio_peer import EVENTS_AFTER, PeerCall
from twilio_rig import OWN, TwilioRig

from kit.testing.schedule import two_sessions
from reminders.clients.twilio_api import Account, Accounts
from reminders.usecases.ports import CallEnding, CallReport, CallState, Declined, Doubtful

NUMBER = "+37120000001"

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize(
    ("refusal", "ending"),
    [
        ((400, 21211), CallEnding.WRONG_NUMBER),
        ((400, 21217), CallEnding.WRONG_NUMBER),
        ((400, 21210), CallEnding.FAILED),
        ((403, 21215), CallEnding.FAILED),
        ((429, 20429), CallEnding.FAILED),
    ],
)
async def test_a_refusal_places_nothing(
    twilio: TwilioRig, refusal: tuple[int, int], ending: CallEnding
) -> None:
    twilio.peer.refuse = refusal
    with pytest.raises(Declined) as declined:
        await twilio.provider.place(call(twilio, NUMBER))
    assert declined.value.ending is ending
    assert "+371" not in str(declined.value)  # Twilio's text repeats the number
    twilio.peer.refuse = None
    assert (await twilio.provider.look_up(TENANT, "att_1")).state is CallState.NEVER_PLACED
    assert (await twilio.provider.place(call(twilio, NUMBER))).state is CallState.NEVER_PLACED
    assert twilio.peer.calls == []


@pytest.mark.parametrize("trouble", [500, 503, 408])
async def test_a_fault_of_twilios_is_doubtful(twilio: TwilioRig, trouble: int) -> None:
    twilio.peer.refuse = trouble, 20500
    with pytest.raises(Doubtful):
        await twilio.provider.place(call(twilio, NUMBER))
    with pytest.raises(Doubtful):
        await twilio.provider.look_up(TENANT, "att_1")
    assert twilio.told == []


async def test_silence_is_doubtful(twilio: TwilioRig) -> None:
    twilio.peer.silent = True
    with pytest.raises(Doubtful, match="TimeoutError"):
        await twilio.provider.place(call(twilio, NUMBER))
    assert twilio.peer.calls == []


async def test_a_look_up_that_is_refused_says_nothing_of_the_call(twilio: TwilioRig) -> None:
    await twilio.provider.place(call(twilio, NUMBER, reference="att_2"))
    await twilio.settled("att_2")
    twilio.peer.holds_back = True
    await twilio.provider.place(call(twilio, NUMBER))
    twilio.peer.refuse = 404, 20404
    with pytest.raises(Doubtful):
        await twilio.provider.look_up(TENANT, "att_1")
    twilio.peer.refuse = None
    assert (await twilio.provider.look_up(TENANT, "att_1")).state is CallState.UNDER_WAY


async def lost_call(twilio: TwilioRig) -> PeerCall:
    """A call whose reply was lost, and of which no webhook came."""
    twilio.peer.holds_back = True
    await twilio.phone(NUMBER, Phone(reply_lost=True))
    with pytest.raises(Doubtful):
        await twilio.provider.place(call(twilio, NUMBER))
    (lost,) = twilio.peer.of("att_1")
    return lost


async def test_a_lost_call_is_found_by_its_numbers_and_time_and_proven_though_no_webhook_came(
    twilio: TwilioRig,
) -> None:
    await twilio.provider.place(call(twilio, NUMBER, reference="att_0"))  # ours too, but another
    await twilio.settled("att_0")
    lost = await lost_call(twilio)
    lost.status, lost.ended, lost.sent = "busy", twilio.clock.now, [(lost.one("StatusCallback"), {})]
    twilio.clock.now += EVENTS_AFTER - timedelta(seconds=1)
    with pytest.raises(Doubtful, match="not yet whose"):
        await twilio.provider.look_up(TENANT, "att_1")
    twilio.clock.now += timedelta(seconds=1)
    report = await twilio.provider.look_up(TENANT, "att_1")
    assert (report.ending, report.provider_reference) == (CallEnding.BUSY, lost.sid)


@pytest.mark.parametrize("asked_at", ["https://another.example/voice", ""])
async def test_a_lone_call_is_not_taken_for_the_lost_one_without_proof(
    twilio: TwilioRig, asked_at: str
) -> None:
    """Placed by another system on the same account, between the same numbers, within the same minute."""
    foreign = await lost_call(twilio)
    foreign.status, foreign.ended = "completed", twilio.clock.now
    foreign.sent = [(asked_at, {})] if asked_at else []
    twilio.clock.now += timedelta(hours=5)
    if asked_at:
        assert (await twilio.provider.look_up(TENANT, "att_1")).state is CallState.NEVER_PLACED
    else:  # it asked nobody: nobody can tell
        with pytest.raises(Doubtful, match="not yet whose"):
            await twilio.provider.look_up(TENANT, "att_1")


async def frozen_before_the_request(twilio: TwilioRig) -> PeerCall:
    """Whoever asks is frozen with the request in hand, until others have settled the call as never placed."""
    twilio.peer.holds_back = True
    placed = call(twilio, NUMBER)

    async def others_settle_it() -> CallReport:
        twilio.clock.now = placed.give_up_at + timedelta(minutes=2)
        return await twilio.provider.look_up(TENANT, "att_1")

    schedule = await two_sessions(
        lambda: twilio.provider.place(placed),
        others_settle_it,
        at="reminders.provider.before_request",
        patience=15,
    )
    assert (schedule.held, schedule.second.state) == (True, CallState.NEVER_PLACED)
    assert schedule.first.state is CallState.NEVER_PLACED  # so that nobody takes it for a call of his own
    (late,) = twilio.peer.calls
    return late


async def test_a_request_that_was_frozen_on_its_way_is_cancelled_at_once(twilio: TwilioRig) -> None:
    late = await frozen_before_the_request(twilio)
    assert late.status == "canceled"
    assert (await twilio.provider.look_up(TENANT, "att_1")).state is CallState.NEVER_PLACED


@pytest.mark.parametrize(("step", "left"), [("ringing", "canceled"), ("in-progress", "completed")])
async def test_a_call_that_another_one_has_replaced_is_ended_and_not_spoken_to(
    twilio: TwilioRig, step: str, left: str
) -> None:
    late = await frozen_before_the_request(twilio)
    late.status, late.ended = "queued", None  # our word to cancel it was lost
    said = await twilio.provider.answered(TENANT, "att_1", late.sid, {})
    assert said is not None
    assert "<Hangup" in said
    assert "<Gather" not in said
    await twilio.peer._progress(late, step)
    assert late.status == left
    assert [report.state for report in twilio.told] == [CallState.NEVER_PLACED]


async def test_a_reply_that_comes_after_the_call_was_given_up_ends_it(twilio: TwilioRig) -> None:
    """Twilio took it and did not list it yet when others looked."""
    twilio.peer.holds_back = True
    placed = call(twilio, NUMBER)

    async def settled_meanwhile(form: object) -> None:
        await twilio.journal.learn(TENANT, CallReport("att_1", CallState.NEVER_PLACED))

    twilio.peer.before_reply = settled_meanwhile
    assert (await twilio.provider.place(placed)).state is CallState.NEVER_PLACED
    assert twilio.peer.calls[0].status == "canceled"


async def test_an_old_call_to_the_same_number_is_not_taken_for_the_lost_one(twilio: TwilioRig) -> None:
    twilio.peer.holds_back = True
    await twilio.provider.place(call(twilio, NUMBER, reference="att_0"))
    twilio.journal._entries.clear()  # somebody else's call, as far as we know
    twilio.clock.now += timedelta(minutes=2)
    await twilio.phone(NUMBER, Phone(dead=True))
    with pytest.raises(Doubtful):
        await twilio.provider.place(call(twilio, NUMBER))
    with pytest.raises(Doubtful, match="no such call yet"):
        await twilio.provider.look_up(TENANT, "att_1")


async def test_two_that_might_be_it_stay_in_doubt(twilio: TwilioRig) -> None:
    twilio.peer.holds_back = True
    await twilio.phone(NUMBER, Phone(reply_lost=True))
    for reference in ("att_1", "att_2"):
        with pytest.raises(Doubtful):
            await twilio.provider.place(call(twilio, NUMBER, reference=reference))
    with pytest.raises(Doubtful, match="not yet whose"):
        await twilio.provider.look_up(TENANT, "att_1")
    for reference in ("att_1", "att_2"):  # both ended unheard: our webhooks were away
        (lost,) = twilio.peer.of(reference)
        lost.status, lost.ended, lost.sent = "busy", twilio.clock.now, [(lost.one("StatusCallback"), {})]
    with pytest.raises(Doubtful, match="not yet whose"):
        await twilio.provider.look_up(TENANT, "att_1")
    twilio.clock.now += timedelta(minutes=15)
    report = await twilio.provider.look_up(TENANT, "att_2")
    assert report.provider_reference == twilio.peer.of("att_2")[0].sid
    assert (await twilio.provider.look_up(TENANT, "att_1")).ending is CallEnding.BUSY


async def test_a_call_still_queued_when_we_gave_up_is_cancelled(twilio: TwilioRig) -> None:
    twilio.peer.holds_back = True
    placed = call(twilio, NUMBER)
    await twilio.provider.place(placed)
    assert (await twilio.provider.look_up(TENANT, "att_1")).state is CallState.UNDER_WAY
    twilio.clock.now = placed.give_up_at
    report = await twilio.provider.look_up(TENANT, "att_1")
    assert (report.state, report.ending) == (CallState.ENDED, CallEnding.FAILED)
    assert twilio.peer.calls[0].status == "canceled"


@pytest.mark.parametrize(("late", "left"), [(timedelta(seconds=-1), "initiated"), (timedelta(0), "canceled")])
async def test_a_call_dialled_after_we_gave_up_is_cancelled_before_it_rings(
    twilio: TwilioRig, late: timedelta, left: str
) -> None:
    twilio.peer.holds_back = True
    placed = call(twilio, NUMBER)
    await twilio.provider.place(placed)
    (queued,) = twilio.peer.calls
    twilio.clock.now = placed.give_up_at + late
    await twilio.peer._progress(queued, "initiated")
    assert queued.status == left
    await twilio.peer._end(queued, queued.status) if left == "canceled" else None
    report = await twilio.provider.look_up(TENANT, "att_1")
    assert report.ending is (CallEnding.FAILED if left == "canceled" else None)


async def test_a_late_call_that_can_not_be_cancelled_is_still_heard(twilio: TwilioRig) -> None:
    twilio.peer.holds_back = True
    placed = call(twilio, NUMBER)
    await twilio.provider.place(placed)
    twilio.clock.now = placed.give_up_at
    twilio.peer.refuse = 503, 0
    await twilio.peer._progress(twilio.peer.calls[0], "initiated")
    assert twilio.told[-1].state is CallState.UNDER_WAY


async def test_a_call_that_ended_unheard_is_known_by_look_up(twilio: TwilioRig) -> None:
    twilio.peer.holds_back = True
    await twilio.provider.place(call(twilio, NUMBER))
    (ended,) = twilio.peer.calls
    ended.status, ended.started = "completed", twilio.clock.now
    ended.ended = twilio.clock.now + timedelta(seconds=20)
    assert await twilio.provider.look_up(TENANT, "att_1") == CallReport(
        "att_1", CallState.ENDED, CallEnding.ANSWERED, None, ended.sid, ended.started, ended.ended
    )


@pytest.mark.parametrize(
    ("answered_by", "ending"),
    [
        ("machine_start", CallEnding.MACHINE),
        ("machine_end_beep", CallEnding.MACHINE),
        ("machine_end_silence", CallEnding.MACHINE),
        ("machine_end_other", CallEnding.MACHINE),
        ("fax", CallEnding.MACHINE),
        ("human", CallEnding.ANSWERED),
        ("unknown", CallEnding.ANSWERED),
    ],
)
async def test_who_took_the_call_by_twilios_words(
    twilio: TwilioRig, answered_by: str, ending: CallEnding
) -> None:
    await twilio.phone(NUMBER, Phone(presses="1", answered_by=answered_by))
    report = await outcome(twilio, call(twilio, NUMBER, detect_machine=True))
    assert (report.ending, report.digit) == (ending, "1" if ending is CallEnding.ANSWERED else None)
    assert bool(twilio.heard(NUMBER)) is (ending is CallEnding.ANSWERED)


async def test_a_machine_that_was_not_told_of_is_known_by_look_up(twilio: TwilioRig) -> None:
    twilio.peer.holds_back = True
    await twilio.provider.place(call(twilio, NUMBER, detect_machine=True))
    (ended,) = twilio.peer.calls
    ended.status, ended.started, ended.answered_by = "completed", twilio.clock.now, "machine_start"
    ended.ended = twilio.clock.now + timedelta(seconds=5)
    report = await twilio.provider.look_up(TENANT, "att_1")
    assert (report.ending, report.answered_at) == (CallEnding.MACHINE, ended.started)


async def test_any_name_is_spoken_and_none_is_taken_for_twiml(twilio: TwilioRig) -> None:
    placed = call(twilio, NUMBER)
    script = type(placed.script)("lv", 'A & "B" <Hangup/> ir klāt', "Izvēlne", {"1": "<1>", "2": "2"})
    await twilio.phone(NUMBER, Phone(presses="1"))
    await outcome(twilio, call(twilio, NUMBER, script=script))
    assert twilio.heard(NUMBER) == ['A & "B" <Hangup/> ir klāt', "<1>"]


async def test_the_answer_is_told_while_the_call_is_still_on(twilio: TwilioRig) -> None:
    await twilio.phone(NUMBER, Phone(presses="1"))
    await twilio.provider.place(call(twilio, NUMBER))
    await until(lambda: any(report.digit for report in twilio.told))
    assert next(report for report in twilio.told if report.digit).state is CallState.UNDER_WAY
    await twilio.settled("att_1")


async def test_a_tenant_with_an_account_of_its_own_uses_it() -> None:
    theirs = Account("AC" + "1" * 32, "their-token")
    accounts = Accounts(OWN, {"ten_2": theirs})
    assert accounts.of("ten_1") is OWN
    assert accounts.of("ten_2") is theirs
    assert "their-token" not in repr(accounts)
