"""How long before one appointment its reminders are made (R-131)."""

from collections.abc import Sequence
from datetime import timedelta

from kit.rpc.context import caller
from reminders.domain import errors
from reminders.domain.parameters import checked_offsets
from reminders.storage import plans
from reminders.usecases.desk import Desk
from reminders.usecases.follow_appointment import plan_anew
from reminders.usecases.reach import require_campaign
from reminders.usecases.read_reminders import ShownPlan, shown_plan


async def set_reminders(desk: Desk, appointment_id: str, offsets: Sequence[timedelta] | None) -> ShownPlan:
    """Plans the appointment's reminders anew; None goes back to the defaults.

    Raises InvalidInput naming `offsets`, NotFound, WRONG_STATE for an appointment that was cancelled.
    """
    own = None if offsets is None else checked_offsets(tuple(offsets), "offsets")
    async with desk.db.uow(caller().tenant) as tx:
        plan = await plans.lock(tx, appointment_id)
        require_campaign(plan.visit.campaign_id)
        if not plan.live:
            raise errors.wrong_state("appointment", "CANCELLED")
        if plan.own_offsets != own:
            await plans.set_own_offsets(tx, appointment_id, own)
            await plan_anew(desk, tx, await plans.get(tx, appointment_id))
        return await shown_plan(tx, appointment_id)
