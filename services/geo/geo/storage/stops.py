"""Reads of the chain of stops; `storage.rewrite` writes it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from geo.domain.chain import Segment
from geo.domain.matrix import is_mixed
from geo.domain.plan import Plan, Reserved
from geo.domain.profile import Profile
from geo.domain.stop import Leg, LinkedStop, Stop, StopKind, TravelSource
from geo.storage import profiles
from geo.storage.sql import fetch
from kit.db.uow import Tx
from kit.values.window import Window

_COLUMNS: Final = """
    s.agent_id, s.stop_id, s.kind, s.starts_at, s.ends_at, s.place, s.buffer_seconds, s.owner_id,
    s.expires_at, s.context, s.prev_id, s.prev_place, s.leg_seconds, s.leg_free_seconds, s.leg_version,
    s.leg_via, s.arrives_from, s.arrives_until, l.metres, l.source
"""

_WITH_LEG: Final = """
    LEFT JOIN geo.legs l ON l.tenant_id = s.tenant_id AND l.from_place = s.prev_place
        AND l.to_place = s.place AND l.version = s.leg_version AND l.via = s.leg_via
        AND l.seconds = s.leg_seconds AND l.free_seconds = s.leg_free_seconds
"""

# One statement, so that the neighbours and what lies between them are of one moment.
_SEGMENT: Final = f"""
    WITH span AS (SELECT
        coalesce((SELECT b.starts_at FROM geo.stops b
            WHERE b.tenant_id = %(tenant)s AND b.agent_id = %(agent)s AND b.starts_at < %(lo)s
              AND (b.expires_at IS NULL OR b.expires_at > %(now)s)
            ORDER BY b.starts_at DESC LIMIT 1), '-infinity') AS first,
        coalesce((SELECT a.starts_at FROM geo.stops a
            WHERE a.tenant_id = %(tenant)s AND a.agent_id = %(agent)s AND a.starts_at >= %(hi)s
              AND a.kind NOT IN ('BREAK', 'ABSENCE') AND (a.expires_at IS NULL OR a.expires_at > %(now)s)
            ORDER BY a.starts_at LIMIT 1), 'infinity') AS last)
    SELECT {_COLUMNS}
    FROM geo.stops s {_WITH_LEG}
    WHERE s.tenant_id = %(tenant)s AND s.agent_id = %(agent)s
      AND s.starts_at >= (SELECT first FROM span) AND s.starts_at <= (SELECT last FROM span)
    ORDER BY s.starts_at
    """  # noqa: S608 - put together from constants

_OF_OWNER: Final = f"""
    SELECT {_COLUMNS}, s.owner_id = %(owner)s AS own
    FROM geo.stops o
    JOIN geo.stops s ON s.tenant_id = o.tenant_id AND s.agent_id = o.agent_id
        AND (s.stop_id = o.stop_id OR s.prev_id = o.stop_id)
    {_WITH_LEG}
    WHERE o.tenant_id = %(tenant)s AND o.owner_id = %(owner)s
    ORDER BY s.starts_at
    """  # noqa: S608 - put together from constants

_OF_OWNERS: Final = f"""
    SELECT {_COLUMNS} FROM geo.stops s {_WITH_LEG}
    WHERE s.tenant_id = %(tenant)s AND s.owner_id = ANY(%(owners)s)
    """  # noqa: S608 - put together from constants

_BETWEEN: Final = f"""
    SELECT {_COLUMNS} FROM geo.stops s {_WITH_LEG}
    WHERE s.tenant_id = %(tenant)s AND s.agent_id = %(agent)s
      AND s.ends_at > %(start)s AND s.starts_at < %(end)s
      AND (s.expires_at IS NULL OR s.expires_at > %(now)s)
    ORDER BY s.starts_at
    """  # noqa: S608 - put together from constants

_VISITS: Final = f"""
    SELECT {_COLUMNS} FROM geo.stops s {_WITH_LEG}
    WHERE s.tenant_id = %(tenant)s AND s.agent_id = %(agent)s
      AND s.starts_at >= %(start)s AND s.starts_at < %(end)s AND s.kind IN ('APPOINTMENT', 'HOLD')
      AND (s.expires_at IS NULL OR s.expires_at > %(now)s)
    ORDER BY s.starts_at
    """  # noqa: S608 - put together from constants

_RESERVATIONS: Final = """
    SELECT owner_id, agent_id, starts_at, ends_at, place, buffer_seconds FROM geo.stops
    WHERE tenant_id = %(tenant)s AND kind = 'APPOINTMENT' AND owner_id > %(after)s
    ORDER BY owner_id LIMIT %(rows)s
    """


@dataclass(frozen=True, slots=True)
class Taken:
    """An owner's stop and the one after it."""

    agent_id: str
    linked: LinkedStop
    after: LinkedStop | None
    context: str


