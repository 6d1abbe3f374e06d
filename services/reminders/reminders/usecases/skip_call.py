"""A call that must not be made: the next channel of the ladder takes its place, or it is dropped."""

from dataclasses import dataclass
from datetime import datetime

from kit.db.uow import Tx
from reminders.domain.next_step import instead_of_call
from reminders.domain.parameters import Rules
from reminders.domain.reminder import Reminder
from reminders.domain.timing import Drop
from reminders.storage import reminders
from reminders.storage.plans import Plan
from reminders.storage.reminders import Decision
from reminders.usecases import finish_reminder


@dataclass(frozen=True, slots=True)
class Unmade:
    """A reminder whose next step would be a call at `at`; its row and its plan's are locked."""

    plan: Plan
    reminder: Reminder
    rules: Rules
    at: datetime


async def skip_call(tx: Tx, unmade: Unmade, why: Drop, now: datetime) -> None:
    """An e-mail or a text message goes out instead; without one the reminder is dropped for `why`."""
    plan, reminder = unmade.plan, unmade.reminder
    found = instead_of_call(plan.visit, reminder.offset, unmade.rules, unmade.at)
    if found is None:
        await finish_reminder.drop(tx, plan, reminder, why, now)
        return
    await reminders.wait_until(tx, reminder.reminder_id, found.at, found.channel)
    what = f"no call: {why.reason}; next: {found.channel} at {found.at.isoformat()}"
    await reminders.decided(tx, reminder.reminder_id, Decision(now, what, (*why.path, *found.path)))
