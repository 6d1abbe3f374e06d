"""Owners and moves: who took time, and the tombstones that refuse what comes late."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ARRAY, Row, Text, any_, bindparam, select, text

from geo.domain.owner import Ending, Move, Owner, OwnerKind
from geo.storage.documents import plan_of
from geo.storage.tables import moves, owners
from kit.db.uow import Tx

_FIND: Final = select(owners).where(
    owners.c.tenant_id == bindparam("tenant"), owners.c.owner_id == any_(bindparam("ids", type_=ARRAY(Text)))
)
_FIND_MOVE: Final = select(moves).where(
    moves.c.tenant_id == bindparam("tenant"), moves.c.move_id == bindparam("move")
)
_BURY: Final = text(
    "INSERT INTO geo.owners (tenant_id, owner_id, kind, state, outcome)"
    " VALUES (:tenant, :owner, :kind, 'SETTLED', 'NEVER') ON CONFLICT DO NOTHING RETURNING 1"
)
_ABANDON: Final = text(
    "INSERT INTO geo.moves (tenant_id, move_id, outcome)"
    " VALUES (:tenant, :move, 'ABANDONED') ON CONFLICT DO NOTHING RETURNING 1"
)
_PAGE: Final = (
    select(owners)
    .where(owners.c.kind == "APPOINTMENT", owners.c.state == "ACTIVE", owners.c.owner_id > bindparam("after"))
    .order_by(owners.c.owner_id)
    .limit(bindparam("rows"))
)


async def find(tx: Tx, *owner_ids: str) -> dict[str, Owner]:
    """The owners of these ids that were ever heard of."""
    rows = await tx.run(_FIND, {"tenant": tx.tenant, "ids": list(owner_ids)})
    return {row.owner_id: _owner(row) for row in rows}


async def bury(tx: Tx, owner_id: str, kind: OwnerKind) -> bool:
    """Leaves a tombstone for an id that has taken nothing; False when there is a row of it by now.

    Waits for a transaction that is just taking time under the same id.
    """
    params = {"tenant": tx.tenant, "owner": owner_id, "kind": kind}
    return (await tx.run(_BURY, params)).one_or_none() is not None


async def reservations(tx: Tx, after: str, rows: int) -> Sequence[Owner]:
    """At most `rows` appointments with a stop whose id is greater than `after`, by id."""
    return [_owner(row) for row in await tx.run(_PAGE, {"after": after, "rows": rows})]


async def find_move(tx: Tx, move_id: str) -> Move | None:
    """The move of this id, if it was made or abandoned."""
    row = (await tx.run(_FIND_MOVE, {"tenant": tx.tenant, "move": move_id})).one_or_none()
    if row is None:
        return None
    return Move(row.move_id, row.outcome == "APPLIED", row.appointment_id, row.request, row.answer)


async def abandon(tx: Tx, move_id: str) -> bool:
    """Refuses a move for ever; False when it was made or abandoned by now. Waits for one under way."""
    return (await tx.run(_ABANDON, {"tenant": tx.tenant, "move": move_id})).one_or_none() is not None


def _owner(row: Row[Any]) -> Owner:
    return Owner(
        owner_id=row.owner_id,
        kind=OwnerKind(row.kind),
        agent_id=row.agent_id,
        ending=None if row.state == "ACTIVE" else Ending(row.outcome),
        plan=None if row.plan is None else plan_of(row.plan),
        request=row.request,
        answer=row.answer,
    )
