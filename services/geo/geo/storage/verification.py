"""Stops and legs as they stand in the tables, for the check of the guarantee."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import ARRAY, BigInteger, Text, bindparam, text

from geo.domain.modes import TravelMode
from geo.domain.verification import LegKey, StoredStop
from geo.storage.sql import fetch_parts
from kit.db.uow import Tx
from kit.values.window import Window

_MODES: Final = {mode.value: mode for mode in TravelMode}

Turn = Callable[[], Awaitable[object]]
"""Awaited between parts of what is read, so that others get their turn."""

_READ: Final = """
    SELECT s.agent_id, s.stop_id, coalesce(s.owner_id, s.stop_id) AS owner_id, s.kind, s.starts_at, s.ends_at,
        s.place, s.buffer_seconds, s.prev_id, s.prev_ends_at, s.prev_place, s.leg_seconds, s.leg_free_seconds,
        s.leg_version, s.leg_via, a.travel_mode
    FROM geo.stops s JOIN geo.agents a ON a.tenant_id = s.tenant_id AND a.agent_id = s.agent_id
    """
_STOPS: Final = f"{_READ} WHERE s.tenant_id = %(tenant)s AND s.agent_id = ANY(%(agents)s)"
# by time alone, as the check orders them: the links between stops are what is in question
_AROUND: Final = text(
    f"""
    {_READ}
    WHERE s.tenant_id = :tenant AND s.agent_id = :agent
      AND s.starts_at >= coalesce((SELECT max(b.starts_at) FROM geo.stops b
            WHERE b.tenant_id = :tenant AND b.agent_id = :agent AND b.ends_at <= :since), '-infinity')
      AND s.starts_at <= coalesce((SELECT min(b.starts_at) FROM geo.stops b
            WHERE b.tenant_id = :tenant AND b.agent_id = :agent AND b.starts_at >= :until), 'infinity')
    """  # noqa: S608 - put together from constants
)
_AGENTS: Final = text(
    "SELECT agent_id FROM geo.agents WHERE tenant_id = :tenant AND agent_id > :after"
    " ORDER BY agent_id LIMIT :rows"
)
# separate from the stops on purpose: whether a stop's leg is among them is the question
_LEGS: Final = """
    SELECT from_place, to_place, version, via, seconds, free_seconds, source FROM geo.legs
    WHERE tenant_id = %(tenant)s
      AND (from_place, to_place) IN (SELECT * FROM unnest(%(froms)s::bigint[], %(tos)s::bigint[]))
    """


_LEGS_FROM: Final = text(
    """
    SELECT from_place, to_place, version, via, seconds, free_seconds FROM geo.legs
    WHERE tenant_id = :tenant AND from_place = ANY(:places) AND version = ANY(:versions) AND NOT via
    """
).bindparams(bindparam("places", type_=ARRAY(BigInteger)), bindparam("versions", type_=ARRAY(Text)))


async def agents_after(tx: Tx, agent_id: str, rows: int) -> list[str]:
    """At most `rows` agents whose ids are greater, in order."""
    found = await tx.run(_AGENTS, {"tenant": tx.tenant, "after": agent_id, "rows": rows})
    return [row.agent_id for row in found]


async def stored_stops(tx: Tx, agent_ids: Sequence[str], turn: Turn) -> list[StoredStop]:
    """The stops of these agents."""
    stops: list[StoredStop] = []
    async for rows in fetch_parts(tx, _STOPS, {"tenant": tx.tenant, "agents": list(agent_ids)}):
        stops += [_stop(row) for row in rows]
        await turn()
    return stops


async def stops_around(tx: Tx, agent_id: str, span: Window) -> list[StoredStop]:
    """An agent's stops that touch the span, with the one before and the one after."""
    asked = {"tenant": tx.tenant, "agent": agent_id, "since": span.start, "until": span.end}
    return [_stop(row) for row in await tx.run(_AROUND, asked)]


async def stored_legs(tx: Tx, stops: Iterable[StoredStop], turn: Turn) -> dict[LegKey, str]:
    """The recorded legs between the places that these stops name, with where each comes from."""
    pairs = sorted({stop.leg[:2] for stop in stops if stop.leg is not None})
    places = {"froms": [pair[0] for pair in pairs], "tos": [pair[1] for pair in pairs]}
    legs: dict[LegKey, str] = {}
    async for rows in fetch_parts(tx, _LEGS, {"tenant": tx.tenant, **places}):
        legs |= {tuple(row[:6]): row.source for row in rows}
        await turn()
    return legs


async def drives_from(tx: Tx, places: Collection[int], versions: Collection[str]) -> list[LegKey]:
    """The direct drives on record from these places, of these versions."""
    asked = {"tenant": tx.tenant, "places": sorted(places), "versions": sorted(versions)}
    rows = await tx.run(_LEGS_FROM, asked)
    return [(r.from_place, r.to_place, r.version, r.via, r.seconds, r.free_seconds) for r in rows]


def _stop(row: Any) -> StoredStop:
    leg = None
    if row.leg_seconds is not None:
        figures = row.leg_version, row.leg_via, row.leg_seconds, row.leg_free_seconds
        leg = (row.prev_place, row.place, *figures)
    return StoredStop(
        agent_id=row.agent_id,
        stop_id=row.stop_id,
        owner_id=row.owner_id,
        starts_at=_utc(row.starts_at),
        ends_at=_utc(row.ends_at),
        place=row.place,
        buffer=row.buffer_seconds,
        prev_id=row.prev_id,
        prev_ends_at=None if row.prev_ends_at is None else _utc(row.prev_ends_at),
        prev_place=row.prev_place,
        leg=leg,
        mode=_MODES[row.travel_mode],
        kind=row.kind,
    )


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)
