"""Freeing a hold: because its owner lets go, or because its time is up."""

from dataclasses import replace

from geo.domain import errors
from geo.domain.errors import StartAgain
from geo.domain.owner import Ending, Owner, OwnerKind
from geo.storage import owners, stops
from geo.usecases import visits
from geo.usecases.ledger import Desk, Draft, Ledger, write
from geo.usecases.removals import agent_of, freed, take_out


async def release_hold(ledger: Ledger, tenant: str, hold_id: str) -> None:
    """Frees it; one that is gone already is no error.

    Raises NotFound for an id never heard of, SETTLED for a hold that became an appointment.
    """

    async def decide(desk: Desk) -> Draft[None]:
        hold = (await owners.find(desk.tx, hold_id)).get(hold_id)
        if hold is None or hold.kind is not OwnerKind.HOLD:
            raise errors.not_found("hold", hold_id, "hold_id")
        if hold.ending is Ending.BOOKED:
            raise errors.settled("hold_id")
        return Draft(None) if hold.ending is not None else await _free(desk, hold)

    await write(ledger, tenant, "release_hold", agent_of(hold_id), decide)


async def expire_hold(ledger: Ledger, tenant: str, hold_id: str) -> bool:
    """Frees a hold whose time is up by the database's clock after the lock; tells whether this call did."""

    async def decide(desk: Desk) -> Draft[bool]:
        hold = (await owners.find(desk.tx, hold_id)).get(hold_id)
        if hold is None or hold.kind is not OwnerKind.HOLD or hold.ending is not None:
            return Draft(answer=False)
        taken = await stops.of_owner(desk.tx, hold_id)
        if taken is None:
            raise StartAgain
        expires_at = taken.linked.stop.expires_at
        if expires_at is None or expires_at > desk.now:
            return Draft(answer=False)
        freed = await _free(desk, hold)
        return Draft(True, freed.changes)  # noqa: FBT003 - the answer

    return await write(ledger, tenant, "expire_hold", agent_of(hold_id), decide)


async def _free(desk: Desk, hold: Owner) -> Draft[None]:
    agent_id, found = await take_out(desk, hold)
    changes = freed(desk, hold, (agent_id, found), Ending.RELEASED)
    expired = visits.changes(desk, {agent_id: found}).ended
    if hold.owner_id in expired:
        return Draft(None, replace(changes, ended=expired))
    tell = (*changes.tell, visits.hold_ended(hold.owner_id, agent_id, Ending.RELEASED))
    return Draft(None, replace(changes, tell=tell))
