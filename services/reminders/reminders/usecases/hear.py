"""Hears what a provider tells of an attempt, as often and in whatever order it tells it.

The plan's row is locked first, as everywhere. An attempt is settled once; what is told after that is kept
when it is a key, and changes nothing.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from prometheus_client import Counter

from kit import telemetry
from kit.db.uow import Tx
from kit.failpoints import failpoint
from kit.values.ids import new_id
from reminders import events
from reminders.domain.colours import after_answer
from reminders.domain.next_step import Ending, Repeat, Tried, after, finish_after
from reminders.domain.parameters import Rules
from reminders.domain.reminder import (
    OPT_OUT_KEY,
    Answer,
    AttemptState,
    Channel,
    Outcome,
    Reminder,
    answer_of,
)
from reminders.domain.timing import Drop, DropReason, Terms, tried_again
from reminders.storage import attempts, daily, parameters, plans, reminders
from reminders.storage.attempts import Attempt
from reminders.storage.opt_outs import OptOut
from reminders.storage.plans import Plan
from reminders.storage.reminders import Decision
from reminders.usecases import finish_reminder, opt_out
from reminders.usecases.desk import Desk
from reminders.usecases.ports import CallReport, CallState
from reminders.usecases.skip_call import Unmade, skip_call

_log = telemetry.logger(__name__)

heard_total: Final = Counter("giro_reminders_heard_total", "Reports of providers", ["outcome"])

_KEY: Final = re.compile(r"^[0-9*#]$")
_OPEN: Final = frozenset({AttemptState.ASKED, AttemptState.UNDER_WAY})
_LONGEST_CALL: Final = timedelta(minutes=4)
"""Longer than ringing and talking take; after it a call that nothing more was heard of is looked up."""


async def hear(desk: Desk, tenant: str, report: CallReport) -> None:
    """What a provider tells of a call. A reference that is nobody's of this tenant is ignored."""
    await failpoint("reminders.hear.before_settle")
    if report.state is CallState.UNDER_WAY and report.digit is None:
        await _goes_on(desk, tenant, report)
        return
    await _heard(desk, tenant, report.reference, lambda ear: ear.listen(report))
    await failpoint("reminders.hear.after_commit")


async def hear_sent(desk: Desk, tenant: str, attempt_id: str, ending: Ending) -> None:
    """What became of a message."""
    await _heard(desk, tenant, attempt_id, lambda ear: ear.end(ending, None))


async def give_up(desk: Desk, tenant: str, attempt_id: str) -> None:
    """Nobody can tell what became of an attempt, and nobody will."""
    await _heard(desk, tenant, attempt_id, lambda ear: ear.leave_unsettled())


async def _goes_on(desk: Desk, tenant: str, report: CallReport) -> None:
    """The call rings or is being answered: nothing is decided yet, only when to ask about it changes."""
    async with desk.db.uow(tenant) as tx:
        look_up_at = await tx.now() + _LONGEST_CALL
        if await attempts.note_under_way(tx, report.reference, report.provider_reference, look_up_at):
            heard_total.labels("under_way").inc()


async def _heard(desk: Desk, tenant: str, attempt_id: str, act: "Callable[[_Ear], Awaitable[None]]") -> None:
    async with desk.db.uow(tenant) as tx:
        plan = await plans.lock_of_attempt(tx, attempt_id)
        if plan is None:
            heard_total.labels("unknown").inc()
            return
        attempt, reminder = await attempts.lock(tx, attempt_id)
        now, settings = await parameters.at_present(tx, sandbox=desk.db.sandbox)
        await act(_Ear(tx, plan, reminder, attempt, settings.rules(plan.visit.campaign_id), now))


