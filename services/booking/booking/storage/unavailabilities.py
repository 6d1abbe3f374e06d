"""Days on which agents, or people to visit, cannot come."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import text

from booking.domain import errors
from booking.domain.appointment import Appointment
from booking.domain.unavailability import Days, Unavailability
from booking.storage import rows
from booking.storage.appointments import COLUMNS
from kit.db.uow import Tx

MOST = 200
"""Rows of one answer."""

_INSERT = text(
    """
    INSERT INTO booking.unavailabilities
        (tenant_id, unavailability_id, agent_id, contact_id, first_day, last_day, time_zone, starts_at,
         ends_at, note, reported_by, reported_at, overridden_by, override_note)
    VALUES (:tenant, :id, :agent, :contact, :first, :last, :zone, :starts_at, :ends_at, :note,
            :reported_by, :reported_at, :overridden_by, :override_note)
    """
)

_GET = text(
    "SELECT * FROM booking.unavailabilities WHERE tenant_id = :tenant AND unavailability_id = :id"
    " FOR NO KEY UPDATE"
)

_LIST = text(
    f"""
    SELECT * FROM (
        SELECT * FROM booking.unavailabilities
        WHERE tenant_id = :tenant AND agent_id = :agent AND contact_id = :contact
        ORDER BY first_day DESC, unavailability_id DESC LIMIT {MOST}
    ) latest ORDER BY first_day, unavailability_id
    """  # noqa: S608 - a constant
)

_WITHDRAW = text(
    """
    UPDATE booking.unavailabilities SET withdrawn_at = :now
    WHERE tenant_id = :tenant AND unavailability_id = :id AND withdrawn_at IS NULL
    """
)

_ON_THOSE_DAYS = "{0}.starts_at < :ends_at AND {0}.ends_at > :starts_at"
_WHOSE = "((:agent <> '' AND {0}.agent_id = :agent) OR (:contact <> '' AND a.contact_id = :contact))"

_HIT = text(
    f"""
    WITH present AS (
        SELECT a.appointment_id FROM booking.appointments a
        WHERE a.tenant_id = :tenant AND a.state IN ('PENDING', 'TO_CONFIRM', 'CONFIRMED')
          AND {_ON_THOSE_DAYS.format("a")} AND a.starts_at > :starts_at - interval '1 day'
          AND {_WHOSE.format("a")}
    ), moving AS (
        SELECT m.appointment_id FROM booking.moves m
        JOIN booking.appointments a USING (tenant_id, appointment_id)
        WHERE m.tenant_id = :tenant AND m.state = 'PENDING'
          AND {_ON_THOSE_DAYS.format("m")} AND {_WHOSE.format("m")}
    ), repaired AS (
        SELECT m.appointment_id FROM booking.repairs r
        JOIN booking.repair_changes m USING (tenant_id, repair_id)
        JOIN booking.appointments a USING (tenant_id, appointment_id)
        WHERE r.tenant_id = :tenant AND r.state = 'PENDING'
          AND {_ON_THOSE_DAYS.format("m")} AND {_WHOSE.format("m")}
    )
    SELECT {COLUMNS}, count(*) OVER () AS total FROM booking.appointments a
    WHERE a.tenant_id = :tenant AND a.appointment_id IN
          (SELECT * FROM present UNION SELECT * FROM moving UNION SELECT * FROM repaired)
    ORDER BY a.starts_at, a.appointment_id LIMIT {MOST}
    """  # noqa: S608 - constants
)


async def insert(tx: Tx, noted: Unavailability) -> None:
    """Stores a note."""
    window = noted.days.window
    params = {
        "tenant": tx.tenant,
        "id": noted.unavailability_id,
        "agent": noted.agent_id,
        "contact": noted.contact_id,
        "first": noted.days.first,
        "last": noted.days.last,
        "zone": noted.days.time_zone,
        "starts_at": window.start,
        "ends_at": window.end,
        "note": noted.note,
        "reported_by": noted.reported_by,
        "reported_at": noted.reported_at,
        "overridden_by": noted.overridden_by,
        "override_note": noted.override_note,
    }
    await tx.run(_INSERT, params)


async def lock(tx: Tx, unavailability_id: str) -> Unavailability:
    """One note, locked. Raises NotFound naming `unavailability_id`."""
    row = (await tx.run(_GET, {"tenant": tx.tenant, "id": unavailability_id})).one_or_none()
    if row is None:
        raise errors.not_found("unavailability", "unavailability_id")
    return _unavailability(row)


async def of(tx: Tx, agent_id: str, contact_id: str) -> Sequence[Unavailability]:
    """The latest 200 of an agent or a contact (the other id is empty), by first day."""
    params = {"tenant": tx.tenant, "agent": agent_id, "contact": contact_id}
    return [_unavailability(row) for row in await tx.run(_LIST, params)]


async def withdraw(tx: Tx, unavailability_id: str, now: datetime) -> None:
    """Notes that it counts no more."""
    await tx.run(_WITHDRAW, {"tenant": tx.tenant, "id": unavailability_id, "now": now})


async def hit(tx: Tx, noted: Unavailability) -> tuple[Sequence[Appointment], int]:
    """The first 200 appointments on those days by start, and how many there are: booked ones, those that are
    being booked, and those that are being moved there."""
    window = noted.days.window
    params = {
        "tenant": tx.tenant,
        "agent": noted.agent_id,
        "contact": noted.contact_id,
        "starts_at": window.start,
        "ends_at": window.end,
    }
    found = list(await tx.run(_HIT, params))
    return [rows.appointment(row) for row in found], found[0].total if found else 0


def _unavailability(row: Any) -> Unavailability:
    return Unavailability(
        unavailability_id=row.unavailability_id,
        agent_id=row.agent_id,
        contact_id=row.contact_id,
        days=Days(row.first_day, row.last_day, row.time_zone),
        note=row.note,
        reported_by=row.reported_by,
        reported_at=row.reported_at,
        overridden_by=row.overridden_by,
        override_note=row.override_note,
        withdrawn_at=row.withdrawn_at,
    )
