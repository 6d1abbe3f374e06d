"""Appointments."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb
from sqlalchemy import text

from booking.domain import errors
from booking.domain.appointment import Appointment, Change, Colour
from booking.domain.package import Count
from booking.storage import rows
from kit.db.uow import Tx
from kit.values.window import Window

COLUMNS = """
    a.appointment_id, a.campaign_id, a.contact_id, a.agent_id, a.starts_at, a.ends_at, a.place, a.state,
    a.version, a.operator_id, a.note, a.created_at, a.updated_at, a.move_id, a.cancel_note,
    CASE WHEN a.coloured_start = a.starts_at THEN a.colour END AS colour, a.outcome_state_id,
    a.characteristics, a.refix_at, a.supersedes, a.superseded_by, a.linked, a.zone,
    a.postcode, a.arrives_from, a.arrives_until, a.promise, a.promise_zone, a.promise_from, a.promise_until
"""

_GET_TEXT = f"""
    SELECT {COLUMNS} FROM booking.appointments a
    WHERE a.tenant_id = :tenant AND a.appointment_id = :id
"""  # noqa: S608 - constants

_GET = text(_GET_TEXT)

_GET_ALL = text(
    f"""
    SELECT {COLUMNS} FROM booking.appointments a
    WHERE a.tenant_id = :tenant AND a.appointment_id = ANY (CAST(:ids AS text[]))
    """  # noqa: S608 - constants
)

_LOCK = text(f"{_GET_TEXT} FOR NO KEY UPDATE")

_LOCK_FREE = text(
    f"""
    SELECT {COLUMNS} FROM booking.appointments a
    WHERE a.tenant_id = :tenant AND a.appointment_id = ANY (CAST(:ids AS text[]))
    ORDER BY a.appointment_id FOR NO KEY UPDATE SKIP LOCKED
    """  # noqa: S608 - constants
)

_LOCK_ALL = text(
    f"""
    SELECT {COLUMNS} FROM booking.appointments a
    WHERE a.tenant_id = :tenant AND a.appointment_id = ANY (CAST(:ids AS text[]))
    ORDER BY a.appointment_id FOR NO KEY UPDATE
    """  # noqa: S608 - constants
)

_AGENTS = text(
    """
    SELECT appointment_id, agent_id FROM booking.appointments
    WHERE tenant_id = :tenant AND appointment_id = ANY (CAST(:ids AS text[]))
    """
)

_CHANGE_TEXT = """
    UPDATE booking.appointments
    SET agent_id = :agent, starts_at = :starts_at, ends_at = :ends_at, state = :state, version = :version,
        updated_at = :now, move_id = :move, cancel_note = :cancel_note, decided_at = clock_timestamp(),
        operator_id = :operator, outcome_state_id = :outcome_state, characteristics = :characteristics,
        refix_at = :refix_at, superseded_by = :superseded_by, linked = :linked,
        arrives_from = :arrives_from, arrives_until = :arrives_until,
        promise_from = :promise_from, promise_until = :promise_until, place = :place, postcode = :postcode
    WHERE tenant_id = :tenant AND appointment_id = :id AND version = :seen_version AND state = :seen_state
      AND move_id IS NOT DISTINCT FROM :seen_move
    RETURNING tenant_id, campaign_id
