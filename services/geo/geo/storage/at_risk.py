"""Promised pairs of stops, and those that present travel data would no longer allow (R-089)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import ARRAY, Text, bindparam, text
from sqlalchemy.dialects.postgresql import insert

from geo.domain.modes import TravelMode
from geo.domain.promise import InfeasiblePair, Promise
from geo.domain.stop import Leg, TravelSource
from geo.storage import agents, stops
from geo.storage.sql import fetch, fetch_one
from geo.storage.travel_tables import at_risk
from kit.db.uow import Tx

_PAIR: Final = """
    s.agent_id, s.stop_id, s.kind, s.starts_at, s.ends_at, s.place, s.buffer_seconds, s.owner_id,
    s.expires_at, s.prev_id, s.prev_ends_at, s.prev_place, s.leg_seconds, s.leg_free_seconds, s.leg_version,
    s.leg_via, s.arrives_from, s.arrives_until, l.metres, l.source, p.owner_id AS earlier_owner_id
"""

_JOINED: Final = """
    JOIN geo.stops p ON p.tenant_id = s.tenant_id AND p.agent_id = s.agent_id AND p.stop_id = s.prev_id
    JOIN geo.legs l ON l.tenant_id = s.tenant_id AND l.from_place = s.prev_place AND l.to_place = s.place
        AND l.version = s.leg_version AND l.via = s.leg_via AND l.seconds = s.leg_seconds
        AND l.free_seconds = s.leg_free_seconds
"""

_UNHELD: Final = """
    SELECT a.agent_id, a.agenda_version FROM geo.agents a
    WHERE a.tenant_id = %(tenant)s AND a.travel_mode = %(mode)s
      AND (NOT EXISTS (SELECT FROM geo.checked_versions c WHERE c.tenant_id = %(tenant)s
                       AND c.travel_mode = %(mode)s AND c.travel_version = %(version)s)
           OR EXISTS (SELECT FROM geo.unheld_agendas u WHERE u.tenant_id = %(tenant)s
                      AND u.agent_id = a.agent_id))
    ORDER BY a.agent_id
"""

_MODES: Final = """
    SELECT DISTINCT travel_mode FROM geo.agents WHERE tenant_id = %(tenant)s ORDER BY travel_mode
"""

_LOCK_AGENTS: Final = """
    SELECT count(*) AS agents FROM
        (SELECT FROM geo.agents WHERE tenant_id = %(tenant)s ORDER BY agent_id FOR NO KEY UPDATE) AS locked
"""

_LOCK_SOME: Final = """
    SELECT count(*) AS agents FROM
        (SELECT FROM geo.agents WHERE tenant_id = %(tenant)s AND agent_id = ANY(%(agents)s)
         ORDER BY agent_id FOR NO KEY UPDATE) AS locked
"""

_PROMISES: Final = f"""
    SELECT {_PAIR} FROM geo.stops s {_JOINED}
    WHERE s.tenant_id = %(tenant)s AND s.agent_id = ANY(%(agents)s) AND s.starts_at > %(now)s
      AND s.prev_place <> s.place AND s.prev_place >= 0 AND s.place >= 0
      AND (s.agent_id, s.starts_at) > (%(agent)s, %(at)s)
    ORDER BY s.agent_id, s.starts_at LIMIT %(rows)s
"""  # noqa: S608 - put together from constants

_PAGE: Final = f"""
    SELECT {_PAIR}, r.travel_version AS present_version,
           r.seconds AS present_seconds, r.metres AS present_metres, r.source AS present_source,
           r.short_seconds
    FROM geo.at_risk r
    JOIN geo.stops s ON s.tenant_id = r.tenant_id AND s.agent_id = r.agent_id AND s.stop_id = r.later_stop_id
        AND s.prev_id = r.earlier_stop_id
    {_JOINED}
    JOIN geo.agents a ON a.tenant_id = s.tenant_id AND a.agent_id = s.agent_id
    JOIN unnest(%(modes)s::text[], %(versions)s::text[]) AS v (mode, version)
        ON v.mode = a.travel_mode AND v.version = r.travel_version
    WHERE r.tenant_id = %(tenant)s AND s.starts_at > %(now)s
      AND (s.agent_id, s.starts_at) > (%(agent)s, %(at)s)
    ORDER BY s.agent_id, s.starts_at LIMIT %(rows)s
