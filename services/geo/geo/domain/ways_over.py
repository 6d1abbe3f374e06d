"""Drives that are kept over places which left the agenda, put together again from the drives on record.

Nobody can measure such a drive anew: where it went over is not on the agenda any more, and some of its parts
were told by data that is gone. But every part was promised once, and what was promised stays on record. So
there is a chain of recorded drives that is no longer than the drive, or it was invented.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from heapq import heappop, heappush

from geo.domain.matrix import is_mixed, versions_within
from geo.domain.profile import Profile
from geo.domain.verification import LegKey, StoredStop, by_the_clock

Recorded = Mapping[int, Collection[LegKey]]
"""Direct drives on record by the place where they begin."""


@dataclass(frozen=True, slots=True)
class WayOver:
    """A drive that is said to go over other places, from `departs` (epoch seconds) on.

    `most` are its seconds: as driven where `mixed` (see `geo.domain.stop.Leg`), else at free flow. `versions`
    are those that its parts may have.
    """

    stop: tuple[str, str]
    origin: int
    target: int
    departs: int
    most: int
    versions: frozenset[str]
    mixed: bool


def ways_over(stops: Iterable[StoredStop], since: datetime) -> list[WayOver]:
    """Those to stops from `since` on."""
    return [
        _way(stop, stop.leg, stop.prev_ends_at)
        for stop in stops
        if stop.leg is not None and stop.leg[3] and stop.prev_ends_at is not None and stop.starts_at >= since
    ]


def _way(stop: StoredStop, leg: LegKey, departs: datetime) -> WayOver:
    mixed = is_mixed(leg[2])
    return WayOver(
        stop=(stop.agent_id, stop.stop_id),
        origin=leg[0],
        target=leg[1],
        departs=int(departs.timestamp()),
        most=leg[4] if mixed else leg[5],
        versions=frozenset(versions_within(leg[2])),
        mixed=mixed,
    )


def reached(way: WayOver, recorded: Recorded, profiles: Mapping[str, Profile]) -> set[int]:
    """The places on recorded drives from the way's origin within its time; with its target, at which it ends,
    the way is on record."""
    best, found = {way.origin: 0}, set[int]()
    heap = [(0, way.origin)]
    while heap and way.target not in found:
        spent, place = heappop(heap)
        if place in found:
            continue
        found.add(place)
        for leg in recorded.get(place, ()):
            there = spent + _seconds(way, spent, leg, profiles)
            if leg[2] in way.versions and there <= way.most and there < best.get(leg[1], there + 1):
                best[leg[1]] = there
                heappush(heap, (there, leg[1]))
    return found


def _seconds(way: WayOver, spent: int, leg: LegKey, profiles: Mapping[str, Profile]) -> int:
    """Of one recorded drive; one second less by a profile, for several together are rounded up but once."""
    profile = profiles.get(leg[2])
    if profile is None or not way.mixed:
        return leg[5]
    return max(0, by_the_clock(profile, way.departs + spent, leg[5]) - 1)
