"""Makes what is due: claim, a question to booking, the attempt's row, and only then the provider.

A claim lasts for a lease and carries a fence that grows with each claim. Booking is asked after it, so that a
cancellation that was committed there before the claim means no call, also while its event is on its way;
while booking does not answer, nothing is made. The transaction that stores the attempt checks the fence and
the appointment once more, so that whoever was frozen since its claim, or whose appointment was cancelled
meanwhile, does not come to dial.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from prometheus_client import Counter, Gauge, Histogram

from kit import telemetry
from kit.db.uow import Tx
from kit.errors import GiroError, NotFound
from kit.failpoints import failpoint
from kit.values.days import DAY, day_start
from kit.values.ids import new_id
from reminders import events
from reminders.domain.next_step import first_channel, rungs_after
from reminders.domain.parameters import Rules
from reminders.domain.reminder import AttemptState, Channel, Reminder, Visit
from reminders.domain.timing import Drop, DropReason, Moment, Terms, at_dial, before_quiet, decide
from reminders.storage import attempts, daily, due, numbers, parameters, plans, reminders
from reminders.storage.attempts import Allowance, Attempt
from reminders.storage.plans import Plan
from reminders.storage.reminders import Decision
from reminders.usecases import finish_reminder
from reminders.usecases.desk import Desk
from reminders.usecases.follow_appointment import as_known
from reminders.usecases.opt_out import NOT_TO_BE_CALLED
from reminders.usecases.outside import Choice, Letter, Spoken
from reminders.usecases.place_attempt import Placing, place
from reminders.usecases.ports import Script
from reminders.usecases.skip_call import Unmade, skip_call

_log = telemetry.logger(__name__)

lateness: Final = Histogram(
    "giro_reminders_lateness_seconds",
    "From a reminder's moment to its attempt",
    buckets=(0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 3600),
)
made_total: Final = Counter("giro_reminders_made_total", "Attempts begun", ["channel"])
collisions: Final = Counter("giro_reminders_fenced_total", "Claims that were lost before their attempt's row")
backlog: Final = Gauge("giro_reminders_due", "Reminders that are due and not claimed")

_AT_ONCE: Final = 48
"""Reminders that one worker has in hand at a time; most of them wait for a provider."""
_LOOK_AHEAD: Final = 4
"""Due reminders looked at for each that is claimed, so that two workers seldom pick the same."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A reminder that this worker has claimed."""

    tenant: str
    reminder_id: str
    appointment_id: str
    fence: int


class Maker:
    """Makes what is due, so many at once; a provider that takes its time holds up nobody but its own call."""

    def __init__(self, desk: Desk, at_once: int = _AT_ONCE) -> None:
        self._desk, self._at_once = desk, at_once
        self._tasks: set[asyncio.Task[None]] = set()

    async def round(self) -> int:
        """Looks for what is due and begins with it; how many were claimed. Waits while its hands are full."""
        if len(self._tasks) >= self._at_once:
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        claimed = await claim_due(self._desk, self._at_once - len(self._tasks))
        for each in claimed:
            task = asyncio.create_task(_one(self._desk, each))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return len(claimed)

    async def finish(self) -> None:
        """Waits for all that is in hand."""
        await asyncio.gather(*self._tasks)


async def make_reminders(desk: Desk, only: str | None = None) -> int:
    """Makes all that is due now, of all tenants or of `only` one; how many were claimed."""
    total = 0
    while claimed := await claim_due(desk, _AT_ONCE, only):
        await asyncio.gather(*(_one(desk, each) for each in claimed))
        total += len(claimed)
    return total


async def claim_due(desk: Desk, most: int, only: str | None = None) -> Sequence[Claimed]:
    """Claims at most so many of what is due, picked at random among the oldest."""
    async with desk.db.worker() as tx:
        found = await due.find(tx, _LOOK_AHEAD * most, sandbox=desk.db.sandbox)
    pairs = [(tenant, each) for tenant, ids in found.items() for each in ids if only in {None, tenant}]
    picked: dict[str, list[str]] = {}
    for tenant, reminder_id in random.sample(pairs, min(most, len(pairs))):
        picked.setdefault(tenant, []).append(reminder_id)
    claimed = [each for tenant, ids in picked.items() for each in await claim(desk, tenant, ids)]
    await failpoint("reminders.make.after_claim")
    return claimed


async def claim(desk: Desk, tenant: str, ids: Sequence[str]) -> Sequence[Claimed]:
    """Claims what is due of these; what others have claimed or hold locked is left to them."""
    async with desk.db.uow(tenant) as tx:
        found = await reminders.claim(tx, ids, desk.timers.lease, sandbox=desk.db.sandbox)
    return [Claimed(tenant, each.reminder_id, each.appointment_id, each.fence) for each in found]


