"""Recalls that a procedure makes on agents' dates (R-069), many in one transaction: they need nothing of geo.

What somebody else has locked is passed over and looked at again in the next run, so no worker waits for
another, nor for an operator.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from booking.domain.appointment import LIVE, Appointment
from booking.domain.outcomes import Recall
from booking.storage import appointments, outcomes, refix_requests
from booking.storage.refix_requests import RefixRequest
from booking.usecases.desk import Desk
from booking.usecases.refix import aftermath
from booking.usecases.refix.aftermath import Owed
from kit import telemetry
from kit.db.uow import Tx
from kit.errors import Unavailable
from kit.failpoints import failpoint

_log = telemetry.logger(__name__)


async def make_recalls(desk: Desk, tenant: str, requests: Sequence[RefixRequest]) -> Mapping[str, int]:
    """How many requests had which outcome. One with a defect does not keep the others waiting.

    Raises Unavailable when the database does not answer.
    """
    try:
        return await _together(desk, tenant, requests)
    except Unavailable:
        raise
    except Exception as error:
        if len(requests) == 1:
            _log.warning("refix_waits", id=requests[0].refix_id, error=str(error))
            return {"error": 1}
    found: Counter[str] = Counter()
    for request in requests:
        found.update(await make_recalls(desk, tenant, [request]))
    return found


async def _together(desk: Desk, tenant: str, requests: Sequence[RefixRequest]) -> Mapping[str, int]:
    async with desk.db.uow(tenant) as tx:
        taken = await refix_requests.take_all(tx, requests)
        found = await appointments.lock_free(tx, [request.appointment_id for request in taken])
        present = [each for each in taken if each.appointment_id in found]
        fresh = {each.refix_id for each in present if _is_fresh(found[each.appointment_id], each)}
        free = [each for each in present if found[each.appointment_id].move_id is None]
        done = [each for each in free if each.refix_id in fresh]
        await _recall(tx, [(found[each.appointment_id], each) for each in done])
        obsolete = [each.refix_id for each in present if each.refix_id not in fresh]
        await refix_requests.end_all(tx, [each.refix_id for each in done], "DONE")
        await refix_requests.end_all(tx, obsolete, "OBSOLETE")
        await failpoint("booking.procedure.before_commit")
    await failpoint("booking.procedure.after_commit")
    rest = len(requests) - len(done) - len(obsolete)
    return {"recalled": len(done), "skipped": len(obsolete), "waits": rest}


def _is_fresh(appointment: Appointment, request: RefixRequest) -> bool:
    """The outcome spoke of one version: once the appointment has changed, the agent's date is no more."""
    return appointment.version == request.version and appointment.state in LIVE


async def _recall(tx: Tx, wanted: Sequence[tuple[Appointment, RefixRequest]]) -> None:
    """Due on the agent's date, whatever the outcome state says (R-074)."""
    states = await outcomes.states(tx) if wanted else {}
    owed = [
        Owed(appointment, request.refix_at, states[appointment.outcome_state_id].recall is Recall.PRIVATE)
        for appointment, request in wanted
    ]
    await aftermath.open_recalls(tx, owed)
