"""New data of the time zones: what waits is planned anew by the wall clock as it is now known."""

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from kit.db.uow import Tx
from reminders.domain.reminder import Reminder
from reminders.domain.timing import Drop, Terms, due_at
from reminders.storage import due, parameters, plans, reminders
from reminders.storage.plans import Plan
from reminders.storage.reminders import Decision
from reminders.usecases import finish_reminder
from reminders.usecases.desk import Desk
from reminders.usecases.follow_appointment import first_step

_BATCH: Final = 500


async def recompute_zones(desk: Desk) -> int:
    """One batch of what was planned with an older version of the data: how many were planned anew."""
    async with desk.db.worker() as tx:
        found = await due.of_older_zone_data(tx, desk.tz_version, _BATCH)
    for tenant, ids in found.items():
        for reminder_id in ids:
            async with desk.db.uow(tenant) as tx:
                await _recompute(desk, tx, reminder_id)
    return sum(map(len, found.values()))


async def _recompute(desk: Desk, tx: Tx, reminder_id: str) -> None:
    plan = await plans.lock_of_reminder(tx, reminder_id)
    for reminder in await reminders.lock_waiting(tx, plan.visit.appointment_id):
        if reminder.reminder_id == reminder_id:
            await _one(desk, tx, plan, reminder)


async def _one(desk: Desk, tx: Tx, plan: Plan, reminder: Reminder) -> None:
    zone, now = ZoneInfo(reminder.zone), await tx.now()
    due_now = due_at(reminder.start, reminder.offset, zone)
    rules = (await parameters.settings(tx)).rules(plan.visit.campaign_id)
    found = first_step(due_now, now, Terms(reminder.start, reminder.offset, zone, rules))
    moves = reminder.attempt == 0  # the instant of a repetition follows from a call, not from the zone
    if moves and isinstance(found, Drop):
        await finish_reminder.drop(tx, plan, reminder, found, now)
        return
    at: datetime = reminder.run_at if isinstance(found, Drop) or not moves else found.at
    await reminders.replan(tx, reminder, due_now, at, desk.tz_version)
    if at != reminder.run_at:
        what = f"time zone data {desk.tz_version}: moved to {at.isoformat()}"
        await reminders.decided(tx, reminder.reminder_id, Decision(now, what, found.path))