async def _one(desk: Desk, claimed: Claimed) -> None:
    work = telemetry.enter(None, None, claimed.tenant)
    try:
        await make(desk, claimed)
    except GiroError as error:  # the lease runs out, and somebody tries again
        _log.warning("reminder waits", reminder_id=claimed.reminder_id, reason=error.reason)
    except Exception as error:
        _log.exception("reminder failed", reminder_id=claimed.reminder_id, error=repr(error))
    finally:
        telemetry.leave(work)


async def make(desk: Desk, claimed: Claimed) -> None:
    """Makes one claimed reminder: stores its attempt, then asks the provider; or defers it, or drops it.

    Raises what booking raises when it does not answer: the claim runs out then, and is made anew.
    """
    await failpoint("reminders.make.before_question")
    known = await _known(desk, claimed)
    await failpoint("reminders.make.before_attempt")
    async with desk.db.uow(claimed.tenant) as tx:
        placing = await _begin(desk, tx, claimed, known)
        await failpoint("reminders.make.before_commit")
    if placing is not None:
        made_total.labels(placing.channel).inc()
        await place(desk, claimed.tenant, placing)


async def _known(desk: Desk, claimed: Claimed) -> Visit | GiroError:
    """The appointment as booking knows it now, or why it does not tell."""
    try:
        return await desk.visits.get(claimed.tenant, claimed.appointment_id)
    except GiroError as refused:
        return refused


async def _begin(desk: Desk, tx: Tx, claimed: Claimed, known: Visit | GiroError) -> Placing | None:
    """What to place, with its row stored; None when there is nothing to place (any more)."""
    plan = await plans.lock_of_reminder(tx, claimed.reminder_id)
    if isinstance(known, Visit):
        plan = await as_known(desk, tx, plan, known)
    reminder = await reminders.lock_claimed(tx, claimed.reminder_id, claimed.fence)
    if reminder is None:
        collisions.inc()
        return None
    now, settings = await parameters.at_present(tx, sandbox=desk.db.sandbox)
    step = _Step(desk, tx, reminder, plan, settings.rules(plan.visit.campaign_id), now)
    return await step.take(known)