@dataclass(frozen=True, slots=True)
class _Ear:
    """One attempt with its reminder and plan, all locked, at the instant `now`."""

    tx: Tx
    plan: Plan
    reminder: Reminder
    attempt: Attempt
    rules: Rules
    now: datetime

    async def listen(self, report: CallReport) -> None:
        if self.attempt.state not in _OPEN:
            await self._too_late(report)
        elif report.state is CallState.NEVER_PLACED:
            await self._never_placed()
        elif report.state is CallState.ENDED:
            await (await self._take_key(report)).end(_ending(report), report)
        else:
            await (await self._take_key(report))._talks(report)

    async def end(self, ending: Ending, report: CallReport | None) -> None:
        """Settles the attempt, charges a call, and decides what follows."""
        if self.attempt.state not in _OPEN:
            return
        ended = replace(
            self.attempt,
            state=AttemptState.ENDED,
            ending=ending,
            look_up_at=None,
            provider_reference=_reference(self.attempt, report),
            answered_at=report.answered_at if report else None,
            ended_at=(report.ended_at if report else None) or self.now,
        )
        await attempts.save(self.tx, ended)
        heard_total.labels(ending).inc()
        ear = replace(self, attempt=ended)
        if ended.channel is Channel.VOICE:
            await ear._charge()
        await ear._go_on()

    async def leave_unsettled(self) -> None:
        """It stays in doubt for ever: shown, not repeated, not charged. One with a key was answered."""
        if self.attempt.state not in _OPEN:
            return
        if self.attempt.digit is not None:
            await self.end(Ending.ANSWERED, None)
            return
        unsettled = replace(self.attempt, state=AttemptState.UNSETTLED, look_up_at=None)
        await attempts.save(self.tx, unsettled)
        heard_total.labels("unsettled").inc()
        if self.attempt.channel is not Channel.VOICE:
            await replace(self, attempt=replace(unsettled, ending=Ending.FAILED))._go_on()
            return
        why = "nobody could tell what became of the call; it is not repeated"
        await finish_reminder.drop(
            self.tx, self.plan, self.reminder, Drop(DropReason.UNSETTLED, (why,)), self.now
        )

    async def _too_late(self, report: CallReport) -> None:
        """Kept, and changes nothing, save that nobody is called who asked for it."""
        heard_total.labels("late").inc()
        digit = report.digit
        if digit == OPT_OUT_KEY and self.attempt.digit is None:
            await self._opt_out(report)
        elif digit is not None and _KEY.match(digit) and digit != self.attempt.digit:
            await attempts.keep_answer(self.tx, self.attempt.attempt_id, digit, self.now, counted=False)

    async def _never_placed(self) -> None:
        """Nothing rang: it does not count as a call, and is made anew while that makes sense.

        However often nothing rang, that costs no attempt; it is tried for as long as a reminder may be late.
        """
        attempt = replace(self.attempt, state=AttemptState.NEVER_PLACED, look_up_at=None)
        await attempts.save(self.tx, attempt)
        heard_total.labels("never_placed").inc()
        if attempt.channel is Channel.VOICE:
            await reminders.take_ring_back(self.tx, self.reminder.reminder_id)
            await daily.give_back(self.tx, daily.day_of(attempt.asked_at, self.plan.visit.zone))
        if not self._goes_on():
            await reminders.cancel(self.tx, self.reminder.reminder_id)
            return
        found = tried_again(await self._in_vain_since(), self.now, self._terms())
        if isinstance(found, Drop):
            await finish_reminder.drop(self.tx, self.plan, self.reminder, found, self.now)
        else:
            await self._wait(Repeat(found.at, attempt.channel, found.path))

    def _terms(self) -> Terms:
        reminder = self.reminder
        return Terms(reminder.start, reminder.offset, ZoneInfo(reminder.zone), self.rules)

    async def _in_vain_since(self) -> datetime:
        """When the provider was first asked in vain for what it has not placed until now."""
        since = self.attempt.asked_at
        for each in reversed(await attempts.of_reminder(self.tx, self.reminder.reminder_id)):
            if each.state is not AttemptState.NEVER_PLACED:
                break
            since = each.asked_at
        return since

    async def _take_key(self, report: CallReport) -> "_Ear":
        """The first key is the answer; it counts for the start that was reminded of, before that start."""
        answer = answer_of(report.digit)
        if report.digit == OPT_OUT_KEY and self.attempt.digit is None:
            return await self._opt_out(report)
        if answer is None or self.attempt.digit is not None:
            return self
        counts = self._counts() and self.now < self.reminder.start
        attempt_id = self.attempt.attempt_id
        await attempts.keep_answer(self.tx, attempt_id, answer.value, self.now, counted=counts)
        if counts:
            await self._answered(answer)
        return replace(self, attempt=replace(self.attempt, digit=answer.value))

    async def _opt_out(self, report: CallReport) -> "_Ear":
        """It counts whatever became of the visit, and when: nobody calls this number any more (RE-18)."""
        attempt_id = self.attempt.attempt_id
        if not await attempts.keep_answer(self.tx, attempt_id, OPT_OUT_KEY, self.now, counted=True):
            return self  # told again, maybe after it was taken back
        reference = _reference(self.attempt, report)
        out = OptOut(new_id("opt"), self.attempt.recipient, self.now, attempt_id, reference)
        await opt_out.note(self.tx, out)
        decision = Decision(self.now, "opted out: no calls to this number", (f"key {OPT_OUT_KEY} (RE-18)",))
        await reminders.decided(self.tx, self.reminder.reminder_id, decision)
        return replace(self, attempt=replace(self.attempt, digit=OPT_OUT_KEY))

    async def _answered(self, answer: Answer) -> None:
        change = events.Coloured(after_answer(answer), 0, self.now, answer, self.attempt.attempt_id)
        await finish_reminder.paint(self.tx, self.plan, change)

    async def _talks(self, report: CallReport) -> None:
        under_way = replace(
            self.attempt,
            state=AttemptState.UNDER_WAY,
            provider_reference=_reference(self.attempt, report),
            look_up_at=self.now + _LONGEST_CALL,
        )
        await attempts.save(self.tx, under_way)
        heard_total.labels("under_way").inc()

    async def _charge(self) -> None:
        """One charge an attempt, with its evidence (R-146, R-147)."""
        kind = _kind(self.attempt)
        free = kind == "FAILED"
        if not free and self.rules.charge_once:
            free = await attempts.was_charged(self.tx, self.reminder.reminder_id)
        await attempts.charge(self.tx, self.attempt, kind, charged=not free)
        events.call_settled(self.tx, self.plan.visit, _settled(self.attempt, kind, charged=not free))

    async def _go_on(self) -> None:
        attempt, reminder = self.attempt, self.reminder
        answer = answer_of(attempt.digit)
        if attempt.ending is Ending.WRONG_NUMBER and attempt.channel is not Channel.EMAIL:
            events.wrong_number(self.tx, self.plan.visit)
        if not self._counts():
            await reminders.cancel(self.tx, reminder.reminder_id)
        elif answer is not None:
            await reminders.finish(self.tx, reminder.reminder_id, Outcome[answer.name])
        elif not self._goes_on():
            await self._was_taken_away()
        else:
            await self._without_answer()

    async def _without_answer(self) -> None:
        attempt, reminder = self.attempt, self.reminder
        found = after(self._tried(), self.plan.visit, self.rules)
        if attempt.ending is Ending.ANSWERED:
            await finish_reminder.fall_silent(self.tx, self.plan, self.now)
        if attempt.digit == OPT_OUT_KEY:
            plan = await plans.get(self.tx, self.plan.visit.appointment_id)
            unmade = Unmade(plan, reminder, self.rules, self.now)
            await skip_call(self.tx, unmade, opt_out.NOT_TO_BE_CALLED, self.now)
        elif isinstance(found, Repeat):
            await self._wait(found)
        else:
            plan = await plans.get(self.tx, self.plan.visit.appointment_id)
            await finish_reminder.finish(self.tx, plan, reminder, found, self.now)

    def _tried(self) -> Tried:
        attempt, reminder = self.attempt, self.reminder
        assert attempt.ending is not None
        return Tried(attempt.channel, attempt.ending, reminder.rings, self.now, reminder.offset)

    async def _was_taken_away(self) -> None:
        """It was made, and brought no answer; neither a repetition nor another channel follows."""
        why = f"{self.reminder.offset} before is no reminder of this appointment any more (R-131)"
        found = finish_after(self._tried(), (why,))
        await finish_reminder.finish(self.tx, self.plan, self.reminder, found, self.now)

    async def _wait(self, found: Repeat) -> None:
        await reminders.wait_until(self.tx, self.reminder.reminder_id, found.at, found.channel)
        what = f"next: {found.channel} at {found.at.isoformat()}"
        await reminders.decided(self.tx, self.reminder.reminder_id, Decision(self.now, what, found.path))

    def _counts(self) -> bool:
        """Whether the appointment still takes place at the start that this reminder is for."""
        return self.plan.live and self.plan.visit.start == self.reminder.start

    def _goes_on(self) -> bool:
        """Whether it is still wanted besides: it may have been taken away while its call was under way."""
        wanted = self.rules.offsets if self.plan.own_offsets is None else self.plan.own_offsets
        return self._counts() and self.reminder.offset in wanted


def _ending(report: CallReport) -> Ending:
    return Ending.FAILED if report.ending is None else Ending(report.ending.value)


def _reference(attempt: Attempt, report: CallReport | None) -> str:
    return attempt.provider_reference or (report.provider_reference if report else "")


def _kind(attempt: Attempt) -> str:
    if attempt.ending is not Ending.ANSWERED:
        return "FAILED"
    return "ANSWERED" if attempt.digit else "ANSWERED_NO_KEY"


def _settled(attempt: Attempt, kind: str, *, charged: bool) -> events.SettledCall:
    assert attempt.ended_at is not None
    return events.SettledCall(
        attempt_id=attempt.attempt_id,
        reminder_id=attempt.reminder_id,
        kind=kind,
        charged=charged,
        caller=attempt.caller,
        provider_reference=attempt.provider_reference,
        asked_at=attempt.asked_at,
        answered_at=attempt.answered_at,
        ended_at=attempt.ended_at,
        digit=attempt.digit or "",
    )
