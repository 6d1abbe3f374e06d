"""Requests of a procedure that are worked many at once, those of one agent beside each other."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from booking.domain.appointment import Appointment
from booking.domain.grounds import Grounds
from booking.domain.itinerary import Reservation
from booking.domain.refix_modes import Policy
from booking.storage import appointments, campaigns, policies
from booking.storage.refix_requests import RefixRequest
from booking.usecases import record
from booking.usecases.refix.procedure import Run, one_by_one_after_a_defect, why
from kit import telemetry
from kit.bounded import at_most
from kit.db.uow import Tx
from kit.errors import GiroError, Reason
from kit.failpoints import failpoint

_log = telemetry.logger(__name__)

T = TypeVar("T")

Answer = Reservation | GiroError
"""What geo says of one stop of many: what it has now, or why not."""

Work = Callable[[Sequence[RefixRequest]], Awaitable[Mapping[str, int]]]
"""Works a chunk; how many of its requests had which outcome."""

_CHUNKS: Final = 2
"""Chunks in work at the same time."""
_STOPS_OF_A_CALL: Final = 50
"""Stops that geo is asked for while it has an agent's agenda locked."""

Visited = tuple[str, str]
"""An agent and a contact."""


async def in_chunks(run: Run, requests: Sequence[RefixRequest], work: Work) -> Mapping[str, int]:
    """How many requests had which outcome. One with a defect does not keep the others waiting.

    Raises Unavailable when the database does not answer.
    """

    async def one(some: Sequence[RefixRequest]) -> Mapping[str, int]:
        return await one_by_one_after_a_defect(work, some)

    ordered = await _by_agent(run, requests)
    found: Counter[str] = Counter()
    for outcomes in await at_most(_CHUNKS, one, cut(ordered, run.desk.moves_at_once)):
        found.update(outcomes)
    return found


async def _by_agent(run: Run, requests: Sequence[RefixRequest]) -> list[RefixRequest]:
    """Those of one agent beside each other, so that a chunk is about few agendas."""
    async with run.desk.db.uow(run.tenant) as tx:
        agents = await appointments.agents(tx, [request.appointment_id for request in requests])
    return sorted(requests, key=lambda each: (agents.get(each.appointment_id, ""), each.refix_id))


@dataclass(frozen=True, slots=True)
class Basis:
    """What the writes of a chunk are decided upon, by campaign."""

    policies: Mapping[str, Policy]
    grounds: Mapping[str, Mapping[Visited, Grounds]]

    def grounds_of(self, appointment: Appointment) -> Grounds:
        """Those that its present agent and contact are judged by."""
        return self.grounds[appointment.campaign_id][appointment.agent_id, appointment.contact_id]


async def basis_of(run: Run, tx: Tx, found: Sequence[Appointment]) -> Basis:
    """What the writes of these appointments are decided upon."""
    visited: dict[str, set[Visited]] = defaultdict(set)
    for each in found:
        visited[each.campaign_id].add((each.agent_id, each.contact_id))
    read, sandbox = campaigns.grounds_to_book_all, run.desk.db.sandbox
    grounds = {name: await read(tx, name, who, sandbox=sandbox) for name, who in sorted(visited.items())}
    return Basis({name: await policies.load(tx, name) for name in grounds}, grounds)


async def note_why(run: Run, tx: Tx, basis: Basis, changes: Sequence[tuple[Appointment, str]]) -> None:
    """Notes what changes, by their ids, of appointments are decided upon: one note for all decided alike."""
    alike: dict[tuple[str, str], list[str]] = defaultdict(list)
    for appointment, change_id in changes:
        alike[appointment.campaign_id, appointment.outcome_state_id].append(change_id)
    for (campaign_id, state_id), change_ids in alike.items():
        grounds = next(iter(basis.grounds[campaign_id].values()))
        await record.note_all(tx, change_ids, why(run, basis.policies[campaign_id], state_id, grounds))


async def answered(
    items: Sequence[T],
    agent_of: Callable[[T], str],
    ask: Callable[[Sequence[T]], Awaitable[Sequence[Answer]]],
) -> list[tuple[T, Answer]]:
    """What geo says of each of those of which that is known, when it is asked agent by agent.

    The reconciler settles what is not known, and what it was first with.
    """

    async def call(agent_id: str, some: Sequence[T]) -> list[tuple[T, Answer]]:
        try:
            outcomes = await ask(some)
        except GiroError as unknown:
            _log.warning("refix_waits", agent=agent_id, count=len(some), error=str(unknown))
            return []
        await failpoint("booking.procedure.after_agent")
        return [pair for pair in zip(some, outcomes, strict=True) if not _is_settled(pair[1])]

    by_agent: dict[str, list[T]] = defaultdict(list)
    for item in items:
        by_agent[agent_of(item)].append(item)
    calls = [call(name, some) for name, mine in by_agent.items() for some in cut(mine, _STOPS_OF_A_CALL)]
    return [pair for pairs in await asyncio.gather(*calls) for pair in pairs]


def cut(items: Sequence[T], size: int) -> list[Sequence[T]]:
    """Pieces of at most this size, in order."""
    return [items[begin : begin + size] for begin in range(0, len(items), size)]


def _is_settled(outcome: Answer) -> bool:
    """Whether the reconciler was first, which is no refusal of the date."""
    return isinstance(outcome, GiroError) and outcome.reason is Reason.SETTLED
