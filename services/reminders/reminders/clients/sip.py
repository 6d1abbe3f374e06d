"""Calls over SIP through one's own trunk or exchange; each call is a process that may die alone."""

import asyncio
import json
import re
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from kit import telemetry
from kit.failpoints import failpoint
from reminders.clients import speech
from reminders.clients.journal import CallJournal, begin, fence, given_up
from reminders.clients.sip_dialogue import MENU, PROMPT, thanks
from reminders.clients.sip_job import Job
from reminders.usecases.ports import Call, CallEnding, CallReport, CallState, Declined, Doubtful, Sink

Clock = Callable[[str], Awaitable[datetime]]

_ENDINGS: Final = {
    404: CallEnding.WRONG_NUMBER,
    410: CallEnding.WRONG_NUMBER,
    484: CallEnding.WRONG_NUMBER,
    604: CallEnding.WRONG_NUMBER,
    486: CallEnding.BUSY,
    600: CallEnding.BUSY,
    408: CallEnding.NO_ANSWER,
    480: CallEnding.NO_ANSWER,
    487: CallEnding.NO_ANSWER,
    603: CallEnding.NO_ANSWER,
}
"""RFC 3261's final codes; any other one is a failure."""
_OVER: Final = frozenset({CallState.ENDED, CallState.NEVER_PLACED})
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 2.0
"""Seconds between two tries to store what was heard."""
_FAREWELL: Final = 10.0
"""Seconds for calls to end, and what they told to be stored, when the service stops."""
_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")

_log = telemetry.logger(__name__)


@dataclass(frozen=True, slots=True)
class Trunk:
    """Where calls go, and how."""

    host: str
    """host or host:port of the trunk, as in sip.example.org."""
    address: str = ""
    """Local address for signalling and sound; any when empty."""
    proxy: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    lines: int = 10
    """Calls at the same time."""
    first_word_seconds: float = 8.0
    """Without a word from the trunk for so long, nobody knows."""
    line_wait_seconds: float = 30.0
    """How long a call waits for a free line, at most: from its `give_up_at` on it is not placed."""
    key_wait_seconds: float = 6.0
    talk_seconds: float = 180.0
    spare_seconds: float = 60.0
    """Beside ringing and talking; a worker that has not ended its call by then is killed."""


def installed() -> bool:
    """Whether PJSIP and espeak-ng are here; the extra `sip` and Debian's package bring them."""
    return find_spec("pjsua2") is not None and speech.available()


@dataclass(slots=True)
class _Running:
    """A worker and what its events have told so far."""

    call: Call
    process: asyncio.subprocess.Process
    dialled: datetime
    until: float
    """When its end is decided elsewhere at the latest; by this process's monotonic clock, as `began`."""
    began: float = field(default_factory=time.monotonic)
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    report: CallReport = field(init=False)

    def __post_init__(self) -> None:
        self.report = CallReport(self.call.reference, CallState.UNDER_WAY)

    @property
    def now(self) -> datetime:
        """The present instant, told without the database."""
        return self.dialled + timedelta(seconds=time.monotonic() - self.began)


