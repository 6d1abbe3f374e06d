"""A promised drive, and whether present travel data would still allow it (R-089)."""

from dataclasses import dataclass, replace
from datetime import datetime

from geo.domain.legs import Pair
from geo.domain.matrix import engine_of
from geo.domain.stop import Leg, TravelSource


@dataclass(frozen=True, slots=True)
class Promise:
    """Two consecutive stops with the leg that was promised; owners are empty for bases and breaks."""

    agent_id: str
    earlier_stop_id: str
    later_stop_id: str
    earlier_owner_id: str
    later_owner_id: str
    earlier_ends_at: datetime
    later_starts_at: datetime
    buffer: int
    leg: Leg

    @property
    def pair(self) -> Pair:
        """The places driven between."""
        return self.leg.from_place, self.leg.to_place


@dataclass(frozen=True, slots=True)
class InfeasiblePair:
    """A promise that no longer fits; `present` is None, and 0 seconds are missing, where there is no way."""

    promise: Promise
    present: Leg | None
    short_seconds: int


def doubtful(promise: Promise, version: str, present: Leg | None) -> bool:
    """Whether present data, of this version, can differ from what was promised.

    A leg of the engine that is in use still, where the matrix has no entry, says what it said, unless the
    hours of the week have other speeds now. That leaves a way over a removed place alone as well: it can be
    driven as it was.
    """
    leg = promise.leg
    same_engine = engine_of(leg.version) == engine_of(version)
    matrix = TravelSource.MATRIX in (leg.source, present.source if present else TravelSource.MATRIX)
    return matrix or not same_engine or leg.mixed or leg.profile != (present and present.profile)


def at_present(promise: Promise, version: str, told: Leg | None) -> Leg | None:
    """The drive as it is now for who leaves when it was promised, given what present data of this version
    tell: where a way over a removed place is shorter, and known by the same roads still, that one."""
    leg = promise.leg
    direct = None if told is None else told.departing(promise.earlier_ends_at)
    if told is None or direct is None or not leg.via or TravelSource.MATRIX in (leg.source, told.source):
        return direct
    if engine_of(leg.version) != engine_of(version):
        return direct
    over = replace(leg, seconds=leg.free, free_seconds=None, profile=told.profile, mixed=False)
    over = replace(over, version=version).departing(promise.earlier_ends_at)
    return min(direct, over, key=lambda one: one.seconds)


def judged(promise: Promise, present: Leg | None) -> InfeasiblePair | None:
    """What is missing with the drive as it is now; None where the promise still fits."""
    if present is None:
        return InfeasiblePair(promise, None, 0)
    gap = int((promise.later_starts_at - promise.earlier_ends_at).total_seconds())
    short = present.seconds + promise.buffer - gap
    return InfeasiblePair(promise, present, short) if short > 0 else None
