"""What somebody who changes a visit by hand has to respect of how it is fixed again (R-030, R-078)."""

from booking.domain import refix
from booking.domain.appointment import Appointment
from booking.storage import policies, recalls
from booking.usecases.refix.list_recalls import sees_private
from kit.db.uow import Tx
from kit.errors import NotAllowed, Reason
from kit.rpc.context import caller


async def require_mine(tx: Tx, appointment: Appointment) -> None:
    """A private recall is worked by its own operator until it is released (R-078).

    Raises NotAllowed (OUT_OF_SCOPE); supervisors see and work everybody's.
    """
    recall = await recalls.open_of(tx, appointment.appointment_id)
    if recall is None or not recall.private or recall.operator_id == caller().subject:
        return
    if sees_private(appointment.campaign_id):
        return
    if recall.release_at is None or await tx.now() < recall.release_at:
        raise NotAllowed(Reason.OUT_OF_SCOPE, "the recall of this appointment is another operator's")


async def require_new_start_free(tx: Tx, appointment: Appointment) -> None:
    """Raises PRESET where the outcome's mode decides what a new start writes: a re-fix is the way (R-030)."""
    if not appointment.outcome_state_id:
        return
    policy = await policies.load(tx, appointment.campaign_id, caller().subject)
    mode = policy.mode_of(policy.states.get(appointment.outcome_state_id))
    if mode is not None:
        refix.require_plain(refix.form(mode, policy.parameters, policy.states))
