"""The sandbox's carrier: calls that nobody hears, answered as they were scripted, in no time."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol

from reminders.clients.journal import CallJournal, begin, fence, given_up
from reminders.usecases.ports import Call, CallEnding, CallReport, CallState, Declined, Doubtful, Sink

Clock = Callable[[str], Awaitable[datetime]]
"""The present instant of a tenant: its test clock, in the sandbox."""

_RINGS_BEFORE_ANSWER: Final = timedelta(seconds=4)
_DETECTS_IN: Final = timedelta(seconds=4)
_SPEAKS: Final = timedelta(seconds=12)
_WAITS_FOR_KEY: Final = timedelta(seconds=6)


class Outcome(StrEnum):
    """What happens to a simulated call."""

    ANSWERED = "ANSWERED"
    BUSY = "BUSY"
    NO_ANSWER = "NO_ANSWER"
    WRONG_NUMBER = "WRONG_NUMBER"
    MACHINE = "MACHINE"
    """A machine takes the call: hung up on where that is to be detected, else it presses no key."""
    DECLINED = "DECLINED"
    """The carrier refuses at once and places nothing."""
    DOUBTFUL_PLACED = "DOUBTFUL_PLACED"
    """The carrier's reply is lost, the call goes on as an answered one."""
    DOUBTFUL_NOT_PLACED = "DOUBTFUL_NOT_PLACED"
    """The carrier's reply is lost, and so was the question."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How a number behaves when called.

    `keys` are pressed in turn: the first `key_after` the answer, the second at the repeated menu (R-112).
    `hangs_up` ends an answered call before any key.
    """

    outcome: Outcome = Outcome.ANSWERED
    keys: str = "1"
    key_after: timedelta = timedelta(seconds=5)
    hangs_up: bool = False


class AnswerBook(Protocol):
    """What was scripted, by tenant and number."""

    async def next_answer(self, tenant: str, number: str) -> Answer:
        """How this number behaves at its next call; each call asks once."""


class ScriptedAnswers:
    """An answer book in memory: a number's answers are used in turn, the last one from then on."""

    def __init__(self, otherwise: Answer, answers: Mapping[str, Sequence[Answer]] | None = None) -> None:
        """`otherwise` is the behaviour of numbers that nothing is scripted for."""
        self._otherwise = otherwise
        self._answers = {number: list(given) for number, given in (answers or {}).items()}

    def script(self, number: str, *answers: Answer) -> None:
        """Replaces what was scripted for a number."""
        self._answers[number] = list(answers)

    async def next_answer(self, tenant: str, number: str) -> Answer:
        """See AnswerBook; all tenants share it."""
        left = self._answers.get(number) or [self._otherwise]
        return left.pop(0) if len(left) > 1 else left[0]


class SimulatedCarrier:
    """A voice provider without a telephone. Reports are told while `place` is under way; nothing waits.

    The instants of a report lie ahead of the clock by as long as the call would have taken.
    """

    detects_machines: Final = True

    def __init__(
        self, sink: Sink, journal: CallJournal, answers: AnswerBook, clock: Clock, *, sandbox: bool
    ) -> None:
        """Raises ValueError outside the sandbox, where a call that nobody hears must never count as one."""
        if not sandbox:
            raise ValueError("the simulated carrier is for the sandbox only (GIRO_SANDBOX)")
        self._sink, self._journal, self._answers, self._clock = sink, journal, answers, clock

    async def place(self, call: Call) -> CallReport:
        """See VoiceProvider."""
        now = await self._clock(call.tenant)
        stopped = await begin(self._journal, call, now)
        stopped = stopped or await given_up(self._journal, call, now)
        if stopped is not None:
            return stopped
        answer = await self._answers.next_answer(call.tenant, call.to)
        final = played(call, answer, now)
        if final.state is CallState.NEVER_PLACED:
            await self._journal.learn(call.tenant, final)
            raise _refusal(answer.outcome)
        rung = CallReport(call.reference, CallState.UNDER_WAY, provider_reference=final.provider_reference)
        # a carrier knows how its call ended, also when whoever placed it is not there any more to be told
        await self._journal.learn(call.tenant, final)
        await self._sink(call.tenant, final)
        if answer.outcome is Outcome.DOUBTFUL_PLACED:
            raise Doubtful("the simulated carrier's reply was lost")
        return rung

    async def look_up(self, tenant: str, reference: str) -> CallReport:
        """See VoiceProvider."""
        entry = await fence(self._journal, tenant, reference)
        rang = entry.report.provider_reference or entry.report.state is not CallState.UNDER_WAY
        if not rang and entry.call and await self._clock(tenant) >= entry.call.give_up_at:
            # whoever placed it died before anything was simulated
            entry = await self._journal.learn(tenant, CallReport(reference, CallState.NEVER_PLACED))
        return entry.report


def played(call: Call, answer: Answer, now: datetime) -> CallReport:
    """How a call placed `now` ends."""
    over = CallReport(
        call.reference,
        CallState.ENDED,
        provider_reference=f"sim-{call.reference}",
        ended_at=now + timedelta(seconds=call.ring_seconds),
    )
    match answer.outcome:
        case Outcome.DECLINED | Outcome.DOUBTFUL_NOT_PLACED:
            return CallReport(call.reference, CallState.NEVER_PLACED)
        case Outcome.NO_ANSWER:
            return replace(over, ending=CallEnding.NO_ANSWER)
        case Outcome.BUSY:
            return replace(over, ending=CallEnding.BUSY, ended_at=now + timedelta(seconds=2))
        case Outcome.WRONG_NUMBER:
            return replace(over, ending=CallEnding.WRONG_NUMBER, ended_at=now + timedelta(seconds=1))
        case Outcome.MACHINE:
            return _taken_by_machine(over, call, now + _RINGS_BEFORE_ANSWER)
        case Outcome.ANSWERED | Outcome.DOUBTFUL_PLACED:
            return _answered(over, call, answer, now + _RINGS_BEFORE_ANSWER)


def _taken_by_machine(over: CallReport, call: Call, answered_at: datetime) -> CallReport:
    if not call.detect_machine:
        return _answered(over, call, Answer(keys=""), answered_at)
    ended_at = answered_at + _DETECTS_IN
    return replace(over, ending=CallEnding.MACHINE, answered_at=answered_at, ended_at=ended_at)


def _answered(over: CallReport, call: Call, answer: Answer, answered_at: datetime) -> CallReport:
    """The dialogue: a key of the script ends it, another one or none brings the menu once more (R-112)."""
    pressed: str | None = None
    lasted = min(answer.key_after, _SPEAKS + _WAITS_FOR_KEY)
    if not answer.hangs_up:
        turns = answer.keys[:2].ljust(2)
        pressed = next((key for key in turns if key in call.script.thanks), None)
        if pressed != turns[0]:
            lasted += _WAITS_FOR_KEY
    return replace(
        over,
        ending=CallEnding.ANSWERED,
        digit=pressed,
        answered_at=answered_at,
        ended_at=answered_at + lasted,
    )


def _refusal(outcome: Outcome) -> Exception:
    if outcome is Outcome.DECLINED:
        return Declined(CallEnding.FAILED, "the simulated carrier refuses this number")
    return Doubtful("the simulated carrier's reply was lost")