"""  # noqa: S608 - put together from constants

_COUNT: Final = text(
    "SELECT count(*) FROM geo.at_risk WHERE tenant_id = :tenant AND travel_version = ANY(:versions)"
).bindparams(bindparam("tenant"), bindparam("versions", type_=ARRAY(Text)))

_CHECKED: Final = """
    SELECT EXISTS (SELECT FROM geo.checked_versions WHERE tenant_id = %(tenant)s
                   AND travel_mode = %(mode)s AND travel_version = %(version)s) AS checked
"""

_MARK: Final = """
    INSERT INTO geo.checked_versions (tenant_id, travel_mode, travel_version)
    VALUES (%(tenant)s, %(mode)s, %(version)s)
    ON CONFLICT (tenant_id, travel_mode) DO UPDATE SET travel_version = excluded.travel_version
    RETURNING 1
"""

_HELD: Final = """
    DELETE FROM geo.unheld_agendas u USING geo.agents a
    WHERE u.tenant_id = %(tenant)s AND u.agent_id = ANY(%(agents)s)
      AND a.tenant_id = u.tenant_id AND a.agent_id = u.agent_id AND a.travel_mode = %(mode)s
    RETURNING 1
"""

_QUEUE: Final = """
    INSERT INTO geo.unheld_agendas (tenant_id, agent_id) SELECT %(tenant)s, unnest(%(agents)s::text[])
    ON CONFLICT DO NOTHING RETURNING 1
"""

_NOTE: Final = insert(at_risk).on_conflict_do_nothing().returning(at_risk.c.later_stop_id)


@dataclass(frozen=True, slots=True)
class PageStart:
    """The pair that a page begins after: its agent and its later stop's start."""

    agent_id: str = ""
    starts_at: datetime = datetime(1970, 1, 1, tzinfo=UTC)

    @classmethod
    def after(cls, promise: Promise) -> "PageStart":
        """The page begins after this one."""
        return cls(promise.agent_id, promise.later_starts_at)


async def lock_all_agents(tx: Tx) -> None:
    """Waits until nobody writes any agenda of the tenant, and keeps it so until the commit: no agent joins
    either, whose first booking would be compared with the mark that is about to go."""
    await agents.have_everyone(tx)
    await fetch(tx, _LOCK_AGENTS, {"tenant": tx.tenant})


async def modes(tx: Tx) -> list[TravelMode]:
    """How the tenant's agents travel."""
    return [TravelMode(row.travel_mode) for row in await fetch(tx, _MODES, {"tenant": tx.tenant})]


async def lock_agents(tx: Tx, agent_ids: Collection[str]) -> None:
    """Waits until nobody writes the agendas of these agents, and keeps it so until the commit."""
    await fetch(tx, _LOCK_SOME, {"tenant": tx.tenant, "agents": sorted(agent_ids)})


async def unheld(tx: Tx, mode: TravelMode, travel_version: str) -> dict[str, int]:
    """Ids of the agents who travel so and have promises that were not held against this version, in order,
    with the versions of their agendas: all of them while it is not marked."""
    params = {"tenant": tx.tenant, "mode": mode, "version": travel_version}
    return {row.agent_id: row.agenda_version for row in await fetch(tx, _UNHELD, params)}


async def promises(
    tx: Tx, agent_ids: Sequence[str], now: datetime, after: PageStart, rows: int
) -> list[Promise]:
    """At most `rows` drives of these agents to stops that start after `now`, by agent and time."""
    params: dict[str, Any] = {"tenant": tx.tenant, "agents": list(agent_ids), "now": now, "rows": rows}
    params |= {"agent": after.agent_id, "at": after.starts_at}
    return await _promises(tx, await fetch(tx, _PROMISES, params))


