"""Owners and moves: who took time, and the tombstones that refuse what comes late."""

from collections.abc import Sequence
from typing import Any, Final

from geo.domain.owner import Ending, Move, Owner, OwnerKind
from geo.domain.plan import Plan
from geo.storage.documents import plan_of
from geo.storage.sql import fetch, fetch_one
from kit.db.uow import Tx

_COLUMNS: Final = "owner_id, kind, state, outcome, agent_id, request, plan, answer"

_FIND: Final = (
    f"SELECT {_COLUMNS} FROM geo.owners"  # noqa: S608 - put together from constants
    " WHERE tenant_id = %(tenant)s AND owner_id IN (%(owner)s, %(other)s)"
)
_FIND_ALL: Final = (
    f"SELECT {_COLUMNS} FROM geo.owners"  # noqa: S608 - put together from constants
    " WHERE tenant_id = %(tenant)s AND owner_id = ANY(%(owners)s)"
)
_OF_MOVE: Final = "SELECT move_id, appointment_id, outcome, request, answer FROM geo.moves"
_FIND_MOVE: Final = f"{_OF_MOVE} WHERE tenant_id = %(tenant)s AND move_id = %(move)s"
_FIND_MOVES: Final = f"{_OF_MOVE} WHERE tenant_id = %(tenant)s AND move_id = ANY(%(moves)s)"
_PLANS: Final = (
    "SELECT owner_id, plan FROM geo.owners"
    " WHERE tenant_id = %(tenant)s AND owner_id = ANY(%(owners)s) AND plan IS NOT NULL"
)
_BURY: Final = (
    "INSERT INTO geo.owners (tenant_id, owner_id, kind, state, outcome)"
    " VALUES (%(tenant)s, %(owner)s, %(kind)s, 'SETTLED', 'NEVER') ON CONFLICT DO NOTHING RETURNING 1 AS made"
)
_ABANDON: Final = (
    "INSERT INTO geo.moves (tenant_id, move_id, outcome)"
    " VALUES (%(tenant)s, %(move)s, 'ABANDONED') ON CONFLICT DO NOTHING RETURNING 1 AS made"
)


async def find(tx: Tx, owner_id: str, other_id: str = "") -> dict[str, Owner]:
    """The owners of one or two ids, those that were ever heard of."""
    rows = await fetch(tx, _FIND, {"tenant": tx.tenant, "owner": owner_id, "other": other_id})
    return {row.owner_id: _owner(row) for row in rows}


async def find_all(tx: Tx, owner_ids: Sequence[str]) -> dict[str, Owner]:
    """The same of any number of ids."""
    rows = await fetch(tx, _FIND_ALL, {"tenant": tx.tenant, "owners": list(owner_ids)})
    return {row.owner_id: _owner(row) for row in rows}


async def bury(tx: Tx, owner_id: str, kind: OwnerKind) -> bool:
    """Leaves a tombstone for an id that has taken nothing; False when there is a row of it by now.

    Waits for a transaction that is just taking time under the same id.
    """
    params = {"tenant": tx.tenant, "owner": owner_id, "kind": kind.value}
    return await fetch_one(tx, _BURY, params) is not None


async def find_move(tx: Tx, move_id: str) -> Move | None:
    """The move of this id, if it was made or abandoned."""
    row = await fetch_one(tx, _FIND_MOVE, {"tenant": tx.tenant, "move": move_id})
    return None if row is None else _move(row)


async def find_moves(tx: Tx, move_ids: Sequence[str]) -> dict[str, Move]:
    """By id those of these moves that were made or abandoned."""
    rows = await fetch(tx, _FIND_MOVES, {"tenant": tx.tenant, "moves": list(move_ids)})
    return {row.move_id: _move(row) for row in rows}


async def abandon(tx: Tx, move_id: str) -> bool:
    """Refuses a move for ever; False when it was made or abandoned by now. Waits for one under way."""
    return await fetch_one(tx, _ABANDON, {"tenant": tx.tenant, "move": move_id}) is not None


def _move(row: Any) -> Move:
    return Move(row.move_id, row.outcome == "APPLIED", row.appointment_id, row.request, row.answer)


def _owner(row: Any) -> Owner:
    return Owner(
        owner_id=row.owner_id,
        kind=OwnerKind(row.kind),
        agent_id=row.agent_id,
        ending=None if row.state == "ACTIVE" else Ending(row.outcome),
        plan=None if row.plan is None else plan_of(row.plan),
        request=row.request,
        answer=row.answer,
    )


async def plans(tx: Tx, owner_ids: Sequence[str]) -> dict[str, Plan]:
    """What these owners have taken, by id; those that have taken nothing are left out."""
    rows = await fetch(tx, _PLANS, {"tenant": tx.tenant, "owners": list(owner_ids)})
    return {row.owner_id: plan_of(row.plan) for row in rows}
