"""List states, characteristics and outcome states: made, replaced and read (R-028, R-044, R-075, R-076)."""

from collections.abc import Sequence

from booking.domain.outcomes import (
    Characteristic,
    ListState,
    OutcomeState,
    require_characteristic,
    require_state,
)
from booking.storage import outcomes
from booking.usecases.desk import Desk
from booking.usecases.reach import reach
from booking.usecases.refix.policy import only_writer
from kit.rpc.context import caller


async def upsert_list_state(desk: Desk, state: ListState) -> ListState:
    """Makes or replaces a list state."""
    reach().require_whole()
    async with desk.db.uow(caller().tenant) as tx:
        await outcomes.put_list_state(tx, state)
    return state


async def list_list_states(desk: Desk) -> Sequence[ListState]:
    """All, by code."""
    async with desk.db.uow(caller().tenant) as tx:
        return list((await outcomes.list_states(tx)).values())


async def upsert_characteristic(desk: Desk, characteristic: Characteristic) -> Characteristic:
    """Makes or replaces a characteristic. Raises InvalidInput naming `choices`."""
    reach().require_whole()
    require_characteristic(characteristic)
    async with desk.db.uow(caller().tenant) as tx:
        await outcomes.put_characteristic(tx, characteristic)
    return characteristic


async def list_characteristics(desk: Desk) -> Sequence[Characteristic]:
    """All, by id."""
    async with desk.db.uow(caller().tenant) as tx:
        return list((await outcomes.characteristics(tx)).values())


async def upsert_outcome_state(desk: Desk, state: OutcomeState) -> OutcomeState:
    """Makes or replaces an outcome state.

    Raises InvalidInput or NotFound naming the field by which it contradicts itself, POLICY_CONTRADICTION for
    what contradicts the procedures (R-032).
    """
    reach().require_whole()
    async with desk.db.uow(caller().tenant) as tx, only_writer(tx):
        known = await outcomes.characteristics(tx)
        require_state(state, known, await outcomes.list_states(tx))
        await outcomes.put_state(tx, state)
    return state


async def get_outcome_state(desk: Desk, state_id: str) -> OutcomeState:
    """One outcome state. Raises NotFound naming `state_id`."""
    async with desk.db.uow(caller().tenant) as tx:
        return await outcomes.state(tx, state_id)


async def list_outcome_states(desk: Desk) -> Sequence[OutcomeState]:
    """All, by id."""
    async with desk.db.uow(caller().tenant) as tx:
        return list((await outcomes.states(tx)).values())