class SipVoice:
    """A voice provider. Its calls live in this process's workers: they end when it ends.

    It hears keys, not voices: it can't tell a machine from a person, and declines a call that asks for it.
    """

    detects_machines: Final = False

    def __init__(self, sink: Sink, journal: CallJournal, clock: Clock, trunk: Trunk) -> None:
        self._sink, self._journal, self._clock, self._trunk = sink, journal, clock, trunk
        self._lines = asyncio.Semaphore(trunk.lines)
        self._running: dict[tuple[str, str], _Running] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._stops_at = float("inf")

    async def place(self, call: Call) -> CallReport:
        """See VoiceProvider. Returns at the trunk's first word; a trunk that says none leaves doubt.

        A call that finds no free line in its time is never placed.
        """
        now = await self._clock(call.tenant)
        stopped = await begin(self._journal, call, now)
        if stopped is not None:
            return stopped
        if not _E164.fullmatch(call.to) or not _E164.fullmatch(call.caller):
            await self._never(call)
            raise Declined(CallEnding.WRONG_NUMBER, "a number is not E.164")
        if call.detect_machine:
            await self._never(call)
            raise Declined(CallEnding.FAILED, "answering_machine_detection: a SIP trunk can't tell")
        try:
            left = (call.give_up_at - now).total_seconds()
            async with asyncio.timeout(min(left, self._trunk.line_wait_seconds)):
                await self._lines.acquire()
        except TimeoutError:
            _log.warning("sip_lines_taken", reference=call.reference)
            return await self._never(call)
        first = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self._carried(call, first))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        report: CallReport = await asyncio.shield(first)
        return report

    async def look_up(self, tenant: str, reference: str) -> CallReport:
        """See VoiceProvider. A call of another process counts as under way until it must have ended."""
        entry = await fence(self._journal, tenant, reference)
        known, call = entry.report, entry.call
        if known.state is not CallState.UNDER_WAY or call is None or (tenant, reference) in self._running:
            return known
        if await self._clock(tenant) < call.give_up_at + timedelta(seconds=self._longest(call)):
            return known
        return (await self._journal.learn(tenant, _lost(known))).report

    async def stop(self) -> None:
        """Hangs up every call and waits for the ends to be told."""
        self._stops_at = time.monotonic() + _FAREWELL
        for running in self._running.values():
            _hang_up(running.process)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_FAREWELL)
        for running in self._running.values():  # it does not listen
            _kill(running.process)
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- one call ---

    async def _carried(self, call: Call, first: "asyncio.Future[CallReport]") -> None:
        """From the texts' sound to the last report; `first` is told the first word, or why there is none."""
        try:
            with tempfile.TemporaryDirectory(prefix="giro-call-") as folder:
                await self._made(call, await self._texts(call, Path(folder)), first)
        except speech.Mute as mute:
            await self._never(call)
            _settle(first, Declined(CallEnding.FAILED, str(mute)))
        except Exception as error:
            _log.error("sip_call_failed", reference=call.reference, exc_info=error)
            _settle(first, Doubtful("the call's task failed"))
        finally:
            self._lines.release()

    async def _made(self, call: Call, texts: dict[str, str], first: "asyncio.Future[CallReport]") -> None:
        now = await self._clock(call.tenant)
        stopped = await given_up(self._journal, call, now)
        if stopped is not None:
            _settle(first, stopped)
            return
        dial_by = time.monotonic() + (call.give_up_at - now).total_seconds()
        await failpoint("reminders.provider.before_request")
        process = await _started(self._job(call, texts, dial_by))
        running = _Running(call, process, now, dial_by + self._longest(call))
        self._running[call.tenant, call.reference] = running
        try:
            listening = asyncio.create_task(self._listen(running))
            await self._first_word(running, first)
            await listening
        finally:
            del self._running[call.tenant, call.reference]
            await _ended(running.process)

    async def _first_word(self, running: _Running, first: "asyncio.Future[CallReport]") -> None:
        try:
            async with asyncio.timeout(self._trunk.first_word_seconds):
                await running.heard.wait()
        except TimeoutError:
            _kill(running.process)  # so that nothing rings any more
            _settle(first, Doubtful("no word from the trunk"))
        else:
            _settle(first, running.report)

    async def _listen(self, running: _Running) -> None:
        """Takes the worker's events until it is gone; without a last word the call was lost with it."""
        over_at = running.began + self._longest(running.call)
        while line := await _line(running.process, over_at - time.monotonic()):
            await self._heard(running, json.loads(line))
        if running.report.state not in _OVER:
            _kill(running.process)
            await self._learn(running, _lost(running.report))

    def _longest(self, call: Call) -> float:
        """Seconds from dialling after which a call is over, whatever its worker does."""
        return call.ring_seconds + self._trunk.talk_seconds + self._trunk.spare_seconds

    async def _heard(self, running: _Running, event: dict[str, Any]) -> None:
        known = running.report
        match event["event"]:
            case "progress":
                await self._learn(running, replace(known, provider_reference=event["call"]))
            case "answered":
                await self._learn(running, replace(known, answered_at=running.now))
            case "digit":
                await self._learn(running, replace(known, digit=event["digit"]))
            case "late":
                await self._learn(running, replace(known, state=CallState.NEVER_PLACED))
            case "ended":
                ending = _ending(known, event["code"])
                ended = replace(known, state=CallState.ENDED, ending=ending, ended_at=running.now)
                await self._learn(running, ended)

    async def _learn(self, running: _Running, report: CallReport) -> None:
        """Stores it and tells it, again and again: a key is pressed once.

        Until the call's end is decided elsewhere, or the service stops.
        """
        running.report = report
        running.heard.set()
        pause = _FIRST_PAUSE
        while not await self._stored(running):
            if time.monotonic() + pause >= min(running.until, self._stops_at):
                _log.error("sip_report_lost", reference=report.reference)
                return
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _stored(self, running: _Running) -> bool:
        try:
            entry = await self._journal.learn(running.call.tenant, running.report)
            await self._sink(running.call.tenant, entry.report)
        except Exception as error:
            _log.warning("sip_report_waits", reference=running.call.reference, error=type(error).__name__)
            return False
        return True

    async def _never(self, call: Call) -> CallReport:
        report = CallReport(call.reference, CallState.NEVER_PLACED)
        return (await self._journal.learn(call.tenant, report)).report

    async def _texts(self, call: Call, folder: Path) -> dict[str, str]:
        """The script as sound: paths by the names of the dialogue."""
        script = call.script
        words = {PROMPT: script.prompt, MENU: script.menu}
        words |= {thanks(key): text for key, text in script.thanks.items()}
        paths = {name: folder / f"{at}.wav" for at, name in enumerate(words)}
        await asyncio.gather(
            *(speech.speak(text, script.language, paths[name]) for name, text in words.items())
        )
        return {name: str(path) for name, path in paths.items()}

    def _job(self, call: Call, texts: dict[str, str], dial_by: float) -> Job:
        trunk = self._trunk
        return Job(
            to=f"sip:{call.to}@{trunk.host}",
            caller=f"sip:{call.caller}@{trunk.host}",
            texts=texts,
            keys=sorted(call.script.thanks),
            ring_seconds=call.ring_seconds,
            talk_seconds=trunk.talk_seconds,
            key_wait_seconds=trunk.key_wait_seconds,
            dial_by=dial_by,
            address=trunk.address,
            proxy=trunk.proxy,
            username=trunk.username,
            password=trunk.password,
        )


