"""An agenda's stops as columns: what stays in memory by the hundred thousand.

A stop takes 80 bytes and its two ids; as objects, with their instants and legs, ten times as much. Whoever
needs the objects gets them made anew each time.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from math import ceil
from typing import Any, Final, overload

import numpy as np
import numpy.typing as npt

from geo.domain.matrix import is_mixed
from geo.domain.places import Ints
from geo.domain.profile import Profile
from geo.domain.stop import NOWHERE, PLACELESS, VISITS, Leg, LinkedStop, Stop, StopKind, TravelSource
from kit.values.window import Window

FOR_EVER: Final = 2**60
"""Stands for no expiry."""
NONE: Final = -(2**60)
"""Stands for no promised window."""

KINDS: Final = tuple(StopKind)
"""Kinds by their code."""
SOURCES: Final = tuple(TravelSource)
"""Sources by their code less one: 0 is a stop without a leg."""

RECORD: Final = np.dtype(
    [
        ("starts_at", np.int64),
        ("ends_at", np.int64),
        ("expires_at", np.int64),
        ("arrives_from", np.int64),
        ("arrives_until", np.int64),
        ("place", np.int64),
        ("from_place", np.int64),
        ("buffer", np.int32),
        ("seconds", np.int32),
        ("free_seconds", np.int32),
        ("metres", np.int32),
        ("kind", np.int16),
        ("source", np.int16),
        ("via", np.int16),
        ("version", np.int16),
    ]
)
"""A stop and the leg to it; instants in Unix seconds. `version` is the position of the leg's among all."""

_IS_VISIT: Final = np.array([kind in VISITS for kind in KINDS])
_IS_PLACELESS: Final = np.array([kind in PLACELESS for kind in KINDS])

Records = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Drive:
    """The stored drive to a stop: its seconds, and whether it leads over a place that left the agenda. `leg`
    where the seconds are those of one departure."""

    seconds: int
    via: bool
    leg: Leg | None = None


@dataclass(frozen=True, slots=True, eq=False)
class PackedStops(Sequence[LinkedStop]):
    """A stretch of a chain, in time order, each stop linked to the one before; `previous_id` is the first's.

    `names` are the ids of each stop and of its owner (empty without one), with a NUL after each. `versions`
    are those of the legs, `profiles` the profiles of the week of those that have one.
    """

    records: Records
    names: bytes = b""
    versions: tuple[str, ...] = ()
    previous_id: str | None = None
    profiles: Mapping[str, Profile] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[LinkedStop]:
        return iter(self._unpacked(range(len(self))))

    @overload
    def __getitem__(self, at: int) -> LinkedStop: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[LinkedStop, ...]: ...
    def __getitem__(self, at: int | slice) -> LinkedStop | tuple[LinkedStop, ...]:
        span = range(len(self))[at]
        if isinstance(span, range):
            return tuple(self._unpacked(span))
        return self._unpacked(range(span, span + 1))[0]

    @property
    def expiries(self) -> Ints:
        """When the stops expire; FOR_EVER for those that do not."""
        expiries: Ints = self.records["expires_at"]
        return expiries

    @property
    def visits(self) -> npt.NDArray[np.bool_]:
        """Which of the stops are visits."""
        visits: npt.NDArray[np.bool_] = _IS_VISIT[self.records["kind"]]
        return visits

    @property
    def placeless(self) -> npt.NDArray[np.bool_]:
        """Which of the stops have no place of their own."""
        placeless: npt.NDArray[np.bool_] = _IS_PLACELESS[self.records["kind"]]
        return placeless

    def column(self, name: str) -> list[Any]:
        """A column of RECORD as numbers."""
        values: list[Any] = self.records[name].tolist()
        return values

    def kinds(self) -> list[StopKind]:
        """Of each stop."""
        return [KINDS[code] for code in self.column("kind")]

    def drives(self) -> list[Drive | None]:
        """The stored drive to each stop; None to the agent's first."""
        varying = [version in self.profiles or is_mixed(version) for version in self.versions]
        columns = (self.column(name) for name in ("source", "seconds", "via", "version"))
        rows = enumerate(zip(*columns, strict=True))
        return [
            Drive(seconds, bool(via), self._leg(self.records[at].tolist()) if varying[version] else None)
            if source
            else None
            for at, (source, seconds, via, version) in rows
        ]

    def _unpacked(self, span: range) -> list[LinkedStop]:
        if not span:
            return []
        names = self.names.decode().split("\0")
        return [self._linked(at, names, row) for at, row in zip(span, self._rows(span), strict=True)]

    def _rows(self, span: range) -> list[Any]:
        rows: list[Any] = self.records[span.start : span.stop : span.step].tolist()
        return rows

    def _linked(self, at: int, names: Sequence[str], row: Sequence[Any]) -> LinkedStop:
        previous = names[2 * at - 2] if at else self.previous_id
        leg = self._leg(row)
        return LinkedStop(_stop(names[2 * at], names[2 * at + 1], row), previous if leg else None, leg)

    def _leg(self, row: Sequence[Any]) -> Leg | None:
        place, from_place, _, seconds, free, metres, _, source, via, number = row[5:]
        if not source:
            return None
        version = self.versions[number]
        profile = self.profiles.get(version)
        mixed = bool(via) and is_mixed(version)
        return Leg(
            from_place,
            place,
            seconds,
            metres,
            SOURCES[source - 1],
            version,
            via=bool(via),
            free_seconds=free if profile or mixed else None,
            profile=profile,
            mixed=mixed,
        )


