"""Ends of a reminder, and what they do to the colour of its appointment."""

from datetime import datetime

from kit.db.uow import Tx
from reminders import events
from reminders.domain.colours import Colour, after_silence
from reminders.domain.next_step import Finish
from reminders.domain.reminder import Reminder
from reminders.domain.timing import Drop
from reminders.storage import plans, reminders
from reminders.storage.plans import Plan
from reminders.storage.reminders import Decision


async def drop(tx: Tx, plan: Plan, reminder: Reminder, found: Drop, now: datetime) -> None:
    """By a rule. After a call without answer it was the last chance: grey turns orange (R-121, R-126)."""
    await reminders.drop(tx, reminder.reminder_id, found.reason)
    decision = Decision(now, f"dropped: {found.reason}", found.path)
    await reminders.decided(tx, reminder.reminder_id, decision)
    events.dropped(tx, plan.visit, reminder.reminder_id, found.reason, now)
    if reminder.attempt:
        await fall_silent(tx, plan, now)


async def finish(tx: Tx, plan: Plan, reminder: Reminder, found: Finish, now: datetime) -> None:
    """Without an answer: grey turns orange (R-126)."""
    await reminders.finish(tx, reminder.reminder_id, found.outcome)
    await reminders.decided(tx, reminder.reminder_id, Decision(now, f"done: {found.outcome}", found.path))
    await fall_silent(tx, plan, now)


async def fall_silent(tx: Tx, plan: Plan, now: datetime) -> None:
    """A call brought no answer; what was answered before stays."""
    colour = after_silence(plan.colour)
    if colour is not None and colour is not plan.colour:
        await paint(tx, plan, events.Coloured(colour, 0, now))


async def paint(tx: Tx, plan: Plan, change: events.Coloured) -> None:
    """Stores a colour and tells it, with its revision."""
    colour: Colour | None = change.colour
    revision = await plans.paint(tx, plan.visit.appointment_id, colour)
    told = events.Coloured(colour, revision, change.at, change.answer, change.attempt_id)
    events.coloured(tx, plan.visit, told)
