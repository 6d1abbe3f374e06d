"""What is SIP's own: sound on the wire, keys that cut it short, processes that die alone."""

import asyncio
import json
import os
import signal
import sys
import time
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
import structlog
from rigs import CALLER, SCRIPT, TENANT, Clock, Phone, Told, call, outcome, until
from sip_rig import SipRig

from kit import failpoints
from kit.errors import Reason, Unavailable
from reminders.clients import sip as sip_client
from reminders.clients import speech
from reminders.clients.journal import Entry, MemoryJournal, begin
from reminders.clients.sip import SipVoice, Trunk, _ending
from reminders.clients.sip_dialogue import MENU, Dialogue
from reminders.usecases.ports import CallEnding, CallReport, CallState, Declined

NUMBER = "+37120000001"
LONG = " ".join(["This prompt goes on and on and nobody listens to its end."] * 6)

pytestmark = pytest.mark.asyncio


async def test_the_prompt_is_heard_and_a_key_cuts_it_short(sip: SipRig) -> None:
    await sip.phone(NUMBER, Phone(presses="1"))
    loop = asyncio.get_running_loop()
    await sip.provider.place(call(sip, NUMBER, script=replace(SCRIPT, prompt=LONG)))
    await until(lambda: any(report.digit for report in sip.told))
    pressed = loop.time()
    await sip.settled("att_1")
    sound = sip.peer.sound
    assert sound.packets > 50
    assert sound.loud > 20
    assert pressed - sound.loud_at[0] < 8.0  # the prompt alone lasts more than 15 s
    assert loop.time() - pressed < 12.0
    assert (await sip.provider.look_up(TENANT, "att_1")).digit == "1"


async def test_a_silent_listener_hears_prompt_and_menu(sip: SipRig) -> None:
    await sip.phone(NUMBER, Phone())
    await outcome(sip, call(sip, NUMBER))
    heard = sip.peer.sound.loud_at
    pauses = [after - before for before, after in pairwise(heard)]
    assert max(pauses) > 0.3  # the wait for a key between the two
    assert len(heard) > 30


async def test_a_hang_up_is_the_far_sides_own(sip: SipRig) -> None:
    await sip.phone(NUMBER, Phone(hangs_up=True))
    await outcome(sip, call(sip, NUMBER, script=replace(SCRIPT, prompt=LONG)))
    messages = sip.peer.messages()
    assert "UDP message sent" in messages.partition("BYE sip:")[0].rpartition("---")[2]
    assert messages.count("CSeq: 1 BYE") == 2  # theirs, and our answer to it


async def test_a_crashed_process_costs_its_own_call_alone(sip: SipRig) -> None:
    await sip.phone(NUMBER, Phone())
    for reference in ("att_1", "att_2"):
        await sip.provider.place(call(sip, NUMBER, reference=reference))
    await until(lambda: {report.reference for report in sip.told if report.answered_at} == {"att_1", "att_2"})
    os.kill(sip.provider._running[TENANT, "att_1"].process.pid, signal.SIGSEGV)
    await sip.settled("")
    crashed, other = [await sip.provider.look_up(TENANT, reference) for reference in ("att_1", "att_2")]
    assert (crashed.state, crashed.ending, crashed.ended_at) == (CallState.ENDED, CallEnding.ANSWERED, None)
    assert (other.state, other.ending) == (CallState.ENDED, CallEnding.ANSWERED)
    assert other.ended_at is not None


async def test_stopping_hangs_up(sip: SipRig) -> None:
    await sip.phone(NUMBER, Phone())
    await sip.provider.place(call(sip, NUMBER, script=replace(SCRIPT, prompt=LONG)))
    await until(lambda: any(report.answered_at for report in sip.told))
    await sip.provider.stop()
    assert sip.told[-1].state is CallState.ENDED
    assert "\nBYE sip:" in sip.peer.messages()


async def test_nobody_waits_for_ever_for_a_line(sip: SipRig) -> None:
    await sip.phone(NUMBER, Phone())
    sip.provider._lines = asyncio.Semaphore(1)
    sip.provider._trunk = replace(sip.provider._trunk, line_wait_seconds=0.1)
    await sip.provider.place(call(sip, NUMBER))
    waited = await sip.provider.place(call(sip, NUMBER, reference="att_2"))
    assert waited.state is CallState.NEVER_PLACED  # and no attempt is lost by it
    await sip.settled("att_1")
    assert (await sip.provider.look_up(TENANT, "att_2")).state is CallState.NEVER_PLACED
    assert sip.rings(NUMBER) == 1


async def test_nobody_waits_for_a_line_beyond_the_moment_of_giving_up(sip: SipRig) -> None:
    await sip.phone(NUMBER, Phone())
    sip.provider._lines = asyncio.Semaphore(0)
    waiting = call(sip, NUMBER, give_up_at=sip.clock.now + timedelta(seconds=0.1))
    assert (await sip.provider.place(waiting)).state is CallState.NEVER_PLACED
    assert sip.rings(NUMBER) == 0