def _stop(stop_id: str, owner_id: str, row: Sequence[Any]) -> Stop:
    starts_at, ends_at, expires_at, arrives_from, arrives_until, place, _, buffer = row[:8]
    return Stop(
        stop_id=stop_id,
        kind=KINDS[row[11]],
        starts_at=_moment(starts_at),
        ends_at=_moment(ends_at),
        place=place,
        buffer=buffer,
        owner_id=owner_id or None,
        expires_at=None if expires_at == FOR_EVER else _moment(expires_at),
        arrival=None if arrives_from == NONE else Window(_moment(arrives_from), _moment(arrives_until)),
    )


def packed(stops: Iterable[LinkedStop]) -> PackedStops:
    """Stops as columns. Raises ValueError where they are not linked each to the one before."""
    if isinstance(stops, PackedStops):
        return stops
    links = list(stops)
    if any(later.previous_id != link.stop.stop_id for link, later in pairwise(links)):
        raise ValueError("stops that are not linked to each other")
    numbers: dict[str, int] = {}
    rows = [_record(link, numbers) for link in links]
    names = "".join(f"{link.stop.stop_id}\0{link.stop.owner_id or ''}\0" for link in links)
    legs = [link.leg for link in links if link.leg is not None]
    return PackedStops(
        np.array(rows, dtype=RECORD),
        names.encode(),
        tuple(numbers),
        links[0].previous_id if links else None,
        {leg.version: leg.profile for leg in legs if leg.profile is not None},
    )


def _record(link: LinkedStop, numbers: dict[str, int]) -> tuple[int, ...]:
    stop, leg = link.stop, link.leg
    expires_at = FOR_EVER if stop.expires_at is None else ceil(stop.expires_at.timestamp())
    arrival = (
        (NONE, NONE) if stop.arrival is None else (_second(stop.arrival.start), _second(stop.arrival.end))
    )
    instants = _second(stop.starts_at), _second(stop.ends_at), expires_at, *arrival
    kind = KINDS.index(stop.kind)
    if leg is None:
        return (
            *instants,
            stop.place,
            NOWHERE,
            stop.buffer,
            0,
            0,
            0,
            kind,
            0,
            0,
            numbers.setdefault("", len(numbers)),
        )
    figures = stop.buffer, leg.seconds, leg.free, leg.metres
    codes = kind, SOURCES.index(leg.source) + 1, int(leg.via), numbers.setdefault(leg.version, len(numbers))
    return *instants, stop.place, leg.from_place, *figures, *codes


def _second(moment: datetime) -> int:
    return int(moment.timestamp())


def _moment(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)
