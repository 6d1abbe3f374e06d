"""What happened to appointments: rows are added, never changed; the application's role could not."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from psycopg.types.json import Jsonb
from sqlalchemy import text

from booking.domain.appointment import Appointment
from booking.domain.history import LINKS, Entry, HistoryKind, without_link
from kit.db.uow import Tx

_ADD = text(
    """
    INSERT INTO booking.history
        (tenant_id, appointment_id, kind, at, actor_id, version, state_id, note, facts)
    VALUES (:tenant, :appointment, :kind, :at, :actor, :version, :state, :note, :facts)
    RETURNING entry
    """
)

_ADD_ALL = text(
    """
    INSERT INTO booking.history
        (tenant_id, appointment_id, kind, at, actor_id, version, state_id, note, facts)
    SELECT :tenant, entry.*
    FROM unnest(CAST(:appointment AS text[]), CAST(:kind AS text[]), CAST(:at AS timestamptz[]),
                CAST(:actor AS text[]), CAST(:version AS bigint[]), CAST(:state AS text[]),
                CAST(:note AS text[]), CAST(:facts AS jsonb[])) AS entry
    """
)

_FELL_THROUGH = text(
    """
    SELECT a.appointment_id
    FROM unnest(CAST(:appointments AS text[]), CAST(:starts AS timestamptz[]))
        AS a (appointment_id, starts_at)
    CROSS JOIN LATERAL (
        SELECT h.version, h.state_id FROM booking.history h
        WHERE h.tenant_id = :tenant AND h.appointment_id = a.appointment_id AND h.kind = 'OUTCOME'
        ORDER BY h.entry DESC LIMIT 1) AS told
    JOIN booking.outcome_states s ON s.tenant_id = :tenant AND s.state_id = told.state_id
    WHERE s.result = 'KO' AND NOT EXISTS (
        SELECT FROM booking.appointment_events e
        WHERE e.tenant_id = :tenant AND e.appointment_id = a.appointment_id AND e.made_version > told.version
          AND (e.event IN ('appointment_postponed', 'appointment_refixed')
               OR e.event = 'appointment_reassigned' AND e.left_starts_at IS DISTINCT FROM a.starts_at))
    """
)

_PAGE = text(
    """
    SELECT appointment_id, entry, kind, at, actor_id, version, state_id, note, facts
    FROM booking.history
    WHERE tenant_id = :tenant AND appointment_id = :appointment AND entry > :after
      AND NOT (kind = ANY (CAST(:hidden AS text[])) AND note = '')
    ORDER BY entry LIMIT :rows
    """
)


async def add(tx: Tx, entry: Entry) -> Entry:
    """Adds an entry; gives it with its number."""
    params = {"tenant": tx.tenant, **_params(entry)}
    return replace(entry, number=(await tx.run(_ADD, params)).scalar_one())


async def add_all(tx: Tx, entries: Sequence[Entry]) -> None:
    """Adds entries, numbered in this order."""
    rows = list(map(_params, entries))
    await tx.run(_ADD_ALL, {"tenant": tx.tenant, **{name: [row[name] for row in rows] for name in rows[0]}})


def _params(entry: Entry) -> dict[str, Any]:
    return {
        "appointment": entry.appointment_id,
        "kind": entry.kind.value,
        "at": entry.at,
        "actor": entry.actor_id,
        "version": entry.version,
        "state": entry.state_id,
        "note": entry.note,
        "facts": Jsonb(dict(entry.facts)),
    }


async def fell_through(tx: Tx, found: Sequence[Appointment]) -> frozenset[str]:
    """Ids of those whose last outcome says so, while nobody has decided anew about the date since then
    (ADR 0043).

    A new start is such a decision; a confirmation, or another agent at the start that it had, is none.
    """
    params = {
        "tenant": tx.tenant,
        "appointments": [each.appointment_id for each in found],
        "starts": [each.window.start for each in found],
    }
    return frozenset(row.appointment_id for row in await tx.run(_FELL_THROUGH, params))


async def page(tx: Tx, appointment_id: str, after: int, count: int, *, with_links: bool) -> Sequence[Entry]:
    """Entries after one, the oldest first; with or without the link between two cards: its notes stay."""
    params = {
        "tenant": tx.tenant,
        "appointment": appointment_id,
        "after": after,
        "rows": count,
        "hidden": [] if with_links else [kind.value for kind in LINKS],
    }
    found = [_entry(row) for row in await tx.run(_PAGE, params)]
    return found if with_links else [without_link(entry) for entry in found]


def _entry(row: Any) -> Entry:
    return Entry(
        appointment_id=row.appointment_id,
        kind=HistoryKind(row.kind),
        at=row.at,
        actor_id=row.actor_id,
        version=row.version,
        state_id=row.state_id,
        note=row.note,
        facts=row.facts,
        number=row.entry,
    )
