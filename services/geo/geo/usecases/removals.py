"""Taking an owner's stop out of the chain, as releasing, expiring and settling have in common.

A removal never fails: the drive that is left is the direct one or the way as it was driven.
"""

from collections.abc import Collection
from dataclasses import replace

from geo.domain.chain import Splice, splice
from geo.domain.errors import StartAgain
from geo.domain.owner import Ending, Owner
from geo.storage import owners, stops
from geo.storage.rewrite import Changes
from geo.usecases import visits
from geo.usecases.ledger import Desk, Find
from geo.usecases.visits import Span
from kit.db.uow import Tx


def agent_of(owner_id: str) -> Find:
    """Finds the agent on whose agenda an owner has time; nobody when it has none."""

    async def find(tx: Tx) -> Collection[str]:
        owner = (await owners.find(tx, owner_id)).get(owner_id)
        if owner is None or owner.ending is not None or owner.agent_id is None:
            return ()
        return (owner.agent_id,)

    return find


async def take_out(desk: Desk, owner: Owner) -> tuple[str, Splice]:
    """The agent, and the splice without the owner's stop."""
    agent_id = owner.agent_id or ""
    desk.agent(agent_id)
    taken = await stops.of_owner(desk.tx, owner.owner_id)
    if taken is None or taken.agent_id != agent_id:
        raise StartAgain
    stop = taken.linked.stop
    span = Span(stop.starts_at, stop.ends_at)
    segment = await desk.segment(agent_id, span.lo, span.hi)
    return agent_id, splice(segment, desk.book(agent_id), remove={stop.stop_id})


def freed(desk: Desk, owner: Owner, splices: tuple[str, Splice], how: Ending) -> Changes:
    """The change that leaves the owner's tombstone."""
    agent_id, found = splices
    changes = visits.changes(desk, {agent_id: found})
    return replace(changes, ended={**changes.ended, owner.owner_id: how})
