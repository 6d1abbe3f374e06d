"""What there is of reminders: of an appointment, of one call, of some days."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from kit.db.uow import Tx
from kit.rpc.context import caller
from kit.values.days import days_window, parse_day
from reminders.domain import errors
from reminders.domain.colours import Colour
from reminders.domain.reminder import Reminder
from reminders.storage import attempts, plans, reminders, report
from reminders.storage.attempts import Attempt
from reminders.storage.reminders import Decision
from reminders.usecases.desk import Desk
from reminders.usecases.reach import require_branch, require_campaign

_MOST_DAYS: Final = 62


@dataclass(frozen=True, slots=True)
class Shown:
    """A reminder with its attempts."""

    reminder: Reminder
    attempts: Sequence[Attempt]


@dataclass(frozen=True, slots=True)
class ShownPlan:
    """The reminders of an appointment and its colour."""

    reminders: Sequence[Shown]
    colour: Colour | None


@dataclass(frozen=True, slots=True)
class Explained:
    """A reminder with every decision about it."""

    shown: Shown
    decisions: Sequence[Decision]


@dataclass(frozen=True, slots=True)
class Report:
    """Counts by what became of it."""

    reminders: Mapping[str, int]
    attempts: Mapping[str, int]
    charged: int


async def list_reminders(desk: Desk, appointment_id: str) -> ShownPlan:
    """Raises NotFound naming `appointment_id`, NotAllowed."""
    async with desk.db.uow(caller().tenant) as tx:
        return await shown_plan(tx, appointment_id)


async def shown_plan(tx: Tx, appointment_id: str) -> ShownPlan:
    """The same within a transaction."""
    plan = await plans.get(tx, appointment_id)
    require_campaign(plan.visit.campaign_id)
    found = await reminders.of_appointment(tx, appointment_id)
    return ShownPlan([await _shown(tx, each) for each in found], plan.colour)


async def explain_call(desk: Desk, reminder_id: str) -> Explained:
    """Raises NotFound naming `reminder_id`, NotAllowed."""
    async with desk.db.uow(caller().tenant) as tx:
        reminder = await reminders.get(tx, reminder_id)
        plan = await plans.get(tx, reminder.appointment_id)
        require_campaign(plan.visit.campaign_id)
        return Explained(await _shown(tx, reminder), await reminders.decisions(tx, reminder_id))


async def report_reminders(desk: Desk, first_day: str, last_day: str) -> Report:
    """Counts of what was due on these days, for the whole tenant. Raises InvalidInput, NotAllowed."""
    require_branch("")
    first, last = parse_day(first_day, "first_day"), parse_day(last_day, "last_day")
    if not 0 <= (last - first).days < _MOST_DAYS:
        raise errors.invalid("last_day", "must be at most 61 days after first_day, and not before it")
    days = days_window(first, last, ZoneInfo("UTC"), "first_day")
    async with desk.db.uow(caller().tenant) as tx:
        return Report(
            await report.reminders(tx, days.start, days.end),
            await report.attempts(tx, days.start, days.end),
            await report.charged(tx, days.start, days.end),
        )


async def _shown(tx: Tx, reminder: Reminder) -> Shown:
    return Shown(reminder, await attempts.of_reminder(tx, reminder.reminder_id))
