"""Changed defaults reach what is planned by them already (R-131), appointment by appointment.

Unlike a move they take nothing back: what was reminded of, and answered, stays; offsets that are new are
planned, and those that are gone are cancelled.
"""

from collections.abc import Sequence
from typing import Final

from kit import telemetry
from kit.db.uow import Tx
from reminders import events
from reminders.domain.colours import Colour
from reminders.domain.reminder import Reminder, State
from reminders.storage import defaults, due, parameters, plans, reminders
from reminders.storage.plans import Plan
from reminders.storage.reminders import Decision
from reminders.usecases import finish_reminder
from reminders.usecases.desk import Desk
from reminders.usecases.follow_appointment import Planning, plan_one

_log = telemetry.logger(__name__)

AT_ONCE: Final = 500
"""Plans of one round."""
_BEFORE_ITS_CALL: Final = frozenset({State.WAITING, State.CLAIMED})
_OPEN: Final = _BEFORE_ITS_CALL | {State.CALLING}


async def follow_defaults(desk: Desk, only: str | None = None) -> int:
    """One batch of plans made by older defaults, of all tenants or `only` one: how many are done with.

    One that fails is left for the next round and holds up no other.
    """
    async with desk.db.worker() as tx:
        found = await due.of_older_defaults(tx, AT_ONCE)
    mine = [(tenant, each) for tenant, ids in found.items() if only in {None, tenant} for each in ids]
    return sum([await _followed(desk, tenant, each) for tenant, each in mine])


async def _followed(desk: Desk, tenant: str, appointment_id: str) -> bool:
    work = telemetry.enter(None, None, tenant)
    try:
        async with desk.db.uow(tenant) as tx:
            await _follow(desk, tx, await plans.lock(tx, appointment_id))
    except Exception as error:
        _log.exception("defaults not followed", appointment_id=appointment_id, error=repr(error))
        return False
    finally:
        telemetry.leave(work)
    return True


async def _follow(desk: Desk, tx: Tx, plan: Plan) -> None:
    visit, by = plan.visit, await defaults.revision(tx)
    if plan.live and plan.own_offsets is None and visit.start > await tx.now():
        await _reconcile(desk, tx, plan)
    await defaults.stamp(tx, visit.appointment_id, by)


async def _reconcile(desk: Desk, tx: Tx, plan: Plan) -> None:
    visit, now = plan.visit, await tx.now()
    rules = (await parameters.settings(tx)).rules(visit.campaign_id)
    there = await _of_start(tx, plan)
    for gone in there:
        if gone.offset not in rules.offsets and gone.state in _BEFORE_ITS_CALL:
            why = f"{gone.offset} before is no default any more (R-131)"
            await reminders.cancel(tx, gone.reminder_id)
            await reminders.decided(tx, gone.reminder_id, Decision(now, "cancelled", (why,)))
    known = {each.offset for each in there if each.state is not State.CANCELLED}
    for offset in rules.offsets:
        if offset not in known:
            await plan_one(desk, tx, Planning(visit, rules, now), offset)
    await _paint(tx, plan)


async def _paint(tx: Tx, plan: Plan) -> None:
    """Grey where there was no reminder, none where there is none any more; what was brought stays."""
    there = [each for each in await _of_start(tx, plan) if each.state in _OPEN | {State.DONE}]
    colour = plan.colour
    if colour is None and any(each.state in _OPEN for each in there):
        colour = Colour.GREY
    elif colour is Colour.GREY and not there:
        colour = None
    if colour is not plan.colour:
        await finish_reminder.paint(tx, plan, events.Coloured(colour, 0, await tx.now()))


async def _of_start(tx: Tx, plan: Plan) -> Sequence[Reminder]:
    found = await reminders.of_appointment(tx, plan.visit.appointment_id)
    return [each for each in found if each.start == plan.visit.start]