"""

_CHANGE = text(_CHANGE_TEXT)

_CHANGE_AND_COUNT = text(
    f"""
    WITH changed AS ({_CHANGE_TEXT}), counted AS (
        UPDATE booking.campaigns c
        SET taken = c.taken + :taken, to_confirm = c.to_confirm + :to_confirm,
            cancelled_in_step = c.cancelled_in_step + :cancelled
        FROM changed WHERE c.tenant_id = changed.tenant_id AND c.campaign_id = changed.campaign_id
    )
    SELECT campaign_id FROM changed
    """  # noqa: S608 - constants
)

_MOVE_ALL = text(
    """
    UPDATE booking.appointments a
    SET agent_id = r.agent, starts_at = r.starts_at, ends_at = r.ends_at, state = r.state,
        version = r.version, updated_at = r.now, move_id = NULL, decided_at = clock_timestamp(),
        operator_id = r.operator, outcome_state_id = r.outcome_state, refix_at = r.refix_at,
        arrives_from = r.arrives_from, arrives_until = r.arrives_until,
        promise_from = r.promise_from, promise_until = r.promise_until, place = r.place,
        postcode = r.postcode
    FROM jsonb_to_recordset(CAST(:changes AS jsonb)) AS r(id text, seen_version bigint, seen_state text,
        seen_move text, agent text, starts_at timestamptz, ends_at timestamptz, state text, version bigint,
        now timestamptz, operator text, outcome_state text, refix_at timestamptz, arrives_from timestamptz,
        arrives_until timestamptz, promise_from timestamptz, promise_until timestamptz, place bigint,
        postcode text)
    WHERE a.tenant_id = :tenant AND a.appointment_id = r.id AND a.version = r.seen_version
      AND a.state = r.seen_state AND a.move_id = r.seen_move
    """
)

_COUNT = text(
    """
    UPDATE booking.campaigns SET taken = taken + :taken, to_confirm = to_confirm + :to_confirm,
        cancelled_in_step = cancelled_in_step + :cancelled
    WHERE tenant_id = :tenant AND campaign_id = :campaign
    """
)

_FLEXIBLE = text(
    f"""
    SELECT {COLUMNS} FROM booking.appointments a
    WHERE a.tenant_id = :tenant AND a.agent_id = ANY (CAST(:agents AS text[])) AND a.promise IS NOT NULL
      AND a.state IN ('TO_CONFIRM', 'CONFIRMED') AND a.move_id IS NULL
      AND a.starts_at >= :since AND a.starts_at < :until
    ORDER BY a.starts_at, a.appointment_id LIMIT :rows
    """  # noqa: S608 - constants
)

_OUTCOMES_DUE = text(
    """
    SELECT agent_id FROM unnest(CAST(:agents AS text[])) AS agent_id
    WHERE EXISTS (SELECT FROM booking.appointments a
                  WHERE a.tenant_id = :tenant AND a.agent_id = agent_id.agent_id
                    AND a.state IN ('TO_CONFIRM', 'CONFIRMED') AND a.outcome_state_id IS NULL
                    AND a.ends_at < :before AND a.starts_at < :before)
    """
)

_OWNED = text(
    f"""
    SELECT {COLUMNS} FROM booking.appointments a
    WHERE a.tenant_id = :tenant AND a.appointment_id > :after
      AND a.state IN ('PENDING', 'TO_CONFIRM', 'CONFIRMED', 'HELD')
    ORDER BY a.appointment_id LIMIT :rows
    """  # noqa: S608 - constants
)

_ALL = text(
    f"""
    SELECT {COLUMNS} FROM booking.appointments a
    WHERE a.tenant_id = :tenant AND a.appointment_id > :after
    ORDER BY a.appointment_id LIMIT :rows
    """  # noqa: S608 - constants
)

_COLOUR = text(
    """
    UPDATE booking.appointments
    SET colour = :colour, coloured_start = :start, colour_revision = :revision
    WHERE tenant_id = :tenant AND appointment_id = :id AND colour_revision < :revision
      AND state <> 'SUPERSEDED'
    RETURNING appointment_id
    """
)


@dataclass(frozen=True, slots=True)
class Painted:
    """A colour, the start that was reminded of, and a number that grows with each change."""

    colour: Colour | None
    start: datetime
    revision: int


async def get(tx: Tx, appointment_id: str) -> Appointment:
    """One appointment, whatever its state. Raises NotFound naming `appointment_id`."""
    return _found((await tx.run(_GET, {"tenant": tx.tenant, "id": appointment_id})).one_or_none())


async def get_all(tx: Tx, appointment_ids: Sequence[str]) -> Sequence[Appointment]:
    """Those of them that there are."""
    return rows.appointments(await tx.run(_GET_ALL, {"tenant": tx.tenant, "ids": list(appointment_ids)}))


async def find(tx: Tx, appointment_id: str) -> Appointment | None:
    """The same; None when there is none."""
    row = (await tx.run(_GET, {"tenant": tx.tenant, "id": appointment_id})).one_or_none()
    return None if row is None else rows.appointment(row)


async def lock(tx: Tx, appointment_id: str) -> Appointment:
    """The same, locked until the end of the transaction.

    An appointment's row is always locked before its campaign's, so that two changes never deadlock.
    """
    return _found((await tx.run(_LOCK, {"tenant": tx.tenant, "id": appointment_id})).one_or_none())


async def lock_free(tx: Tx, appointment_ids: Sequence[str]) -> Mapping[str, Appointment]:
    """By id those of them that nobody else has locked, locked until the end of the transaction."""
    found = await tx.run(_LOCK_FREE, {"tenant": tx.tenant, "ids": list(appointment_ids)})
    return {row.appointment_id: rows.appointment(row) for row in found}


async def lock_all(tx: Tx, appointment_ids: Sequence[str]) -> Mapping[str, Appointment]:
    """By id those of them that there are, locked in the order of their ids until the transaction ends."""
    found = await tx.run(_LOCK_ALL, {"tenant": tx.tenant, "ids": list(appointment_ids)})
    return {row.appointment_id: rows.appointment(row) for row in found}


async def agents(tx: Tx, appointment_ids: Sequence[str]) -> Mapping[str, str]:
    """By id the agents of these appointments."""
    found = await tx.run(_AGENTS, {"tenant": tx.tenant, "ids": list(appointment_ids)})
    return {row.appointment_id: row.agent_id for row in found}


async def save(tx: Tx, change: Change) -> bool:
    """Stores a change and what it adds to the counters; False when the row is not as it was seen."""
    params = _change_params(tx, change)
    if change.count == Count():
        return (await tx.run(_CHANGE, params)).first() is not None
    return (await tx.run(_CHANGE_AND_COUNT, {**params, **_counts(change)})).first() is not None


async def save_moved(tx: Tx, changes: Sequence[Change]) -> bool:
    """The same for many whose moves have been made; campaigns are counted in the order of their ids."""
    documents = [{name: plain(value) for name, value in _moved_params(change).items()} for change in changes]
    stored = await tx.run(_MOVE_ALL, {"tenant": tx.tenant, "changes": Jsonb(documents)})
    for campaign_id, count in sorted(_counted(changes).items()):
        await tx.run(_COUNT, {"tenant": tx.tenant, "campaign": campaign_id, **count})
    return bool(stored.rowcount == len(changes))


async def more_to_confirm(tx: Tx, by_campaign: Mapping[str, int]) -> None:
    """So many more of a campaign are to be confirmed; campaigns are counted in the order of their ids."""
    for campaign_id, count in sorted(by_campaign.items()):
        counts = {"taken": 0, "to_confirm": count, "cancelled": 0}
        await tx.run(_COUNT, {"tenant": tx.tenant, "campaign": campaign_id, **counts})


def _counted(changes: Sequence[Change]) -> Mapping[str, Counter[str]]:
    """What is added to the counters by campaign, where anything is."""
    found: dict[str, Counter[str]] = {}
    for change in changes:
        if change.count != Count():
            found.setdefault(change.before.campaign_id, Counter()).update(_counts(change))
    return found


async def paint(tx: Tx, appointment_id: str, painted: Painted) -> bool:
    """Stores a colour; False for a read-only card, and when a newer one, or this very one, is there."""
    params = {
        "tenant": tx.tenant,
        "id": appointment_id,
        "colour": painted.colour and painted.colour.value,
        "start": painted.start if painted.colour else None,
        "revision": painted.revision,
    }
    return (await tx.run(_COLOUR, params)).first() is not None


async def flexible(tx: Tx, agent_ids: Sequence[str], span: Window, count: int) -> Sequence[Appointment]:
    """Those of these agents that start in the span, were promised a day or a week, and are not changing."""
    params = {"tenant": tx.tenant, "agents": list(agent_ids), "since": span.start, "until": span.end}
    return rows.appointments(await tx.run(_FLEXIBLE, {**params, "rows": count}))


async def with_outcomes_due(tx: Tx, agent_ids: Sequence[str], ended_before: datetime) -> frozenset[str]:
    """Those of these agents who have a visit that ended before this and told no outcome of it."""
    params = {"tenant": tx.tenant, "agents": list(agent_ids), "before": ended_before}
    return frozenset(row.agent_id for row in await tx.run(_OUTCOMES_DUE, params))


async def owned(tx: Tx, after: str, count: int) -> Sequence[Appointment]:
    """Those that have or may have a stop, by id after one."""
    params = {"tenant": tx.tenant, "after": after, "rows": count}
    return rows.appointments(await tx.run(_OWNED, params))


async def all_from(tx: Tx, after: str, count: int) -> Sequence[Appointment]:
    """All there are, whatever their state, by id after one."""
    params = {"tenant": tx.tenant, "after": after, "rows": count}
    return rows.appointments(await tx.run(_ALL, params))


def _found(row: Any) -> Appointment:
    if row is None:
        raise errors.not_found("appointment", "appointment_id")
    return rows.appointment(row)


def _counts(change: Change) -> dict[str, int]:
    return {
        "taken": change.count.taken,
        "to_confirm": change.count.to_confirm,
        "cancelled": change.count.cancelled_in_step,
    }


def _moved_params(change: Change) -> Mapping[str, Any]:
    before, after = change.before, change.after
    return {
        "id": before.appointment_id,
        "seen_version": before.version,
        "seen_state": before.state.value,
        "seen_move": before.move_id,
        "agent": after.agent_id,
        "starts_at": after.window.start,
        "ends_at": after.window.end,
        "state": after.state.value,
        "version": after.version,
        "now": after.updated_at,
        "operator": after.operator_id,
        "outcome_state": after.outcome_state_id or None,
        "refix_at": after.refix_at,
        **arrives(after),
        "promise_from": None if after.promise is None else after.promise.window.start,
        "promise_until": None if after.promise is None else after.promise.window.end,
        "place": after.point.key,
        "postcode": after.postcode,
    }


def plain(value: object) -> object:
    """A value as a document of many rows takes it."""
    return value.isoformat() if isinstance(value, datetime) else value


def _change_params(tx: Tx, change: Change) -> Mapping[str, Any]:
    after = change.after
    return {
        **_moved_params(change),
        "tenant": tx.tenant,
        "move": after.move_id,
        "cancel_note": after.cancel_note,
        "characteristics": Jsonb(dict(after.characteristics)),
        "superseded_by": after.superseded_by,
        "linked": after.linked,
    }


def arrives(appointment: Appointment) -> Mapping[str, Any]:
    """What was promised of the arrival, as parameters of a statement."""
    promised = appointment.arrival
    return {
        "arrives_from": None if promised is None else promised.start,
        "arrives_until": None if promised is None else promised.end,
    }
