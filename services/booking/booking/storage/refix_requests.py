"""What agents asked for with an outcome: one row an appointment's version, worked exactly once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text

from booking.domain.appointment import Appointment
from kit.db.uow import Tx
from kit.values.ids import new_id


@dataclass(frozen=True, slots=True)
class RefixRequest:
    """The agent's date for one version of an appointment; `attempt` counts the tries before this one."""

    refix_id: str
    appointment_id: str
    version: int
    refix_at: datetime
    attempt: int


_ADD = text(
    """
    INSERT INTO booking.refix_requests
        (tenant_id, refix_id, appointment_id, version, outcome_state_id, refix_at)
    VALUES (:tenant, :id, :appointment, :version, :state, :refix_at)
    """
)

_COLUMNS = "refix_id, appointment_id, version, refix_at, attempt"

_WAITING = text(
    f"""
    SELECT {_COLUMNS} FROM booking.refix_requests
    WHERE tenant_id = :tenant AND state = 'WAITING' AND outcome_state_id = ANY (CAST(:states AS text[]))
      AND (retry_at IS NULL OR retry_at <= :now) AND refix_id > :after
    ORDER BY refix_id LIMIT :rows
    """  # noqa: S608 - constants
)

_TAKE = text(
    f"""
    SELECT {_COLUMNS} FROM booking.refix_requests
    WHERE tenant_id = :tenant AND refix_id = :id AND state = 'WAITING' AND attempt = :attempt
    FOR UPDATE SKIP LOCKED
    """  # noqa: S608 - constants
)

_TAKE_ALL = text(
    """
    SELECT r.refix_id, r.appointment_id, r.version, r.refix_at, r.attempt FROM booking.refix_requests r
    JOIN unnest(CAST(:ids AS text[]), CAST(:attempts AS integer[])) AS asked (refix_id, attempt)
        ON asked.refix_id = r.refix_id AND asked.attempt = r.attempt
    WHERE r.tenant_id = :tenant AND r.state = 'WAITING' ORDER BY r.refix_id FOR UPDATE OF r SKIP LOCKED
    """
)

_START_ALL = text(
    """
    UPDATE booking.refix_requests r SET state = 'RUNNING', change_id = begun.change_id, attempt = attempt + 1
    FROM unnest(CAST(:ids AS text[]), CAST(:changes AS text[])) AS begun (refix_id, change_id)
    WHERE r.tenant_id = :tenant AND r.refix_id = begun.refix_id AND r.state = 'WAITING'
    """
)

_END = text("UPDATE booking.refix_requests SET state = :state WHERE tenant_id = :tenant AND refix_id = :id")

_END_ALL = text(
    """
    UPDATE booking.refix_requests SET state = :state
    WHERE tenant_id = :tenant AND refix_id = ANY (CAST(:ids AS text[]))
    """
)

_END_OF_CHANGES = text(
    """
    UPDATE booking.refix_requests SET state = :state
    WHERE tenant_id = :tenant AND change_id = ANY (CAST(:changes AS text[])) AND state = 'RUNNING'
    """
)

_FOLLOW = text(
    """
    UPDATE booking.refix_requests SET version = :after
    WHERE tenant_id = :tenant AND appointment_id = :appointment AND version = :before AND state = 'WAITING'
    """
)

_DROP = text(
    """
    UPDATE booking.refix_requests SET state = 'OBSOLETE'
    WHERE tenant_id = :tenant AND appointment_id = ANY (CAST(:appointments AS text[])) AND state = 'WAITING'
    """
)

_AGAIN = text(
    """
    UPDATE booking.refix_requests
    SET state = 'WAITING', retry_at = CAST(:now AS timestamptz) + CAST(:pause AS interval)
    WHERE tenant_id = :tenant AND change_id = ANY (CAST(:changes AS text[])) AND state = 'RUNNING'
    """
)

_PAUSE = timedelta(seconds=30)
"""Before a request is tried again that geo gave no answer to."""


async def add(tx: Tx, appointment: Appointment) -> None:
    """What this version of an appointment, with its agent's date, asks for."""
    params = {
        "tenant": tx.tenant,
        "id": new_id("rfx"),
        "appointment": appointment.appointment_id,
        "version": appointment.version,
        "state": appointment.outcome_state_id,
        "refix_at": appointment.refix_at,
    }
    await tx.run(_ADD, params)


async def waiting(tx: Tx, state_ids: Sequence[str], after: str, count: int) -> Sequence[RefixRequest]:
    """Requests of these outcome states that are to be worked now, by id after one."""
    params = {
        "tenant": tx.tenant,
        "states": list(state_ids),
        "now": await tx.now(),
        "after": after,
        "rows": count,
    }
    return [_request(row) for row in await tx.run(_WAITING, params)]


async def take(tx: Tx, request: RefixRequest) -> RefixRequest | None:
    """Locks a waiting request and reads it anew; None when somebody else has it or had it.

    It has its own version only from now on: until it was locked, a change that keeps the agent's date may
    have taken it along.
    """
    params = {"tenant": tx.tenant, "id": request.refix_id, "attempt": request.attempt}
    row = (await tx.run(_TAKE, params)).one_or_none()
    return None if row is None else _request(row)


async def take_all(tx: Tx, requests: Sequence[RefixRequest]) -> Sequence[RefixRequest]:
    """The same for many: those that it got."""
    params = {
        "tenant": tx.tenant,
        "ids": [request.refix_id for request in requests],
        "attempts": [request.attempt for request in requests],
    }
    return [_request(row) for row in await tx.run(_TAKE_ALL, params)]


async def start_all(tx: Tx, changes: Mapping[str, str]) -> None:
    """Locked requests are worked by the moves or the new cards of these ids, by request."""
    params = {"tenant": tx.tenant, "ids": list(changes), "changes": list(changes.values())}
    await tx.run(_START_ALL, params)


async def end(tx: Tx, refix_id: str, state: str) -> None:
    """DONE, EXCEPTION or OBSOLETE."""
    await tx.run(_END, {"tenant": tx.tenant, "id": refix_id, "state": state})


async def end_all(tx: Tx, refix_ids: Sequence[str], state: str) -> None:
    """The same for many."""
    if refix_ids:
        await tx.run(_END_ALL, {"tenant": tx.tenant, "ids": list(refix_ids), "state": state})


async def follow(tx: Tx, appointment_id: str, before: int, after: int) -> None:
    """A change of the locked appointment kept the agent's date: what waits is of the new version."""
    params = {"tenant": tx.tenant, "appointment": appointment_id, "before": before, "after": after}
    await tx.run(_FOLLOW, params)


async def drop(tx: Tx, appointment_ids: Sequence[str]) -> None:
    """Somebody decided anew about these locked appointments: what waits is OBSOLETE."""
    await tx.run(_DROP, {"tenant": tx.tenant, "appointments": list(appointment_ids)})


async def end_of_changes(tx: Tx, change_ids: Sequence[str]) -> None:
    """The moves or new cards came to be: the requests that they were made for, if any, are DONE."""
    await tx.run(_END_OF_CHANGES, {"tenant": tx.tenant, "changes": list(change_ids), "state": "DONE"})


async def again(tx: Tx, change_ids: Sequence[str]) -> None:
    """The moves or new cards were given up: the requests that they were made for, if any, are to be tried
    again."""
    params = {"tenant": tx.tenant, "changes": list(change_ids), "now": await tx.now(), "pause": _PAUSE}
    await tx.run(_AGAIN, params)


def _request(row: Any) -> RefixRequest:
    return RefixRequest(row.refix_id, row.appointment_id, row.version, row.refix_at, row.attempt)
