"""The travel guarantee (R-087) recomputed from the stops alone, apart from the code that writes them.

It orders the stops itself, looks the legs up itself and believes no stored link, nor a drive to come that the
data in use would tell longer. Where drives take another time at each hour it drives them itself, by the clock
on the wall, a quarter of an hour at a time.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

from geo.domain.legs import Pair, free_leg
from geo.domain.matrix import is_mixed
from geo.domain.modes import TravelMode
from geo.domain.profile import Profile

LegKey = tuple[int, int, str, bool, int, int]
"""From place, to place, version, via, seconds, those at free flow: what a promised leg is known by."""

Trip = tuple[TravelMode, Pair]
"""A drive between two places by one mode."""

_QUARTER: Final = 900
"""Seconds; every zone's hours begin on a quarter of an hour."""

_PART: Final = 50
"""Pairs that are looked at without a pause: a millisecond or less."""


@dataclass(frozen=True, slots=True)
class StoredStop:
    """A stop's row, nothing derived."""

    agent_id: str
    stop_id: str
    owner_id: str
    starts_at: datetime
    ends_at: datetime
    place: int
    buffer: int
    prev_id: str | None
    prev_ends_at: datetime | None
    prev_place: int | None
    leg: LegKey | None
    mode: TravelMode = TravelMode.CAR
    """How the agent travels."""
    kind: str = ""
    """What occupies the time, for people; the check does not ask."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken promise between two consecutive stops: OVERLAP, TRAVEL, CHAIN or LEG."""

    agent_id: str
    earlier_owner_id: str
    later_owner_id: str
    kind: str
    short_seconds: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """What was looked at and what is broken."""

    agents: int
    stops: int
    pairs: int
    violations: tuple[Violation, ...]

    def with_more(self, other: "Report") -> "Report":
        """Both, of other agents each."""
        counts = self.agents + other.agents, self.stops + other.stops, self.pairs + other.pairs
        return Report(*counts, self.violations + other.violations)


def consecutive(stops: Iterable[StoredStop]) -> list[tuple[StoredStop, StoredStop]]:
    """The pairs of stops that follow each other on one agent, by time."""
    ordered = sorted(stops, key=lambda s: (s.agent_id, s.starts_at, s.ends_at, s.stop_id))
    return [(a, b) for a, b in pairwise(ordered) if a.agent_id == b.agent_id]


def unrecorded(stops: Sequence[StoredStop]) -> set[Trip]:
    """Drives between neighbours for which the later stop names no leg: only an engine can tell those."""
    return {
        (b.mode, (a.place, b.place))
        for a, b in consecutive(stops)
        if free_leg(a.place, b.place) is None and (b.leg is None or b.leg[:2] != (a.place, b.place))
    }


def to_remeasure(stops: Iterable[StoredStop], version: str, since: datetime) -> set[LegKey]:
    """Direct drives to stops from `since` on that this version of the travel data is said to have told."""
    legs = {stop.leg for stop in stops if stop.leg is not None and stop.starts_at >= since}
    return {leg for leg in legs if leg[2:4] == (version, False) and free_leg(*leg[:2]) is None}


def by_other_modes(
    stops: Iterable[StoredStop], versions: Mapping[TravelMode, str], since: datetime
) -> set[tuple[str, str]]:
    """Stops from `since` on, by agent and id, to which a drive is promised by the data in use of another mode
    than the agent's."""
    others = {mode: set(versions.values()) - {versions.get(mode)} for mode in TravelMode}
    return {
        (stop.agent_id, stop.stop_id)
        for stop in stops
        if stop.leg is not None and stop.starts_at >= since and stop.leg[2] in others[stop.mode]
    }


@dataclass(frozen=True, slots=True)
class Evidence:
    """What stops are held against.

    `known` are the legs that are recorded as they were told; `engine` tells seconds for the drives of
    `unrecorded`, None for no way; `profiles` are those of the legs' versions that have one; `astray` are the
    stops of `by_other_modes`, and those reached by a way over other places that no recorded drives make up.
    """

    known: Mapping[LegKey, object]
    engine: Mapping[Trip, int | None]
    profiles: Mapping[str, Profile]
    astray: Set[tuple[str, str]] = frozenset()


