"""Reminders: timer rows that move and end with their appointment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import text

from kit.db.uow import NOW, Tx
from reminders.domain import errors
from reminders.domain.reminder import Channel, Outcome, Reminder
from reminders.domain.timing import DropReason
from reminders.storage import rows

COLUMNS = """
    r.reminder_id, r.appointment_id, r.starts_at, r.offset_seconds, r.zone, r.due_at, r.run_at, r.state,
    r.channel, r.attempt, r.rings, r.fence, r.by_plan, r.outcome, r.reason
"""

COLUMNS_BESIDE = """
    r.appointment_id, r.starts_at, r.offset_seconds, r.zone, r.due_at, r.run_at, r.state AS reminder_state,
    r.channel AS reminder_channel, r.attempt, r.rings, r.fence, r.by_plan, r.outcome, r.reason
"""
"""The same in a row of attempts."""

_INSERT = text(
    """
    INSERT INTO reminders.reminders
        (tenant_id, reminder_id, appointment_id, starts_at, offset_seconds, zone, wall, due_at, run_at,
         tz_version, by_plan, state, channel, reason)
    VALUES (:tenant, :id, :appointment, :starts_at, :offset, :zone, :wall, :due_at, :run_at, :tz_version,
            :by_plan, :state, :channel, :reason)
    ON CONFLICT DO NOTHING RETURNING reminder_id
    """
)

_CANCEL_OPEN = text(
    """
    UPDATE reminders.reminders SET state = 'CANCELLED', lease_until = NULL
    WHERE tenant_id = :tenant AND appointment_id = :appointment AND state IN ('WAITING', 'CLAIMED')
    RETURNING reminder_id
    """
)

_OPEN = text(
    """
    SELECT count(*) FROM reminders.reminders
    WHERE tenant_id = :tenant AND appointment_id = :appointment AND state IN ('WAITING', 'CLAIMED', 'CALLING')
    """
)

_CLAIM = {
    sandbox: text(
        f"""
        UPDATE reminders.reminders r
        SET state = 'CLAIMED', fence = r.fence + 1, lease_until = {now} + CAST(:lease AS interval)
        FROM (SELECT reminder_id FROM reminders.reminders
              WHERE tenant_id = :tenant AND reminder_id = ANY (CAST(:ids AS text[]))
                AND (state = 'WAITING' AND run_at <= {now} OR state = 'CLAIMED' AND lease_until <= {now})
              FOR UPDATE SKIP LOCKED) due
        WHERE r.tenant_id = :tenant AND r.reminder_id = due.reminder_id
        RETURNING r.reminder_id, r.appointment_id, r.fence
        """  # noqa: S608 - constants
    )
    for sandbox, now in NOW.items()
}

_LOCK_CLAIMED = text(
    f"""
    SELECT {COLUMNS} FROM reminders.reminders r
    WHERE r.tenant_id = :tenant AND r.reminder_id = :id AND r.state = 'CLAIMED' AND r.fence = :fence
    FOR UPDATE
    """  # noqa: S608 - constants
)

_GET = text(
    f"SELECT {COLUMNS} FROM reminders.reminders r"  # noqa: S608 - constants
    " WHERE r.tenant_id = :tenant AND r.reminder_id = :id"
)

_OF_APPOINTMENT = text(
    f"""
    SELECT {COLUMNS} FROM reminders.reminders r
    WHERE r.tenant_id = :tenant AND r.appointment_id = :appointment
    ORDER BY r.run_at, r.reminder_id
    """  # noqa: S608 - constants
)

_WAITING_OF_APPOINTMENT = text(
    f"""
    SELECT {COLUMNS} FROM reminders.reminders r
    WHERE r.tenant_id = :tenant AND r.appointment_id = :appointment AND r.state = 'WAITING'
    ORDER BY r.reminder_id FOR UPDATE
    """  # noqa: S608 - constants
)

_WAIT = text(
    """
    UPDATE reminders.reminders
    SET state = 'WAITING', run_at = :run_at, channel = :channel, lease_until = NULL,
        by_plan = by_plan AND run_at = :run_at, put_off = :put_off
    WHERE tenant_id = :tenant AND reminder_id = :id
    """
)

_BRING_BACK = text(
    """
    WITH back AS (
        UPDATE reminders.reminders SET run_at = :now, put_off = false
        WHERE tenant_id = :tenant AND reminder_id IN (
            SELECT reminder_id FROM reminders.reminders
            WHERE tenant_id = :tenant AND put_off AND state = 'WAITING' AND run_at > :now
            FOR UPDATE SKIP LOCKED)
        RETURNING reminder_id
    )
    INSERT INTO reminders.decisions (tenant_id, reminder_id, decided_at, what, path)
    SELECT :tenant, reminder_id, :now, 'due at once', ARRAY['daily_call_limit has changed (R-128)'] FROM back
    RETURNING reminder_id
    """
)

_UNRING = text(
    """
    UPDATE reminders.reminders SET rings = rings - 1 WHERE tenant_id = :tenant AND reminder_id = :id
    """
)

_CANCEL = text(
    """
    UPDATE reminders.reminders SET state = 'CANCELLED', lease_until = NULL
    WHERE tenant_id = :tenant AND reminder_id = :id
    """
)

_FINISH = text(
    """
    UPDATE reminders.reminders SET state = 'DONE', outcome = :outcome, lease_until = NULL
    WHERE tenant_id = :tenant AND reminder_id = :id
    """
)

_DROP = text(
    """
    UPDATE reminders.reminders SET state = 'DROPPED', reason = :reason, lease_until = NULL
    WHERE tenant_id = :tenant AND reminder_id = :id
    """
)

_REPLAN = text(
    """
    UPDATE reminders.reminders
    SET wall = :wall, due_at = :due_at, run_at = :run_at, tz_version = :tz_version
    WHERE tenant_id = :tenant AND reminder_id = :id
    """
)

_DECIDED = text(
    """
    INSERT INTO reminders.decisions (tenant_id, reminder_id, decided_at, what, path)
    VALUES (:tenant, :id, :now, :what, CAST(:path AS text[]))
    """
)

_DECIDED_ALIKE = text(
    """
    INSERT INTO reminders.decisions (tenant_id, reminder_id, decided_at, what, path)
    SELECT :tenant, id, :now, :what, CAST(:path AS text[]) FROM unnest(CAST(:ids AS text[])) AS id
    """
)

_DECISIONS = text(
    """
    SELECT decided_at, what, path FROM reminders.decisions
    WHERE tenant_id = :tenant AND reminder_id = :id ORDER BY number
    """
)


@dataclass(frozen=True, slots=True)
class NewReminder:
    """A reminder to store; `drop` says why it is not even waited for."""

    reminder_id: str
    appointment_id: str
    start: datetime
    offset: timedelta
    zone: str
    due_at: datetime
    run_at: datetime
    channel: Channel
    tz_version: str
    by_plan: bool
    drop: DropReason | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided about a reminder, when, and by which steps."""

    at: datetime
    what: str
    path: tuple[str, ...]