async def segment(tx: Tx, agent_id: str, lo: datetime, hi: datetime, now: datetime) -> Segment:
    """The stops that start in `[lo, hi)`, the one before, and those after up to the first with a place.

    Holds that expired by `now` are among the stops and never bound the segment.
    """
    found = await fetch(
        tx, _SEGMENT, {"tenant": tx.tenant, "agent": agent_id, "lo": lo, "hi": hi, "now": now}
    )
    linked = await linked_stops(tx, found)
    if linked and linked[0].stop.starts_at < lo and not _has_expired(linked[0].stop, now):
        return Segment(linked[0], tuple(linked[1:]))
    return Segment(None, tuple(linked))


async def of_owner(tx: Tx, owner_id: str) -> Taken | None:
    """The stop of one owner, with the one after it; None when it has none."""
    rows = await fetch(tx, _OF_OWNER, {"tenant": tx.tenant, "owner": owner_id})
    if not rows:
        return None
    own, *after = await linked_stops(tx, rows)
    return Taken(rows[0].agent_id, own, after[0] if after else None, rows[0].context)


async def of_owners(tx: Tx, owner_ids: Sequence[str]) -> dict[str, tuple[str, Stop]]:
    """By owner the agent and the stop, of those of these owners that have one."""
    rows = await fetch(tx, _OF_OWNERS, {"tenant": tx.tenant, "owners": list(owner_ids)})
    return {row.owner_id: (row.agent_id, _stop(row)) for row in rows}


async def reservations(tx: Tx, after: str, rows: int) -> Sequence[Reserved]:
    """At most `rows` appointments' stops whose owner's id is greater than `after`, by id.

    As they stand in the chain, whatever their owners' rows say.
    """
    params = {"tenant": tx.tenant, "after": after, "rows": rows}
    return [_reserved(row) for row in await fetch(tx, _RESERVATIONS, params)]


async def between(
    tx: Tx, agent_id: str, start: datetime, end: datetime, now: datetime
) -> Sequence[LinkedStop]:
    """The stops that touch `[start, end)`, in order; without holds that expired by `now`."""
    params = {"tenant": tx.tenant, "agent": agent_id, "start": start, "end": end, "now": now}
    return await linked_stops(tx, await fetch(tx, _BETWEEN, params))


async def visits_between(tx: Tx, agent_id: str, span: Window, now: datetime) -> Sequence[Stop]:
    """The appointments, and the holds that count, that start in the span, in order."""
    params = {"tenant": tx.tenant, "agent": agent_id, "start": span.start, "end": span.end, "now": now}
    return [_stop(row) for row in await fetch(tx, _VISITS, params)]


async def linked_stops(tx: Tx, rows: Sequence[Any]) -> list[LinkedStop]:
    """Stops from their rows, with their legs and those legs' profiles of the week."""
    timed = await profiles.of_versions(tx, {row.leg_version for row in rows})
    known: dict[Any, Any] = {}
    return [_linked_stop(row, timed, known) for row in rows]


async def legs(tx: Tx, rows: Sequence[Any]) -> list[Leg | None]:
    """The legs of stops from their rows."""
    timed = await profiles.of_versions(tx, {row.leg_version for row in rows})
    known: dict[Any, Any] = {}
    return [_leg(row, timed, known) for row in rows]


def _linked_stop(row: Any, timed: Mapping[str, Profile], known: dict[Any, Any]) -> LinkedStop:
    """Equal ids, places and versions become one object: agendas stay in memory by the hundred thousand."""
    stop = _stop(row)
    for value in (stop.stop_id, stop.place):
        known.setdefault(value, value)
    return LinkedStop(stop, known.get(row.prev_id, row.prev_id), _leg(row, timed, known))


def _stop(row: Any) -> Stop:
    return Stop(
        stop_id=row.stop_id,
        kind=StopKind(row.kind),
        starts_at=_utc(row.starts_at),
        ends_at=_utc(row.ends_at),
        place=row.place,
        buffer=row.buffer_seconds,
        owner_id=row.owner_id,
        expires_at=None if row.expires_at is None else _utc(row.expires_at),
        arrival=_arrival(row),
    )


def _arrival(row: Any) -> Window | None:
    if row.arrives_from is None:
        return None
    return Window(_utc(row.arrives_from), _utc(row.arrives_until))


def _reserved(row: Any) -> Reserved:
    window = Window(row.starts_at, row.ends_at)
    return Reserved(row.owner_id, Plan(row.agent_id, window, row.place, row.buffer_seconds))


def _leg(row: Any, timed: Mapping[str, Profile], known: dict[Any, Any]) -> Leg | None:
    if row.prev_id is None:
        return None
    profile = timed.get(row.leg_version)
    mixed = is_mixed(row.leg_version) if row.leg_via else False
    return Leg(
        from_place=known.get(row.prev_place, row.prev_place),
        to_place=known.get(row.place, row.place),
        seconds=row.leg_seconds,
        metres=row.metres,
        source=TravelSource(row.source),
        version=known.setdefault(row.leg_version, row.leg_version),
        via=row.leg_via,
        free_seconds=row.leg_free_seconds if profile or mixed else None,
        profile=profile,
        mixed=mixed,
    )


def _has_expired(stop: Stop, now: datetime) -> bool:
    return stop.expires_at is not None and stop.expires_at <= now


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)