def verify(stops: Sequence[StoredStop], evidence: Evidence) -> Iterator[Report]:
    """Checks every agent's whole timeline, some pairs at a time: the reports make up one."""
    pairs = consecutive(stops)
    heads = {stop.agent_id: stop for stop in sorted(stops, key=lambda s: s.starts_at, reverse=True)}
    found = [broken for head in heads.values() for broken in _head(head)]
    yield Report(len(heads), len(stops), 0, tuple(found))
    for at in range(0, len(pairs), _PART):
        some = pairs[at : at + _PART]
        broken = [one for earlier, later in some for one in broken_between(earlier, later, evidence)]
        yield Report(0, 0, len(some), tuple(broken))


def _head(stop: StoredStop) -> list[Violation]:
    return [] if stop.prev_id is None else [Violation(stop.agent_id, stop.prev_id, stop.owner_id, "CHAIN")]


def broken_between(earlier: StoredStop, later: StoredStop, evidence: Evidence) -> list[Violation]:
    """What is broken between two stops that follow each other."""

    def broken(kind: str, short: int = 0) -> Violation:
        return Violation(earlier.agent_id, earlier.owner_id, later.owner_id, kind, short)

    found = []
    gap = int((later.starts_at - earlier.ends_at).total_seconds())
    if gap < 0:
        found.append(broken("OVERLAP", -gap))
    link = (later.prev_id, later.prev_ends_at, later.prev_place)
    if link != (earlier.stop_id, earlier.ends_at, earlier.place):
        found.append(broken("CHAIN"))
    if not _is_leg(later, evidence):
        found.append(broken("LEG"))
    drive = drive_between(earlier, later, evidence)
    if gap >= 0 and (drive is None or drive + later.buffer > gap):
        found.append(broken("TRAVEL", 0 if drive is None else drive + later.buffer - gap))
    return found


def _is_leg(later: StoredStop, evidence: Evidence) -> bool:
    """Whether the drive to a stop is one that was recorded, as it was told, and by the agent's own mode."""
    if later.leg is None or later.leg not in evidence.known or not _as_told(later.leg, evidence):
        return False
    return (later.agent_id, later.stop_id) not in evidence.astray


def _as_told(leg: LegKey, evidence: Evidence) -> bool:
    """Whether a leg without a profile takes as long as at free flow."""
    return leg[4] == leg[5] or leg[2] in evidence.profiles or is_mixed(leg[2])


def drive_between(earlier: StoredStop, later: StoredStop, evidence: Evidence) -> int | None:
    """Seconds from one to the other, leaving when the earlier stop ends: promised ones where the later stop
    names them, else the engine's."""
    if free_leg(earlier.place, later.place) is not None:
        return 0
    if later.leg is None or later.leg[:2] != (earlier.place, later.place):
        return evidence.engine.get((later.mode, (earlier.place, later.place)))
    profile = evidence.profiles.get(later.leg[2])
    if profile is None:
        return later.leg[4]
    return max(later.leg[4], by_the_clock(profile, int(earlier.ends_at.timestamp()), later.leg[5]))


def by_the_clock(profile: Profile, departs: int, free: int) -> int:
    """Seconds of a drive that departs then."""
    at, left = departs, free * 100
    while left > 0:
        speed = _speed(profile, at // _QUARTER * _QUARTER)
        until = at - at % _QUARTER + _QUARTER
        if left <= speed * (until - at):
            return at - departs - -left // speed
        left -= speed * (until - at)
        at = until
    return at - departs


@lru_cache(maxsize=65536)
def _speed(profile: Profile, at: int) -> int:
    wall = datetime.fromtimestamp(at, UTC).astimezone(ZoneInfo(profile.time_zone))
    return profile.speeds[(wall.isoweekday() - 1) * 24 + wall.hour]
