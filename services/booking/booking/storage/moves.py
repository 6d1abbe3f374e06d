"""Moves: postponements, reassignments and re-fixes, pending until geo has swapped the stop or never will."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from psycopg.types.json import Jsonb
from sqlalchemy import text

from booking.domain.appointment import Move
from booking.domain.refusal import Refusal
from booking.storage import rows
from kit.db.uow import Tx

_BEGIN = text(
    """
    WITH move AS (
        INSERT INTO booking.moves
            (tenant_id, move_id, appointment_id, kind, agent_id, starts_at, ends_at, claim_key, refix)
        VALUES (:tenant, :move, :appointment, :kind, :agent, :starts_at, :ends_at, :claim_key, :refix)
        RETURNING tenant_id, move_id, appointment_id
    )
    UPDATE booking.appointments a SET move_id = move.move_id
    FROM move WHERE a.tenant_id = move.tenant_id AND a.appointment_id = move.appointment_id
    """
)

_BEGIN_ALL = text(
    """
    WITH made AS (
        INSERT INTO booking.moves
            (tenant_id, move_id, appointment_id, kind, agent_id, starts_at, ends_at, refix, claim_key)
        SELECT :tenant, r.*, ''
        FROM jsonb_to_recordset(CAST(:moves AS jsonb)) AS r(move_id text, appointment_id text, kind text,
            agent_id text, starts_at timestamptz, ends_at timestamptz, refix jsonb)
        RETURNING tenant_id, move_id, appointment_id
    )
    UPDATE booking.appointments a SET move_id = made.move_id
    FROM made WHERE a.tenant_id = made.tenant_id AND a.appointment_id = made.appointment_id
    """
)
"""Without a claim, which nobody would repeat."""

_GET = text(
    """
    SELECT move_id, appointment_id, kind, agent_id, starts_at, ends_at, state, claim_key, refix
    FROM booking.moves WHERE tenant_id = :tenant AND move_id = :move
    """
)

_APPLY = text(
    """
    UPDATE booking.moves SET state = 'APPLIED'
    WHERE tenant_id = :tenant AND move_id = :move AND state = 'PENDING' RETURNING claim_key
    """
)

_APPLY_ALL = text(
    """
    UPDATE booking.moves SET state = 'APPLIED'
    WHERE tenant_id = :tenant AND move_id = ANY (CAST(:moves AS text[])) AND state = 'PENDING'
    RETURNING move_id
    """
)

_LOCK_APPOINTMENT = text(
    """
    SELECT FROM booking.appointments
    WHERE tenant_id = :tenant AND appointment_id =
          (SELECT appointment_id FROM booking.moves WHERE tenant_id = :tenant AND move_id = :move)
    FOR NO KEY UPDATE
    """
)

_DROP = text(
    """
    WITH move AS (
        UPDATE booking.moves SET state = 'DROPPED', failure = :failure
        WHERE tenant_id = :tenant AND move_id = :move AND state = 'PENDING'
        RETURNING tenant_id, move_id, appointment_id, claim_key
    ), freed AS (
        UPDATE booking.appointments a SET move_id = NULL
        FROM move WHERE a.tenant_id = move.tenant_id AND a.appointment_id = move.appointment_id
          AND a.move_id = move.move_id
    )
    SELECT claim_key FROM move
    """
)


_DROP_ALL = text(
    """
    WITH move AS (
        UPDATE booking.moves m SET state = 'DROPPED', failure = r.failure
        FROM jsonb_to_recordset(CAST(:refused AS jsonb)) AS r(move_id text, failure jsonb)
        WHERE m.tenant_id = :tenant AND m.move_id = r.move_id AND m.state = 'PENDING'
        RETURNING m.tenant_id, m.move_id, m.appointment_id
    ), freed AS (
        UPDATE booking.appointments a SET move_id = NULL
        FROM move WHERE a.tenant_id = move.tenant_id AND a.appointment_id = move.appointment_id
          AND a.move_id = move.move_id
    )
    SELECT move_id FROM move
    """
)


async def begin(tx: Tx, move: Move, claim_key: str) -> None:
    """Stores a move as pending; its appointment's row is locked by the caller."""
    params: dict[str, Any] = {
        "tenant": tx.tenant,
        "move": move.move_id,
        "appointment": move.appointment_id,
        "kind": move.kind.value,
        "agent": move.agent_id,
        "starts_at": move.window.start,
        "ends_at": move.window.end,
        "claim_key": claim_key,
        "refix": None if move.refix is None else Jsonb(asdict(move.refix)),
    }
    await tx.run(_BEGIN, params)


async def begin_all(tx: Tx, begun: Sequence[Move]) -> None:
    """The same for many that nobody will ask for again."""
    await tx.run(_BEGIN_ALL, {"tenant": tx.tenant, "moves": Jsonb(list(map(_document, begun)))})


async def get(tx: Tx, move_id: str) -> Move | None:
    """One move, decided or not."""
    row = (await tx.run(_GET, {"tenant": tx.tenant, "move": move_id})).one_or_none()
    return None if row is None else rows.move(row)


async def apply(tx: Tx, move_id: str) -> str | None:
    """PENDING -> APPLIED; the key of its claim (empty: it has none), or None when it is decided already."""
    key: str | None = (await tx.run(_APPLY, {"tenant": tx.tenant, "move": move_id})).scalar_one_or_none()
    return key


async def apply_all(tx: Tx, move_ids: Sequence[str]) -> frozenset[str]:
    """The same for many; the ids of those that were not decided already."""
    found = await tx.run(_APPLY_ALL, {"tenant": tx.tenant, "moves": list(move_ids)})
    return frozenset(row.move_id for row in found)


async def drop_all(tx: Tx, refused: Mapping[str, Refusal]) -> frozenset[str]:
    """PENDING -> DROPPED for many, by id, whose appointments the caller has locked; as `apply_all`."""
    documents = [{"move_id": move, "failure": asdict(refusal)} for move, refusal in refused.items()]
    found = await tx.run(_DROP_ALL, {"tenant": tx.tenant, "refused": Jsonb(documents)})
    return frozenset(row.move_id for row in found)


async def drop(tx: Tx, move_id: str, refusal: Refusal) -> str | None:
    """PENDING -> DROPPED, and the appointment is free again; the key of its claim, or None as above."""
    await tx.run(_LOCK_APPOINTMENT, {"tenant": tx.tenant, "move": move_id})
    params = {"tenant": tx.tenant, "move": move_id, "failure": Jsonb(asdict(refusal))}
    key: str | None = (await tx.run(_DROP, params)).scalar_one_or_none()
    return key


def _document(move: Move) -> dict[str, Any]:
    return {
        "move_id": move.move_id,
        "appointment_id": move.appointment_id,
        "kind": move.kind.value,
        "agent_id": move.agent_id,
        "starts_at": move.window.start.isoformat(),
        "ends_at": move.window.end.isoformat(),
        "refix": None if move.refix is None else asdict(move.refix),
    }
