"""Recalls that a procedure makes on agents' dates (R-069), many in one transaction: they need nothing of geo.

What somebody else has locked is passed over and looked at again in the next run, so no worker waits for
another, nor for an operator.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from booking.domain import errors
from booking.domain.appointment import LIVE, Appointment
from booking.domain.outcomes import Recall
from booking.storage import appointments, outcomes, refix_requests
from booking.storage.refix_requests import RefixRequest
from booking.usecases.desk import Desk
from booking.usecases.refix import aftermath
from booking.usecases.refix.aftermath import Owed
from booking.usecases.refix.exceptions import Failure, raise_exception
from kit import telemetry
from kit.db.uow import Tx
from kit.errors import Unavailable
from kit.failpoints import failpoint

_log = telemetry.logger(__name__)

_Asked = tuple[Appointment, RefixRequest]


async def make_recalls(
    desk: Desk, tenant: str, procedure_id: str, requests: Sequence[RefixRequest]
) -> Mapping[str, int]:
    """How many requests had which outcome. One with a defect does not keep the others waiting.

    Raises Unavailable when the database does not answer.
    """
    try:
        found, overtaken = await _together(desk, tenant, requests)
    except Unavailable:
        raise
    except Exception as error:
        if len(requests) == 1:
            _log.warning("refix_waits", id=requests[0].refix_id, error=str(error))
            return {"error": 1}
        apart = [await make_recalls(desk, tenant, procedure_id, [request]) for request in requests]
        return sum((Counter(each) for each in apart), Counter())
    for each in overtaken:
        found[await _excepted(desk, tenant, procedure_id, each)] += 1
    return found


async def _together(
    desk: Desk, tenant: str, requests: Sequence[RefixRequest]
) -> tuple[Counter[str], Sequence[_Asked]]:
    """What became of them, and those of appointments that have another start since."""
    async with desk.db.uow(tenant) as tx:
        taken = await refix_requests.take_all(tx, requests)
        found = await appointments.lock_free(tx, [request.appointment_id for request in taken])
        asked = [(found[each.appointment_id], each) for each in taken if each.appointment_id in found]
        gone = [request for card, request in asked if card.state not in LIVE]
        ready = [(card, request) for card, request in asked if card.state in LIVE and card.move_id is None]
        done = [(card, request) for card, request in ready if card.version == request.version]
        await _recall(tx, done)
        await refix_requests.end_all(tx, [request.refix_id for _, request in done], "DONE")
        await refix_requests.end_all(tx, [request.refix_id for request in gone], "OBSOLETE")
        await failpoint("booking.procedure.before_commit")
    await failpoint("booking.procedure.after_commit")
    overtaken = [(card, request) for card, request in ready if card.version != request.version]
    waiting = len(requests) - len(done) - len(gone) - len(overtaken)
    return Counter({"recalled": len(done), "skipped": len(gone), "waits": waiting}), overtaken


async def _excepted(desk: Desk, tenant: str, procedure_id: str, asked: _Asked) -> str:
    appointment, request = asked
    failure = Failure(procedure_id, request, "", errors.date_overtaken())
    try:
        await raise_exception(desk, tenant, appointment, failure)
    except Unavailable as error:
        _log.warning("refix_waits", id=request.refix_id, error=str(error))
        return "waits"
    return "exception"


async def _recall(tx: Tx, wanted: Sequence[_Asked]) -> None:
    """Due on the agent's date, whatever the outcome state says (R-074)."""
    states = await outcomes.states(tx) if wanted else {}
    owed = [
        Owed(appointment, request.refix_at, states[appointment.outcome_state_id].recall is Recall.PRIVATE)
        for appointment, request in wanted
    ]
    await aftermath.open_recalls(tx, owed)