async def insert(tx: Tx, new: NewReminder) -> bool:
    """Stores it; False when the same offset of the same start is open already."""
    params = {
        "tenant": tx.tenant,
        "id": new.reminder_id,
        "appointment": new.appointment_id,
        "starts_at": new.start,
        "offset": int(new.offset.total_seconds()),
        "zone": new.zone,
        "wall": wall(new.due_at, new.zone),
        "due_at": new.due_at,
        "run_at": new.run_at,
        "tz_version": new.tz_version,
        "by_plan": new.by_plan,
        "state": "DROPPED" if new.drop else "WAITING",
        "channel": new.channel.value,
        "reason": new.drop and new.drop.value,
    }
    return (await tx.run(_INSERT, params)).first() is not None


async def cancel_open(tx: Tx, appointment_id: str) -> Sequence[str]:
    """No call of this appointment is made any more, save one that is under way; ids of what was cancelled."""
    found = await tx.run(_CANCEL_OPEN, {"tenant": tx.tenant, "appointment": appointment_id})
    return [row.reminder_id for row in found]


async def count_open(tx: Tx, appointment_id: str) -> int:
    """Reminders of an appointment that may still be made, or are being made."""
    found: int = (await tx.run(_OPEN, {"tenant": tx.tenant, "appointment": appointment_id})).scalar_one()
    return found


@dataclass(frozen=True, slots=True)
class Claim:
    """What was claimed, and the fence that goes with it."""

    reminder_id: str
    appointment_id: str
    fence: int


async def claim(tx: Tx, ids: Sequence[str], lease: timedelta, *, sandbox: bool) -> Sequence[Claim]:
    """Claims what is due of these, or was claimed by somebody whose lease has run out.

    What another transaction has locked is left to it.
    """
    params = {"tenant": tx.tenant, "ids": list(ids), "lease": lease}
    found = await tx.run(_CLAIM[sandbox], params)
    return [Claim(row.reminder_id, row.appointment_id, row.fence) for row in found]


async def lock_claimed(tx: Tx, reminder_id: str, fence: int) -> Reminder | None:
    """The reminder, locked; None when the claim with this fence does not hold any more."""
    params = {"tenant": tx.tenant, "id": reminder_id, "fence": fence}
    row = (await tx.run(_LOCK_CLAIMED, params)).one_or_none()
    return None if row is None else rows.reminder(row)


