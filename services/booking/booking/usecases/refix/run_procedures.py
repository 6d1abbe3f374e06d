"""Scheduled procedures: what agents asked for with their outcomes is done once a version of an appointment.

A procedure is due by its row. Its requests are claimed with SKIP LOCKED, so that several workers share them:
many at once: recalls end in the transaction that makes them, moves and new cards have geo in between, which
makes the stops of many at once. What a crash leaves is settled by the reconciler: done, or waiting again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import prometheus_client

from booking.domain.refix_modes import Procedure, Work
from booking.storage import policies, refix_requests
from booking.usecases.desk import Desk
from booking.usecases.refix.make_cards import make_cards
from booking.usecases.refix.make_moves import make_moves
from booking.usecases.refix.make_recalls import make_recalls
from booking.usecases.refix.procedure import Run

worked_total: Final = prometheus_client.Counter(
    "giro_booking_refix_requests_total", "Requests that scheduled procedures worked", ["kind", "outcome"]
)

_PROCEDURES = 100
_BATCH: Final = {Work.RECALL: 200, Work.MOVE: 1000, Work.NEW_CARD: 1000}
"""Requests looked at together; of moves and new cards more, so that many are of one agent."""


@dataclass(frozen=True, slots=True)
class Turns:
    """Where those are that have requests left to look at: the last one seen, by tenant and procedure."""

    last: dict[tuple[str, str], str] = field(default_factory=dict)


async def run_procedures(desk: Desk, turns: Turns | None = None) -> int:
    """One round over all tenants: a batch of each procedure that is due, so that nobody's backlog keeps the
    others waiting; how many requests were looked at."""
    turns = turns or Turns()
    async with desk.db.worker() as tx:
        found = await policies.due(tx, _PROCEDURES, sandbox=desk.db.sandbox)
    return sum([await _turn(desk, procedure, turns) for procedure in found])


async def run_procedure(desk: Desk, tenant: str, procedure_id: str) -> int:
    """One procedure alone, until nothing waits; how many requests were looked at."""
    turns, worked = Turns(), 0
    while True:
        worked += await _turn(desk, (tenant, procedure_id), turns)
        if not turns.last:
            return worked


async def _turn(desk: Desk, key: tuple[str, str], turns: Turns) -> int:
    """A batch of one procedure, which is due an interval later once it has seen all."""
    tenant, procedure_id = key
    last = turns.last.pop(key, "")
    async with desk.db.uow(tenant) as tx:
        procedure = (await policies.procedures(tx))[procedure_id]
        batch = _BATCH[procedure.kind] if procedure.active else 0
        found = await refix_requests.waiting(tx, procedure.outcome_state_ids, last, batch)
    if found:
        _count(procedure, await _WORK[procedure.kind](Run(desk, tenant, procedure), found))
    if found and len(found) == batch:
        turns.last[key] = found[-1].refix_id
        return batch
    async with desk.db.uow(tenant) as tx:
        await policies.ran(tx, procedure_id)
    return len(found)


def _count(procedure: Procedure, outcomes: Mapping[str, int]) -> None:
    for outcome, number in outcomes.items():
        worked_total.labels(kind=procedure.kind.value, outcome=outcome).inc(number)


_WORK: Final = {Work.RECALL: make_recalls, Work.MOVE: make_moves, Work.NEW_CARD: make_cards}
