"""Numbers that are not to be called any more by any campaign: noted, obeyed, shown, taken back (RE-18).

Whoever makes a call looks in the transaction that stores its attempt's row; from an opt-out's commit on no
call begins. What is planned is dropped after it, appointment by appointment.
"""

from collections.abc import Sequence
from typing import Final

from kit.db.uow import Tx
from kit.rpc.context import caller
from kit.values.ids import new_id
from reminders import events
from reminders.domain import errors
from reminders.domain.reminder import Channel
from reminders.domain.timing import Drop, DropReason
from reminders.storage import opt_outs, parameters, plans, reminders
from reminders.storage.opt_outs import OptOut, Page
from reminders.usecases.desk import Desk
from reminders.usecases.reach import require_branch
from reminders.usecases.skip_call import Unmade, skip_call

NOT_TO_BE_CALLED: Final = Drop(DropReason.OPTED_OUT, ("this number asked not to be called (RE-18)",))


async def note(tx: Tx, new: OptOut) -> None:
    """No call to this number any more; told once, the first time."""
    if await opt_outs.add(tx, new):
        events.opted_out(tx, new.opt_out_id, new.attempt_id, new.since)


async def set_opt_out(desk: Desk, phone: str, *, opted_out: bool) -> None:
    """Notes that no campaign may call this number any more. Raises InvalidInput naming `opted_out`."""
    require_branch("")
    if not opted_out:
        raise errors.invalid("opted_out", "must be true: what is noted is taken back by RevokeOptOut")
    async with desk.db.uow(caller().tenant) as tx:
        await note(tx, OptOut(new_id("opt"), phone, await tx.now(), noted_by=caller().subject))


async def list_opt_outs(desk: Desk, page: Page) -> Sequence[OptOut]:
    """A page of those that hold."""
    require_branch("")
    async with desk.db.uow(caller().tenant) as tx:
        return await opt_outs.newest(tx, page)


async def revoke_opt_out(desk: Desk, opt_out_id: str) -> None:
    """The number may be called again; who took it back is kept. Raises NotFound naming `opt_out_id`."""
    require_branch("")
    async with desk.db.uow(caller().tenant) as tx:
        await opt_outs.revoke(tx, opt_out_id, caller().subject, await tx.now())


async def drop_calls(desk: Desk, tenant: str, opt_out_id: str) -> None:
    """Drops the calls that are planned to a number, if it is still out. May be done again."""
    async with desk.db.uow(tenant) as tx:
        found = await opt_outs.find(tx, opt_out_id)
        waiting = await opt_outs.planned_for(tx, found.phone) if found else ()
    for appointment_id in waiting:
        async with desk.db.uow(tenant) as tx:
            await _drop_of_appointment(desk, tx, appointment_id, opt_out_id)


async def _drop_of_appointment(desk: Desk, tx: Tx, appointment_id: str, opt_out_id: str) -> None:
    plan = await plans.lock(tx, appointment_id)
    out = await opt_outs.find(tx, opt_out_id)
    if out is None or out.phone != plan.visit.phone:
        return
    now, settings = await parameters.at_present(tx, sandbox=desk.db.sandbox)
    rules = settings.rules(plan.visit.campaign_id)
    for reminder in await reminders.lock_waiting(tx, appointment_id):
        if reminder.channel is Channel.VOICE:
            at = max(reminder.run_at, now)
            await skip_call(tx, Unmade(plan, reminder, rules, at), NOT_TO_BE_CALLED, now)
            plan = await plans.get(tx, appointment_id)
