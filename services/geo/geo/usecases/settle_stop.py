"""Freeing an appointment's stop for ever: a late reserve or move of the same id is refused."""

from dataclasses import replace
from functools import partial

from geo import events
from geo.domain import errors
from geo.domain.errors import StartAgain
from geo.domain.owner import Ending, Owner, OwnerKind
from geo.storage import owners
from geo.usecases.ledger import Desk, Draft, Ledger, write
from geo.usecases.removals import agent_of, freed, take_out


async def settle_stop(ledger: Ledger, tenant: str, appointment_id: str) -> bool:
    """Whether there was a stop to free. Leaves a tombstone either way; the same id again, the same answer."""

    async def decide(desk: Desk) -> Draft[bool]:
        owner = (await owners.find(desk.tx, appointment_id)).get(appointment_id)
        if owner is None:
            return await _bury(desk, appointment_id)
        if owner.kind is not OwnerKind.APPOINTMENT:
            raise errors.not_found("appointment", appointment_id, "appointment_id")
        if owner.ending is not None:
            return Draft(owner.ending is Ending.RELEASED)
        return await _free(desk, owner)

    return await write(ledger, tenant, "settle_stop", agent_of(appointment_id), decide)


async def _bury(desk: Desk, appointment_id: str) -> Draft[bool]:
    """Waits for a reserve that is under way; when that wins, the stop has to be freed under its lock."""
    if not await owners.bury(desk.tx, appointment_id, OwnerKind.APPOINTMENT):
        raise StartAgain
    return Draft(answer=False)


async def _free(desk: Desk, owner: Owner) -> Draft[bool]:
    agent_id, found = await take_out(desk, owner)
    changes = freed(desk, owner, (agent_id, found), Ending.RELEASED)
    tell = partial(events.stop_released, appointment_id=owner.owner_id, agent_id=agent_id)
    return Draft(True, replace(changes, tell=(*changes.tell, tell)))  # noqa: FBT003 - the answer
