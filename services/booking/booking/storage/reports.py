"""What is counted and listed for the customer's portal."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import text

from booking.domain.appointment import LISTED, State
from booking.domain.package import Package
from booking.domain.report import Counted, ReportRow, Tally
from booking.storage import rows
from booking.storage.appointments import COLUMNS
from kit.db.uow import Tx

ROWS_AT_ONCE = 500
"""Rows of a report that are in memory at a time."""

_TALLY = text(
    """
    SELECT agent_id, zone, state, count(*) AS number FROM booking.appointments
    WHERE tenant_id = :tenant AND campaign_id = :campaign AND state = ANY (CAST(:states AS text[]))
    GROUP BY agent_id, zone, state
    """
)

_RECOUNT = text(
    """
    SELECT c.purchased, c.taken, c.to_confirm, c.cancelled_in_step, c.to_recover, c.recovered, c.step,
           (SELECT coalesce(sum(s.units), 0)::integer FROM booking.package_steps s
            WHERE s.tenant_id = c.tenant_id AND s.campaign_id = c.campaign_id) AS bought,
           (SELECT coalesce(json_object_agg(state, number), '{}') FROM
               (SELECT a.state, count(*) AS number FROM booking.appointments a
                WHERE a.tenant_id = c.tenant_id AND a.campaign_id = c.campaign_id
                  AND NOT (a.state = 'PENDING' AND a.supersedes IS NOT NULL) GROUP BY a.state) counted
           ) AS by_state
    FROM booking.campaigns c WHERE c.tenant_id = :tenant AND c.campaign_id = :campaign
    """
)

_DECLARE = text(
    f"""
    DECLARE report NO SCROLL CURSOR FOR
    SELECT {COLUMNS}, k.display_name AS contact_name, k.address
    FROM booking.appointments a
    JOIN booking.contacts k ON k.tenant_id = a.tenant_id AND k.contact_id = a.contact_id
    WHERE a.tenant_id = :tenant AND a.campaign_id = :campaign
      AND a.state = ANY (CAST(:states AS text[]))
      AND (:agent = '' OR a.agent_id = :agent) AND (:zone = '' OR a.zone = :zone)
    ORDER BY a.starts_at, a.appointment_id
    """  # noqa: S608 - constants
)

_FETCH = text(f"FETCH {ROWS_AT_ONCE} FROM report")


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a campaign; what is empty leaves its side open."""

    campaign_id: str
    agent_id: str = ""
    zone: str = ""
    states: Sequence[State] = ()


class Batch(NamedTuple):
    """Rows as the database gave them, with the names of their columns: quick to write aside."""

    names: tuple[str, ...]
    rows: list[tuple[Any, ...]]


async def tallies(tx: Tx, campaign_id: str, states: Sequence[State]) -> Sequence[Tally]:
    """How many there are by agent, zone and state, of these states; of none: of all."""
    asked = {"tenant": tx.tenant, "campaign": campaign_id, "states": _named(states)}
    found = await tx.run(_TALLY, asked)
    return [Tally(row.agent_id, row.zone, State(row.state), row.number) for row in found]


async def counters(tx: Tx, campaign_id: str) -> tuple[Package, Counted] | None:
    """The counters and what they count, in one look; None: no such campaign."""
    row = (await tx.run(_RECOUNT, {"tenant": tx.tenant, "campaign": campaign_id})).one_or_none()
    if row is None:
        return None
    by_state = {State(state): number for state, number in row.by_state.items()}
    return rows.package(row), Counted(row.bought, by_state)


async def stream(tx: Tx, part: Part) -> AsyncIterator[Batch]:
    """The rows in batches, all as they were at the first."""
    params = {
        "tenant": tx.tenant,
        "campaign": part.campaign_id,
        "agent": part.agent_id,
        "zone": part.zone,
        "states": _named(part.states),
    }
    await tx.run(_DECLARE, params)
    while True:
        found = await tx.run(_FETCH)
        batch = Batch(tuple(found.keys()), [tuple(row) for row in found])
        if not batch.rows:
            return
        yield batch


def _named(states: Sequence[State]) -> list[str]:
    return sorted(states or LISTED)


def tallied(batch: Batch) -> Counter[tuple[str, str, str]]:
    """How many rows of an agent, a zone and a state's name."""
    of_row = itemgetter(*(batch.names.index(name) for name in ("agent_id", "zone", "state")))
    return Counter(map(of_row, batch.rows))


def report_rows(batch: Batch) -> Sequence[ReportRow]:
    """What the rows say."""
    return [
        ReportRow(rows.appointment(row), row.contact_name, row.address)
        for row in rows.named(batch.names, batch.rows)
    ]
