"""Repairs: pending until geo has made all of their moves or never will."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from psycopg.types.json import Jsonb
from pydantic import TypeAdapter
from sqlalchemy import text

from booking.domain.appointment import Card, Move, MoveKind
from booking.domain.refusal import Refusal
from booking.domain.repair import GivenUp, Repair, Step
from kit.db.uow import Tx
from kit.db.worker import WorkerTx
from kit.values.window import Window

_CANCEL = "CANCEL"

_BEGIN = text(
    """
    WITH repair AS (
        INSERT INTO booking.repairs (tenant_id, repair_id, note, claim_key)
        VALUES (:tenant, :repair, :note, :claim_key) RETURNING tenant_id, repair_id
    ), steps AS (
        INSERT INTO booking.repair_changes
            (tenant_id, repair_id, position, move_id, appointment_id, kind, agent_id, starts_at, ends_at)
        SELECT repair.tenant_id, repair.repair_id, r.*
        FROM repair, jsonb_to_recordset(CAST(:steps AS jsonb)) AS r(position integer, move_id text,
            appointment_id text, kind text, agent_id text, starts_at timestamptz, ends_at timestamptz)
        RETURNING tenant_id, appointment_id, move_id
    )
    UPDATE booking.appointments a SET move_id = steps.move_id
    FROM steps WHERE a.tenant_id = steps.tenant_id AND a.appointment_id = steps.appointment_id
    """
)

_GET = text(
    """
    SELECT r.repair_id, r.note, c.move_id, c.appointment_id, c.kind, c.agent_id, c.starts_at, c.ends_at
    FROM booking.repairs r JOIN booking.repair_changes c USING (tenant_id, repair_id)
    WHERE r.tenant_id = :tenant AND r.repair_id = :repair ORDER BY c.position
    """
)

_APPLY = text(
    """
    UPDATE booking.repairs SET state = 'APPLIED'
    WHERE tenant_id = :tenant AND repair_id = :repair AND state = 'PENDING' RETURNING claim_key
    """
)

_LOCK_APPOINTMENTS = text(
    """
    SELECT FROM booking.appointments
    WHERE tenant_id = :tenant AND appointment_id IN
          (SELECT appointment_id FROM booking.repair_changes
           WHERE tenant_id = :tenant AND repair_id = :repair)
    ORDER BY appointment_id FOR NO KEY UPDATE
    """
)

_DROP = text(
    """
    WITH repair AS (
        UPDATE booking.repairs SET state = 'DROPPED', failure = :failure
        WHERE tenant_id = :tenant AND repair_id = :repair AND state = 'PENDING'
        RETURNING tenant_id, repair_id, claim_key
    ), freed AS (
        UPDATE booking.appointments a SET move_id = NULL
        FROM repair JOIN booking.repair_changes c USING (tenant_id, repair_id)
        WHERE a.tenant_id = c.tenant_id AND a.appointment_id = c.appointment_id AND a.move_id = c.move_id
    )
    SELECT claim_key FROM repair
    """
)

_DUE = text(
    """
    SELECT tenant_id, repair_id FROM booking.repairs
    WHERE state = 'PENDING' AND began_at < clock_timestamp() - CAST(:age AS interval)
    ORDER BY began_at LIMIT :rows
    """
)

_CARDS: TypeAdapter[list[Card] | Refusal] = TypeAdapter(list[Card] | Refusal)


async def begin(tx: Tx, repair: Repair, claim_key: str) -> None:
    """Stores a repair as pending; its appointments' rows are locked by the caller."""
    params: dict[str, Any] = {
        "tenant": tx.tenant,
        "repair": repair.repair_id,
        "note": repair.note,
        "claim_key": claim_key,
        "steps": Jsonb([_document(position, step) for position, step in enumerate(repair.steps)]),
    }
    await tx.run(_BEGIN, params)


async def get(tx: Tx, repair_id: str) -> Repair | None:
    """One repair, decided or not."""
    found = list(await tx.run(_GET, {"tenant": tx.tenant, "repair": repair_id}))
    return Repair(repair_id, found[0].note, tuple(map(_step, found))) if found else None


async def apply(tx: Tx, repair_id: str) -> str | None:
    """PENDING -> APPLIED; the key of its claim, or None when it is decided already."""
    params = {"tenant": tx.tenant, "repair": repair_id}
    key: str | None = (await tx.run(_APPLY, params)).scalar_one_or_none()
    return key


async def drop(tx: Tx, repair_id: str, refusal: Refusal) -> str | None:
    """PENDING -> DROPPED, and its appointments are free again; the key of its claim, or None as above."""
    await tx.run(_LOCK_APPOINTMENTS, {"tenant": tx.tenant, "repair": repair_id})
    params = {"tenant": tx.tenant, "repair": repair_id, "failure": Jsonb(asdict(refusal))}
    key: str | None = (await tx.run(_DROP, params)).scalar_one_or_none()
    return key


async def due(tx: WorkerTx, age: timedelta, count: int) -> Sequence[tuple[str, str]]:
    """Tenant and id of pending repairs older than `age` by the database's clock, the oldest first."""
    found = await tx.run(_DUE, {"age": age, "rows": count})
    return [(row.tenant_id, row.repair_id) for row in found]


def answer(cards: list[Card]) -> bytes:
    """The cards, for `cards_of`."""
    return _CARDS.dump_json(cards)


def refusal(refused: Refusal) -> bytes:
    """The refusal, for `cards_of`, which will raise it."""
    return _CARDS.dump_json(refused)


def cards_of(answered: bytes) -> list[Card]:
    """The cards of the first answer. Raises the refusal that was the answer."""
    found = _CARDS.validate_json(answered)
    if isinstance(found, Refusal):
        raise found.error()
    return found


def _document(position: int, step: Step) -> dict[str, Any]:
    document = {"position": position, "move_id": step.move_id, "appointment_id": step.appointment_id}
    if isinstance(step, GivenUp):
        return {**document, "kind": _CANCEL}
    start, end = step.window.start.isoformat(), step.window.end.isoformat()
    return {
        **document,
        "kind": step.kind.value,
        "agent_id": step.agent_id,
        "starts_at": start,
        "ends_at": end,
    }


def _step(row: Any) -> Step:
    if row.kind == _CANCEL:
        return GivenUp(row.move_id, row.appointment_id)
    window = Window(row.starts_at, row.ends_at)
    return Move(row.move_id, row.appointment_id, MoveKind(row.kind), row.agent_id, window)
