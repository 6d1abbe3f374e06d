"""Requests of a procedure that are worked many at once, those of one agent beside each other."""

from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, TypeVar

from booking.domain.appointment import Appointment
from booking.domain.grounds import Grounds
from booking.storage import appointments, campaigns
from booking.storage.refix_requests import RefixRequest
from booking.usecases.refix.procedure import Run, one_by_one_after_a_defect
from kit.bounded import at_most
from kit.db.uow import Tx
from kit.errors import GiroError, Reason

T = TypeVar("T")

Work = Callable[[Sequence[RefixRequest]], Awaitable[Mapping[str, int]]]
"""Works a chunk; how many of its requests had which outcome."""

_CHUNKS: Final = 2
"""Chunks in work at the same time."""
STOPS_OF_A_CALL: Final = 50
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


async def grounds_of(
    run: Run, tx: Tx, found: Sequence[Appointment]
) -> Mapping[str, Mapping[Visited, Grounds]]:
    """By campaign, then agent and contact."""
    visited: dict[str, set[Visited]] = defaultdict(set)
    for each in found:
        visited[each.campaign_id].add((each.agent_id, each.contact_id))
    read, sandbox = campaigns.grounds_to_book_all, run.desk.db.sandbox
    return {name: await read(tx, name, who, sandbox=sandbox) for name, who in sorted(visited.items())}


def cut(items: Sequence[T], size: int) -> list[Sequence[T]]:
    """Pieces of at most this size, in order."""
    return [items[begin : begin + size] for begin in range(0, len(items), size)]


def is_settled(outcome: object) -> bool:
    """Whether the reconciler was first, which is no refusal of the date."""
    return isinstance(outcome, GiroError) and outcome.reason is Reason.SETTLED
