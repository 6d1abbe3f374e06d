"""Moves: postponements, reassignments and re-fixes, pending until geo has swapped the stop or never will."""

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


async def get(tx: Tx, move_id: str) -> Move | None:
    """One move, decided or not."""
    row = (await tx.run(_GET, {"tenant": tx.tenant, "move": move_id})).one_or_none()
    return None if row is None else rows.move(row)


async def apply(tx: Tx, move_id: str) -> str | None:
    """PENDING -> APPLIED; the key of its claim, or None when it is decided already."""
    key: str | None = (await tx.run(_APPLY, {"tenant": tx.tenant, "move": move_id})).scalar_one_or_none()
    return key


async def drop(tx: Tx, move_id: str, refusal: Refusal) -> str | None:
    """PENDING -> DROPPED, and the appointment is free again; the key of its claim, or None as above."""
    await tx.run(_LOCK_APPOINTMENT, {"tenant": tx.tenant, "move": move_id})
    params = {"tenant": tx.tenant, "move": move_id, "failure": Jsonb(asdict(refusal))}
    key: str | None = (await tx.run(_DROP, params)).scalar_one_or_none()
    return key
