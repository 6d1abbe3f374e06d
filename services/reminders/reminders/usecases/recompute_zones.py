"""New data of the time zones: what waits is planned anew by the wall clock as it is now known."""

from typing import Final
from zoneinfo import ZoneInfo

from kit import telemetry
from kit.db.uow import Tx
from kit.failpoints import failpoint
from reminders.domain.reminder import Reminder
from reminders.domain.timing import Drop, decide, due_at
from reminders.storage import due, parameters, plans, reminders
from reminders.storage.plans import Plan
from reminders.storage.reminders import Decision
from reminders.usecases import finish_reminder
from reminders.usecases.desk import Desk

_log = telemetry.logger(__name__)

AT_ONCE: Final = 500
"""Reminders of one round."""


async def recompute_zones(desk: Desk) -> int:
    """One batch of what was planned with an older version of the data: how many are done with.

    One that fails is left for the next round and holds up no other.
    """
    async with desk.db.worker() as tx:
        found = await due.of_older_zone_data(tx, desk.tz_version, AT_ONCE)
    done = [await _recomputed(desk, tenant, each) for tenant, ids in found.items() for each in ids]
    return sum(done)


async def _recomputed(desk: Desk, tenant: str, reminder_id: str) -> bool:
    work = telemetry.enter(None, None, tenant)
    try:
        await failpoint("reminders.recompute.before_plan")
        async with desk.db.uow(tenant) as tx:
            await _recompute(desk, tx, reminder_id)
    except Exception as error:
        _log.exception("reminder not planned anew", reminder_id=reminder_id, error=repr(error))
        return False
    finally:
        telemetry.leave(work)
    return True


async def _recompute(desk: Desk, tx: Tx, reminder_id: str) -> None:
    plan = await plans.lock_of_reminder(tx, reminder_id)
    for reminder in await reminders.lock_waiting(tx, plan.visit.appointment_id):
        if reminder.reminder_id == reminder_id:
            await _one(desk, tx, plan, reminder)


async def _one(desk: Desk, tx: Tx, plan: Plan, reminder: Reminder) -> None:
    """What the plan alone set follows the wall clock; any other instant is only looked at once more."""
    zone, now = ZoneInfo(reminder.zone), await tx.now()
    due_now = due_at(reminder.start, reminder.offset, zone)
    rules = (await parameters.settings(tx)).rules(plan.visit.campaign_id)
    wanted = due_now if reminder.by_plan else reminder.run_at
    found = decide(wanted, reminder.start, reminder.offset, zone, rules)
    if isinstance(found, Drop):
        await finish_reminder.drop(tx, plan, reminder, found, now)
        return
    await reminders.replan(tx, reminder, due_now, found.at, desk.tz_version)
    if found.at != reminder.run_at:
        what = f"time zone data {desk.tz_version}: moved to {found.at.isoformat()}"
        await reminders.decided(tx, reminder.reminder_id, Decision(now, what, found.path))