async def test_a_worker_that_was_frozen_before_it_dials_does_not_dial(
    sip: SipRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frozen for an hour once it had looked for the last time; its process goes by the machine's clock."""
    await sip.phone(NUMBER, Phone(presses="1"))
    real, frozen = time.monotonic, timedelta(hours=1).total_seconds()
    monkeypatch.setattr(sip_client.time, "monotonic", lambda: real() - frozen)

    async def wakes_up() -> None:
        monkeypatch.undo()

    failpoints.arm("reminders.provider.before_request", wakes_up)
    report = await sip.provider.place(call(sip, NUMBER))
    failpoints.reset()
    await sip.settled("att_1")
    assert report.state is CallState.NEVER_PLACED
    assert (await sip.provider.look_up(TENANT, "att_1")).state is CallState.NEVER_PLACED
    assert sip.rings(NUMBER) == 0


class LimpingJournal(MemoryJournal):
    """A journal whose database is away for a while once a key was pressed."""

    def __init__(self, failures: int) -> None:
        super().__init__()
        self.failures = failures

    async def learn(self, tenant: str, report: CallReport) -> Entry:
        if report.digit and self.failures:
            self.failures -= 1
            raise Unavailable(Reason.DATABASE_UNAVAILABLE, "the database is away")
        return await super().learn(tenant, report)


async def test_a_key_survives_a_database_that_is_away_for_a_while(sip: SipRig) -> None:
    await sip.phone(NUMBER, Phone(presses="2"))
    journal = sip.provider._journal = LimpingJournal(failures=3)
    await sip.provider.place(call(sip, NUMBER))
    await sip.settled("att_1")
    assert journal.failures == 0
    report = await sip.provider.look_up(TENANT, "att_1")
    assert (report.ending, report.digit) == (CallEnding.ANSWERED, "2")
    assert sip.told[-1] == report


@pytest.mark.parametrize(
    ("password", "ending"), [("trunk-secret", CallEnding.ANSWERED), ("wrong", CallEnding.FAILED)]
)
async def test_a_trunk_that_asks_who_calls(sip: SipRig, password: str, ending: CallEnding) -> None:
    await sip.peer.start(Phone(presses="1"), "asks_who.xml")
    sip.provider._trunk = replace(sip.provider._trunk, username="giro", password=password)
    assert (await outcome(sip, call(sip, NUMBER))).ending is ending
    assert "trunk-secret" not in sip.peer.messages()


async def test_a_language_without_a_voice_is_declined(sip: SipRig) -> None:
    await sip.phone(NUMBER, Phone())
    with pytest.raises(Declined, match="no voice") as declined:
        await sip.provider.place(call(sip, NUMBER, script=replace(SCRIPT, language="xx")))
    assert declined.value.ending is CallEnding.FAILED
    assert (await sip.provider.look_up(TENANT, "att_1")).state is CallState.NEVER_PLACED
    assert sip.rings(NUMBER) == 0


async def test_nothing_personal_is_logged_of_a_call(sip: SipRig, capfd: pytest.CaptureFixture[str]) -> None:
    await sip.phone(NUMBER, Phone(presses="1"))
    with structlog.testing.capture_logs() as lines:
        await outcome(sip, call(sip, NUMBER))
    printed = "".join(capfd.readouterr()) + str(lines)
    assert not any(number in printed for number in (NUMBER, CALLER))


# --- without a telephone ---


def voice(clock: Clock, journal: MemoryJournal, told: Told | None = None, **more: float) -> SipVoice:
    trunk = replace(Trunk("127.0.0.1:9", address="127.0.0.1"), **more)  # type: ignore[arg-type]
    return SipVoice(told or Told(), journal, clock, trunk)


def pretend_to_be_a_worker(monkeypatch: pytest.MonkeyPatch, *events: dict[str, object]) -> None:
    """A worker that says this and then nothing any more, without ending."""
    lines = "".join(json.dumps(event) + "\n" for event in events)
    program = f"import sys, time; sys.stdout.write({lines!r}); sys.stdout.flush(); time.sleep(600)"

    async def started(job: object) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdin=pipe, stdout=pipe)

    async def silent(*_: object) -> None:
        return

    monkeypatch.setattr(sip_client, "_started", started)
    monkeypatch.setattr(sip_client.speech, "speak", silent)


PROGRESS = {"event": "progress", "code": 180, "call": "call-id"}
ANSWERED = ({"event": "answered"}, {"event": "digit", "digit": "1"})


@pytest.mark.parametrize(
    ("said", "ending"), [((PROGRESS,), CallEnding.FAILED), ((PROGRESS, *ANSWERED), CallEnding.ANSWERED)]
)
async def test_a_worker_that_never_ends_is_ended(
    monkeypatch: pytest.MonkeyPatch, said: tuple[dict[str, object], ...], ending: CallEnding
) -> None:
    clock, journal, told = Clock(), MemoryJournal(), Told()
    pretend_to_be_a_worker(monkeypatch, *said)
    provider = voice(clock, journal, told, talk_seconds=0.5, spare_seconds=1.0, lines=1)
    placed = call(provider_rig(clock), NUMBER, ring_seconds=0)
    assert (await provider.place(placed)).state is CallState.UNDER_WAY
    await asyncio.wait_for(asyncio.gather(*provider._tasks), 60)
    report = await provider.look_up(TENANT, "att_1")
    assert (report.state, report.ending) == (CallState.ENDED, ending)
    assert report.digit == ("1" if ending is CallEnding.ANSWERED else None)
    assert not provider._running
    assert not provider._lines.locked()


