"""Recalls that a procedure makes on agents' dates (R-069), many in one transaction: they need no geo."""

from collections import Counter
from collections.abc import Mapping, Sequence

from booking.domain.outcomes import Recall
from booking.storage import outcomes, refix_requests
from booking.storage.refix_requests import RefixRequest
from booking.usecases import aftermath
from booking.usecases.aftermath import Owed
from booking.usecases.refix.procedure import Run, one_by_one_after_a_defect, overtaken, tell
from booking.usecases.refix.taking import Asked, take
from kit.db.uow import Tx
from kit.failpoints import failpoint


async def make_recalls(run: Run, requests: Sequence[RefixRequest]) -> Mapping[str, int]:
    """How many requests had which outcome. One with a defect does not keep the others waiting.

    Raises Unavailable when the database does not answer.
    """

    async def together(some: Sequence[RefixRequest]) -> Mapping[str, int]:
        return await _together(run, some)

    return await one_by_one_after_a_defect(together, requests)


async def _together(run: Run, requests: Sequence[RefixRequest]) -> Mapping[str, int]:
    async with run.desk.db.uow(run.tenant) as tx:
        taken = await take(tx, requests)
        await _recall(tx, taken.work)
        await refix_requests.end_all(tx, [each.refix_id for _, each in taken.work], "DONE")
        await failpoint("booking.procedure.before_commit")
    await failpoint("booking.procedure.after_commit")
    told = await tell(run, overtaken(taken))
    return Counter(told) + Counter(recalled=len(taken.work), skipped=taken.gone, waits=taken.waits)


async def _recall(tx: Tx, wanted: Sequence[Asked]) -> None:
    """Due on the agent's date, whatever the outcome state says (R-074)."""
    states = await outcomes.states(tx) if wanted else {}
    owed = [
        Owed(appointment, request.refix_at, states[appointment.outcome_state_id].recall is Recall.PRIVATE)
        for appointment, request in wanted
    ]
    await aftermath.open_recalls(tx, owed)