async def get(tx: Tx, reminder_id: str) -> Reminder:
    """One reminder. Raises NotFound naming `reminder_id`."""
    row = (await tx.run(_GET, {"tenant": tx.tenant, "id": reminder_id})).one_or_none()
    if row is None:
        raise errors.not_found("reminder", "reminder_id")
    return rows.reminder(row)


async def of_appointment(tx: Tx, appointment_id: str) -> Sequence[Reminder]:
    """All reminders of an appointment, those of earlier starts included, by their next or last step."""
    found = await tx.run(_OF_APPOINTMENT, {"tenant": tx.tenant, "appointment": appointment_id})
    return [rows.reminder(row) for row in found]


async def lock_waiting(tx: Tx, appointment_id: str) -> Sequence[Reminder]:
    """Those that wait, locked."""
    found = await tx.run(_WAITING_OF_APPOINTMENT, {"tenant": tx.tenant, "appointment": appointment_id})
    return [rows.reminder(row) for row in found]


async def wait_until(tx: Tx, reminder_id: str, run_at: datetime, channel: Channel) -> None:
    """Its next step is at `run_at`, on `channel`; another instant than before is not the plan's any more."""
    await _wait(tx, reminder_id, run_at, channel)


async def put_off(tx: Tx, reminder_id: str, run_at: datetime, channel: Channel) -> None:
    """The same, since the calls of the day have been placed (R-128)."""
    await _wait(tx, reminder_id, run_at, channel, put_off=True)


async def bring_back(tx: Tx, now: datetime) -> int:
    """What the limit has put off is due now; how many those were. What others have locked is left to them."""
    return len((await tx.run(_BRING_BACK, {"tenant": tx.tenant, "now": now})).all())


async def _wait(
    tx: Tx, reminder_id: str, run_at: datetime, channel: Channel, *, put_off: bool = False
) -> None:
    params = {"tenant": tx.tenant, "id": reminder_id, "run_at": run_at, "channel": channel.value}
    await tx.run(_WAIT, {**params, "put_off": put_off})


async def take_ring_back(tx: Tx, reminder_id: str) -> None:
    """The last call never rang."""
    await tx.run(_UNRING, {"tenant": tx.tenant, "id": reminder_id})


async def cancel(tx: Tx, reminder_id: str) -> None:
    """-> CANCELLED: its appointment was, while a call was under way."""
    await tx.run(_CANCEL, {"tenant": tx.tenant, "id": reminder_id})


async def finish(tx: Tx, reminder_id: str, outcome: Outcome) -> None:
    """-> DONE."""
    await tx.run(_FINISH, {"tenant": tx.tenant, "id": reminder_id, "outcome": outcome.value})


async def drop(tx: Tx, reminder_id: str, reason: DropReason) -> None:
    """-> DROPPED."""
    await tx.run(_DROP, {"tenant": tx.tenant, "id": reminder_id, "reason": reason.value})


async def replan(tx: Tx, reminder: Reminder, due_at: datetime, run_at: datetime, tz: str) -> None:
    """New instants of one that waits, by this version of the time zones' data."""
    params = {
        "tenant": tx.tenant,
        "id": reminder.reminder_id,
        "wall": wall(due_at, reminder.zone),
        "due_at": due_at,
        "run_at": run_at,
        "tz_version": tz,
    }
    await tx.run(_REPLAN, params)


async def decided(tx: Tx, reminder_id: str, decision: Decision) -> None:
    """Keeps a decision for ExplainCall."""
    params: dict[str, Any] = {
        "tenant": tx.tenant,
        "id": reminder_id,
        "now": decision.at,
        "what": decision.what,
        "path": list(decision.path),
    }
    await tx.run(_DECIDED, params)


async def decided_alike(tx: Tx, reminder_ids: Sequence[str], decision: Decision) -> None:
    """The same of several reminders."""
    params: dict[str, Any] = {
        "tenant": tx.tenant,
        "ids": list(reminder_ids),
        "now": decision.at,
        "what": decision.what,
        "path": list(decision.path),
    }
    await tx.run(_DECIDED_ALIKE, params)


async def decisions(tx: Tx, reminder_id: str) -> Sequence[Decision]:
    """All decisions about a reminder, in order."""
    found = await tx.run(_DECISIONS, {"tenant": tx.tenant, "id": reminder_id})
    return [Decision(row.decided_at, row.what, tuple(row.path)) for row in found]


def beside(row: Any) -> Reminder:
    """The reminder in a row of attempts with `COLUMNS_BESIDE`."""
    return rows.reminder(row, row.reminder_state, row.reminder_channel)


def wall(moment: datetime, zone: str) -> datetime:
    """The local time of an instant, without zone."""
    return moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