async def test_what_can_not_be_stored_is_given_up_when_the_end_is_decided_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, journal = Clock(), LimpingJournal(failures=1_000_000)
    pretend_to_be_a_worker(monkeypatch, PROGRESS, *ANSWERED)
    provider = voice(clock, journal, talk_seconds=0.3, spare_seconds=0.3)
    until = clock.now + timedelta(seconds=0.3)
    await provider.place(call(provider_rig(clock), NUMBER, ring_seconds=0, give_up_at=until))
    with structlog.testing.capture_logs() as lines:
        await asyncio.wait_for(asyncio.gather(*provider._tasks), 60)
    assert "sip_report_lost" in {line["event"] for line in lines}
    assert not provider._running


@pytest.mark.parametrize(
    "number", ["", "20000001", "+371;user=x", "+371 2000 0001", "+37120000001@evil", "+"]
)
async def test_a_number_that_is_none_is_declined(number: str) -> None:
    clock = Clock()
    provider = voice(clock, MemoryJournal())
    with pytest.raises(Declined) as declined:
        await provider.place(call(provider_rig(clock), number))
    assert declined.value.ending is CallEnding.WRONG_NUMBER


async def test_another_processs_call_is_under_way_until_it_must_have_ended() -> None:
    clock, journal = Clock(), MemoryJournal()
    placed = call(provider_rig(clock), NUMBER)
    assert await begin(journal, placed, clock.now) is None  # by a process that is gone, or not
    longest = timedelta(seconds=placed.ring_seconds + Trunk("x").talk_seconds, minutes=1)
    clock.now = placed.give_up_at + longest - timedelta(seconds=1)
    assert (await voice(clock, journal).look_up(TENANT, "att_1")).state is CallState.UNDER_WAY
    clock.now += timedelta(seconds=1)
    report = await voice(clock, journal).look_up(TENANT, "att_1")
    assert (report.state, report.ending) == (CallState.ENDED, CallEnding.FAILED)


@pytest.mark.parametrize(
    ("code", "ending"),
    [
        (404, CallEnding.WRONG_NUMBER),
        (484, CallEnding.WRONG_NUMBER),
        (604, CallEnding.WRONG_NUMBER),
        (486, CallEnding.BUSY),
        (600, CallEnding.BUSY),
        (408, CallEnding.NO_ANSWER),
        (480, CallEnding.NO_ANSWER),
        (487, CallEnding.NO_ANSWER),
        (603, CallEnding.NO_ANSWER),
        (403, CallEnding.FAILED),
        (500, CallEnding.FAILED),
        (503, CallEnding.FAILED),
    ],
)
async def test_final_codes(code: int, ending: CallEnding) -> None:
    known = CallReport("att_1", CallState.UNDER_WAY, provider_reference="call-id")
    assert _ending(known, code) is ending
    assert _ending(replace(known, provider_reference=""), code) is CallEnding.FAILED
    assert _ending(replace(known, answered_at=Clock().now), code) is CallEnding.ANSWERED


async def test_a_key_counts_at_any_time_and_once() -> None:
    dialogue = Dialogue(["1", "2"], wait=6)
    assert dialogue.played(10) is None
    assert dialogue.tick(15.9) is None
    assert dialogue.tick(16) == MENU
    assert dialogue.tick(99) is None  # the menu is being played
    assert dialogue.key("2") == "thanks_2"
    assert dialogue.key("1") is None
    assert dialogue.digit == "2"
    assert dialogue.played(20) == ""


@pytest.mark.parametrize("keys", ["77", "7*", "#0"])
async def test_two_other_keys_end_the_dialogue(keys: str) -> None:
    dialogue = Dialogue(["1", "2"], wait=6)
    assert [dialogue.key(key) for key in keys] == [MENU, ""]
    assert dialogue.digit is None


async def test_a_key_and_a_silence_end_it_too() -> None:
    dialogue = Dialogue(["1", "2"], wait=6)
    assert dialogue.key("9") == MENU
    assert dialogue.played(5) is None
    assert dialogue.tick(11) == ""


@pytest.mark.skipif(not speech.available(), reason="espeak-ng is not installed")
@pytest.mark.parametrize("language", ["lv", "ru-LV", "it", "es", "en"])
async def test_each_language_has_a_voice(tmp_path: Path, language: str) -> None:
    await speech.speak("--help 14 [[h@l]]", language, tmp_path / "a.wav")
    assert (tmp_path / "a.wav").stat().st_size > 20_000


def provider_rig(clock: Clock) -> object:
    return type("Rig", (), {"clock": clock})()