@dataclass(frozen=True, slots=True)
class _Step:
    """One claimed reminder, its row and its plan's locked, at the instant `now`."""

    desk: Desk
    tx: Tx
    reminder: Reminder
    plan: Plan
    rules: Rules
    now: datetime

    @property
    def visit(self) -> Visit:
        """The appointment."""
        return self.plan.visit

    async def take(self, known: Visit | GiroError) -> Placing | None:
        """Decides by the clock, booking's word, the address and the limit, in this order."""
        reminder = self.reminder
        terms = Terms(reminder.start, reminder.offset, ZoneInfo(reminder.zone), self.rules)
        found = at_dial(reminder.run_at, self.now, terms)
        if isinstance(found, Drop):
            await self._drop(found)
            return None
        if found.at > self.now:
            await self._defer(found, "moved")
            return None
        if isinstance(known, NotFound):
            await self._cancel("booking knows no such appointment")
            return None
        if isinstance(known, GiroError):
            raise known
        caller, opted_out = await numbers.caller_for(self.tx, self.rules.branch_id, self.visit.phone)
        refused = self._refused(caller, opted_out=opted_out)
        if refused is not None:
            await self._refuse(refused)
            return None
        placing = await self._begin(caller or "")
        if placing is None:
            await self._next_day()
        return placing

    def _refused(self, caller: str | None, *, opted_out: bool) -> Drop | None:
        if not self.visit.address(self.reminder.channel):
            return Drop(DropReason.NO_ADDRESS, (f"the contact has no address for {self.reminder.channel}",))
        if self.reminder.channel is not Channel.VOICE:
            return None
        if caller is None:
            why = "neither the branch nor the organisation has an active number (R-108, R-109)"
            return Drop(DropReason.NO_CALLER_NUMBER, (why,))
        if opted_out:
            return NOT_TO_BE_CALLED
        if self.rules.machine_detection and not self.desk.voice.detects_machines:
            why = "answering_machine_detection is on, and whoever carries the calls can't tell (R-148)"
            return Drop(DropReason.NO_MACHINE_DETECTION, (why,))
        return None

    async def _refuse(self, why: Drop) -> None:
        if why.reason is DropReason.NO_CALLER_NUMBER:
            await self._drop(why)
        elif self.reminder.channel is not Channel.VOICE:
            await self._readdress(why)
        else:
            unmade = Unmade(self.plan, self.reminder, self.rules, self.now)
            await skip_call(self.tx, unmade, why, self.now)

    async def _readdress(self, why: Drop) -> None:
        """The letter's address was taken away: the next channel that there is an address for, if any.

        What has been tried already is not tried anew (R-118, R-122): the whole ladder counts before the first
        attempt alone.
        """
        tried, visit, rules = self.reminder.attempt > 0, self.visit, self.rules
        left = rungs_after(self.reminder.channel, visit, rules)
        channel = next(iter(left), None) if tried else first_channel(visit, rules)
        if channel is None:
            await self._drop(why)
            return
        await reminders.wait_until(self.tx, self.reminder.reminder_id, self.now, channel)
        await reminders.decided(
            self.tx, self.reminder.reminder_id, Decision(self.now, f"by {channel} instead", why.path)
        )

    def _today(self) -> date:
        return daily.day_of(self.now, self.visit.zone)

    async def _next_day(self) -> None:
        """The limit of the day is reached: tomorrow, if that is still before the visit (R-128)."""
        if await daily.first_at_limit(self.tx, self._today()):
            events.limit_reached(self.tx, self.visit, self._today(), self.rules.daily_limit)
        zone = ZoneInfo(self.reminder.zone)
        midnight = day_start(self._today() + DAY, zone)
        reminder = self.reminder
        found = decide(midnight, reminder.start, reminder.offset, zone, self.rules)
        why = f"the limit of {self.rules.daily_limit} calls a day is reached (R-128)"
        if isinstance(found, Drop) or found.at < midnight:
            await self._drop(Drop(DropReason.DAILY_LIMIT, (why, *found.path)))
        else:
            reminder_id = reminder.reminder_id
            await reminders.put_off(self.tx, reminder_id, found.at, reminder.channel)
            what = f"put off to the next day: {found.at.isoformat()}"
            await reminders.decided(self.tx, reminder_id, Decision(self.now, what, (why, *found.path)))

    async def _defer(self, found: Moment, what: str) -> None:
        await reminders.wait_until(self.tx, self.reminder.reminder_id, found.at, self.reminder.channel)
        decision = Decision(self.now, f"{what}: {found.at.isoformat()}", found.path)
        await reminders.decided(self.tx, self.reminder.reminder_id, decision)

    async def _cancel(self, why: str) -> None:
        await reminders.cancel(self.tx, self.reminder.reminder_id)
        decision = Decision(self.now, "cancelled", (why,))
        await reminders.decided(self.tx, self.reminder.reminder_id, decision)

    async def _drop(self, found: Drop) -> None:
        await finish_reminder.drop(self.tx, self.plan, self.reminder, found, self.now)

    async def _begin(self, caller: str) -> Placing | None:
        """The attempt, stored; None when the limit of the day is reached."""
        reminder, timers, rules = self.reminder, self.desk.timers, self.rules
        choice = self.desk.speech.choose(self.visit.language, rules.language)
        said = self._said(choice.language, caller)  # before the row: a text that is missing leaves none
        give_up = self._give_up()
        attempt = Attempt(
            attempt_id=new_id("cal"),
            reminder_id=reminder.reminder_id,
            number=reminder.attempt + 1,
            channel=reminder.channel,
            state=AttemptState.ASKED,
            recipient=self.visit.address(reminder.channel),
            caller=caller if reminder.channel is Channel.VOICE else "",
            asked_at=self.now,
            give_up_at=give_up,
            look_up_at=give_up + timers.look_up,
        )
        allowance = Allowance(self._today(), rules.daily_limit)
        if not await attempts.begin(self.tx, attempt, reminder.fence, allowance):
            return None
        if choice.fallback:
            await self._explain(choice)
        lateness.observe((self.now - reminder.run_at).total_seconds())
        return Placing(attempt, choice.language, said, rules.ring, rules.machine_detection)

    def _give_up(self) -> datetime:
        """Nothing begins to ring after it: not at the start, nor in quiet hours (R-115, R-116)."""
        last = min(self.now + self.desk.timers.give_up, self.reminder.start)
        if self.reminder.offset <= self.rules.short_offset:
            return last
        return before_quiet(last, self.now, ZoneInfo(self.reminder.zone), self.rules)

    async def _explain(self, choice: Choice) -> None:
        """Keeps that the language is not the contact's own (R-107)."""
        why = f"there are no prompts in {choice.wanted}, the contact's language (R-107)"
        decision = Decision(self.now, f"in {choice.language}, the organisation's language", (why,))
        await reminders.decided(self.tx, self.reminder.reminder_id, decision)

    def _said(self, language: str, caller: str) -> Script | Letter:
        speech, spoken = self.desk.speech, self._spoken(caller)
        match self.reminder.channel:
            case Channel.VOICE:
                return speech.call(language, spoken)
            case Channel.EMAIL:
                return speech.email(language, spoken)
            case Channel.SMS:
                return speech.text_message(language, spoken)

    def _spoken(self, caller: str) -> Spoken:
        start = self.visit.start.astimezone(ZoneInfo(self.visit.zone))
        return Spoken(self.rules.called_as, start, caller, opt_out=self.rules.opt_out_key)