async def note(tx: Tx, travel_version: str, pair: InfeasiblePair) -> bool:
    """Keeps the pair; False when this version's is noted already."""
    present = pair.present
    values = {
        "tenant_id": tx.tenant,
        "travel_version": travel_version,
        "agent_id": pair.promise.agent_id,
        "earlier_stop_id": pair.promise.earlier_stop_id,
        "later_stop_id": pair.promise.later_stop_id,
        "seconds": present.seconds if present else None,
        "metres": present.metres if present else None,
        "source": present.source if present else None,
        "short_seconds": pair.short_seconds,
    }
    return (await tx.run(_NOTE, values)).first() is not None


async def is_checked(tx: Tx, mode: TravelMode, travel_version: str) -> bool:
    """Whether this is the version that the promises of a mode were held against last."""
    params = {"tenant": tx.tenant, "mode": mode, "version": travel_version}
    row = await fetch_one(tx, _CHECKED, params)
    return bool(row and row.checked)


async def mark_checked(tx: Tx, mode: TravelMode, travel_version: str) -> None:
    """All pairs of a mode that this version puts at risk are written. The caller holds the locks of all of
    the tenant's agents."""
    await fetch(tx, _MARK, {"tenant": tx.tenant, "mode": mode, "version": travel_version})


async def mark_held(tx: Tx, mode: TravelMode, agent_ids: Collection[str]) -> None:
    """Those of these agents who travel so have no promise left that was not held against the version that is
    marked. The caller holds their locks."""
    await fetch(tx, _HELD, {"tenant": tx.tenant, "mode": mode, "agents": sorted(agent_ids)})


async def queue(tx: Tx, agent_ids: Collection[str]) -> None:
    """The agendas of these agents, who are locked, have to be held against what is marked once more."""
    await fetch(tx, _QUEUE, {"tenant": tx.tenant, "agents": sorted(agent_ids)})


async def count(tx: Tx, versions: Collection[str]) -> int:
    """How many pairs these versions put at risk."""
    found: int = (await tx.run(_COUNT, {"tenant": tx.tenant, "versions": sorted(versions)})).scalar_one()
    return found


async def page(
    tx: Tx, versions: Mapping[TravelMode, str], now: datetime, after: PageStart, rows: int
) -> list[InfeasiblePair]:
    """Pairs that the versions of their agents' modes put at risk, still on the agenda and still to come, by
    agent and time."""
    params: dict[str, Any] = {"tenant": tx.tenant, "now": now, "rows": rows}
    params |= {"modes": list(versions), "versions": list(versions.values())}
    params |= {"agent": after.agent_id, "at": after.starts_at}
    found = await fetch(tx, _PAGE, params)
    promised = zip(found, await _promises(tx, found), strict=True)
    return [_infeasible(row, promise) for row, promise in promised]


async def _promises(tx: Tx, rows: Sequence[Any]) -> list[Promise]:
    return [_promise(row, leg) for row, leg in zip(rows, await stops.legs(tx, rows), strict=True)]


def _promise(row: Any, leg: Leg | None) -> Promise:
    assert leg is not None
    return Promise(
        agent_id=row.agent_id,
        earlier_stop_id=row.prev_id,
        later_stop_id=row.stop_id,
        earlier_owner_id=row.earlier_owner_id or "",
        later_owner_id=row.owner_id or "",
        earlier_ends_at=row.prev_ends_at,
        later_starts_at=row.starts_at,
        buffer=row.buffer_seconds,
        leg=leg,
    )


def _infeasible(row: Any, promise: Promise) -> InfeasiblePair:
    present = None
    if row.present_seconds is not None:
        figures = row.present_seconds, row.present_metres, TravelSource(row.present_source)
        present = Leg(row.prev_place, row.place, *figures, row.present_version)
    return InfeasiblePair(promise, present, row.short_seconds)
