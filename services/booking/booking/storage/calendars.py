"""Agents' calendars: their visits, and the addresses that they are read under."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import text

from booking.domain.agent_calendar import CalendarVisit, Feed
from booking.domain.appointment import Appointment, State
from booking.storage import rows
from booking.storage.appointments import COLUMNS
from kit.db.uow import Tx
from kit.values.window import Window

_WITH_NAMES = f"""
    SELECT {COLUMNS}, k.display_name AS contact_name, k.address, k.phone, c.display_name AS campaign_name
    FROM booking.appointments a
    JOIN booking.contacts k ON k.tenant_id = a.tenant_id AND k.contact_id = a.contact_id
    JOIN booking.campaigns c ON c.tenant_id = a.tenant_id AND c.campaign_id = a.campaign_id
"""  # noqa: S608 - constants

_VISITS = text(
    f"""
    {_WITH_NAMES}
    WHERE a.tenant_id = :tenant AND a.agent_id = :agent AND a.state NOT IN ('PENDING', 'FAILED')
      AND a.starts_at >= :first AND a.starts_at < :last
    ORDER BY a.starts_at, a.appointment_id LIMIT :most
    """
)

_LEFT = text(
    f"""
    SELECT shown.*, gone.left_starts_at, gone.left_ends_at FROM ({_WITH_NAMES}) shown
    JOIN (SELECT e.appointment_id, e.left_starts_at, e.left_ends_at
          FROM booking.appointment_events e
          WHERE e.tenant_id = :tenant AND e.left_agent_id = :agent
            AND e.left_starts_at >= :first AND e.left_starts_at < :last
            AND NOT EXISTS (SELECT FROM booking.appointment_events later
                            WHERE later.tenant_id = e.tenant_id AND later.left_agent_id = e.left_agent_id
                              AND later.appointment_id = e.appointment_id AND later.entry > e.entry)
         ) gone ON gone.appointment_id = shown.appointment_id
    WHERE shown.agent_id <> :agent
    ORDER BY gone.left_starts_at, shown.appointment_id LIMIT :most
    """  # noqa: S608 - constants
)

_PUT = text(
    """
    INSERT INTO booking.calendar_feeds (tenant_id, agent_id, digest, time_zone, created_by, created_at)
    VALUES (:tenant, :agent, :digest, :zone, :by, :at)
    ON CONFLICT ON CONSTRAINT calendar_feeds_pkey DO UPDATE
    SET digest = excluded.digest, time_zone = excluded.time_zone, created_by = excluded.created_by,
        created_at = excluded.created_at
    """
)

_DROP = text("DELETE FROM booking.calendar_feeds WHERE tenant_id = :tenant AND agent_id = :agent")

_COLUMNS = "agent_id, digest, time_zone, created_by, created_at"

_BY_DIGEST = text(
    f"SELECT {_COLUMNS} FROM booking.calendar_feeds"  # noqa: S608 - constants
    " WHERE tenant_id = :tenant AND digest = :digest"
)

_OF_AGENT = text(
    f"SELECT {_COLUMNS} FROM booking.calendar_feeds"  # noqa: S608 - constants
    " WHERE tenant_id = :tenant AND agent_id = :agent"
)


async def visits(tx: Tx, agent_id: str, window: Window, most: int) -> Sequence[CalendarVisit]:
    """The agent's first visits that start in the window, whatever became of them; at most so many.

    A card that another agent has now is there too: cancelled, when it was this one's last.
    """
    params = {"tenant": tx.tenant, "agent": agent_id, "first": window.start, "last": window.end, "most": most}
    found = [_visit(row, rows.appointment(row)) for row in await tx.run(_VISITS, params)]
    left = [_gone(row, agent_id) for row in await tx.run(_LEFT, params)]
    by_start = sorted([*found, *left], key=lambda each: each.appointment.window.start)
    return by_start[:most]


def _visit(row: Any, appointment: Appointment) -> CalendarVisit:
    return CalendarVisit(appointment, row.contact_name, row.address, row.phone, row.campaign_name)


def _gone(row: Any, agent_id: str) -> CalendarVisit:
    """The visit as the agent that it was taken from is shown it: how to reach the contact is told no more."""
    window = Window(row.left_starts_at, row.left_ends_at)
    card = replace(rows.appointment(row), agent_id=agent_id, window=window, state=State.CANCELLED)
    return CalendarVisit(card, row.contact_name, "", "", row.campaign_name)


async def put(tx: Tx, feed: Feed) -> None:
    """Stores an address in the place of the one before."""
    params = {
        "tenant": tx.tenant,
        "agent": feed.agent_id,
        "digest": feed.digest,
        "zone": feed.time_zone,
        "by": feed.created_by,
        "at": feed.created_at,
    }
    await tx.run(_PUT, params)


async def drop(tx: Tx, agent_id: str) -> None:
    """Forgets an address."""
    await tx.run(_DROP, {"tenant": tx.tenant, "agent": agent_id})


async def by_digest(tx: Tx, digest: bytes) -> Feed | None:
    """The address with this digest, if there is one."""
    return _feed((await tx.run(_BY_DIGEST, {"tenant": tx.tenant, "digest": digest})).one_or_none())


async def of_agent(tx: Tx, agent_id: str) -> Feed | None:
    """The agent's present address."""
    return _feed((await tx.run(_OF_AGENT, {"tenant": tx.tenant, "agent": agent_id})).one_or_none())


def _feed(row: Any) -> Feed | None:
    if row is None:
        return None
    return Feed(row.agent_id, bytes(row.digest), row.time_zone, row.created_by, row.created_at)
