"""Reads the stops of many agents as columns: the database packs each agent's, and no row is looked at."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final

import numpy as np

from geo.domain.packed_stops import FOR_EVER, KINDS, NONE, RECORD, SOURCES, PackedStops
from geo.storage import profiles
from geo.storage.sql import fetch
from kit.db.uow import Tx

_WIRE: Final = RECORD.newbyteorder(">")
"""A record as the statement sends it."""


def _long(column: str, default: int) -> str:
    return f"int8send(coalesce({column}, {default})::bigint)"


def _int(column: str) -> str:
    return f"int4send(coalesce({column}, 0))"


def _position(names: Sequence[str], column: str) -> str:
    """The position of a name among these, from 1; NULL for none."""
    every = ", ".join(f"'{name}'" for name in names)
    return f"array_position(ARRAY[{every}], {column})"


def _epoch(column: str) -> str:
    return f"extract(epoch FROM {column})"


# in the order of RECORD; the version's number is filled in here
_PARTS: Final = (
    _long(_epoch("s.starts_at"), 0),
    _long(_epoch("s.ends_at"), 0),
    _long(_epoch("s.expires_at"), FOR_EVER),
    _long(_epoch("s.arrives_from"), NONE),
    _long(_epoch("s.arrives_until"), NONE),
    _long("s.place", 0),
    _long("s.prev_place", -1),
    _int("s.buffer_seconds"),
    _int("s.leg_seconds"),
    _int("s.leg_free_seconds"),
    _int("l.metres"),
    f"int2send(({_position(KINDS, 's.kind')} - 1)::int2)",
    f"int2send(coalesce({_position(SOURCES, 'l.source')}, 0)::int2)",
    "int2send(coalesce(s.leg_via, false)::int::int2)",
    "int2send(0::int2)",
)

_NAMES: Final = ("s.stop_id", "coalesce(s.owner_id, '')", "coalesce(s.leg_version, '')")
_END: Final = r"'\000'::bytea"

_STOPS: Final = f"""
    SELECT s.agent_id, (array_agg(s.prev_id ORDER BY s.starts_at))[1] AS previous_id,
           string_agg({" || ".join(_PARTS)}, ''::bytea ORDER BY s.starts_at) AS records,
           string_agg({f" || {_END} || ".join(f"convert_to({name}, 'UTF8')" for name in _NAMES)}, {_END}
                      ORDER BY s.starts_at) AS names
    FROM unnest(%(ids)s::text[]) AS a (agent_id)
    CROSS JOIN LATERAL (
        SELECT max(b.starts_at) AS starts_at FROM geo.stops b
        WHERE b.agent_id = a.agent_id AND b.starts_at < %(since)s AND b.ends_at <= %(since)s
          AND b.kind NOT IN ('HOLD', 'BREAK', 'ABSENCE')) first
    CROSS JOIN LATERAL (
        SELECT min(b.starts_at) AS starts_at FROM geo.stops b
        WHERE b.agent_id = a.agent_id AND b.starts_at >= %(until)s
          AND b.kind NOT IN ('HOLD', 'BREAK', 'ABSENCE')) last
    JOIN geo.stops s ON s.agent_id = a.agent_id AND s.starts_at >= coalesce(first.starts_at, '-infinity')
        AND s.starts_at <= coalesce(last.starts_at, 'infinity')
    LEFT JOIN geo.legs l ON l.tenant_id = s.tenant_id AND l.from_place = s.prev_place AND l.to_place = s.place
        AND l.version = s.leg_version AND l.via = s.leg_via AND l.seconds = s.leg_seconds
        AND l.free_seconds = s.leg_free_seconds
    GROUP BY s.agent_id
    """  # noqa: S608 - put together from constants


async def packed_stops(
    tx: Tx, agent_ids: Collection[str], since: datetime, until: datetime
) -> dict[str, PackedStops]:
    """The stops of each of these agents: those that end after `since`, from the last one before that has a
    place and no expiry, up to the first such one from `until` on."""
    rows = await fetch(tx, _STOPS, {"ids": list(agent_ids), "since": since, "until": until})
    named = {row.agent_id: row.names.split(b"\0") for row in rows}
    timed = await profiles.of_versions(
        tx, {one.decode() for names in named.values() for one in set(names[2::3])}
    )
    found = dict.fromkeys(agent_ids, PackedStops(np.zeros(0, dtype=RECORD)))
    return found | {row.agent_id: _packed(row, named[row.agent_id], timed) for row in rows}


def _packed(row: Any, names: list[bytes], timed: Any) -> PackedStops:
    told = names[2::3]
    numbers = {version: number for number, version in enumerate(dict.fromkeys(told))}
    records = np.frombuffer(row.records, dtype=_WIRE).astype(RECORD)
    records["version"] = [numbers[version] for version in told]
    del names[2::3]
    versions = tuple(version.decode() for version in numbers)
    weeks = {version: timed[version] for version in versions if version in timed}
    return PackedStops(records, b"\0".join([*names, b""]), versions, row.previous_id, weeks)