async def _started(job: Job) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "reminders.clients.sip_worker",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,  # PJSIP's lines repeat the numbers
    )
    assert process.stdin is not None
    process.stdin.write(job.line().encode())
    return process


async def _line(process: asyncio.subprocess.Process, patience: float) -> bytes:
    """The worker's next line; empty when it is gone, or has not said one in so many seconds."""
    assert process.stdout is not None
    try:
        async with asyncio.timeout(patience):
            return await process.stdout.readline()
    except TimeoutError:
        return b""


def _hang_up(process: asyncio.subprocess.Process) -> None:
    if process.stdin is not None:
        process.stdin.close()


def _kill(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):  # it ended by itself meanwhile
        process.kill()


async def _ended(process: asyncio.subprocess.Process) -> None:
    _kill(process)
    await process.wait()
    _hang_up(process)


def _ending(known: CallReport, code: int) -> CallEnding:
    if known.answered_at is not None:
        return CallEnding.ANSWERED
    if not known.provider_reference:
        return CallEnding.FAILED  # the trunk never said a word
    return _ENDINGS.get(code, CallEnding.FAILED)


def _lost(known: CallReport) -> CallReport:
    """The end of a call whose worker is gone: it was answered, or it came to nothing."""
    ending = CallEnding.FAILED if known.answered_at is None else CallEnding.ANSWERED
    return replace(known, state=CallState.ENDED, ending=ending)


def _settle(first: "asyncio.Future[CallReport]", word: CallReport | Exception) -> None:
    if first.done():
        return
    if isinstance(word, Exception):
        first.set_exception(word)
    else:
        first.set_result(word)
