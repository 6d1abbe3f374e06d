"""Zones: where an agent works (R-090). A visit has to lie in one of the agent's zones, if there are any.

A zone is an area, a set of postcodes, or a travel band: the places within so many seconds' drive from where
the agent is in that shift anyway, the shift's bases and its booked visits. A shift that has neither takes
its first visit anywhere. Drives count at free flow, so that a zone is the same at every hour. Search and
ledger judge by the functions of this file.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from geo.domain.areas import Area, Polygons
from geo.domain.calendar import ConcreteShift
from geo.domain.stop import VISITS, Stop


@dataclass(frozen=True, slots=True)
class Zone:
    """A zone as it is told; exactly one of `polygons`, `postcodes` and `band` (seconds) is set.

    Without an id it is a new one.
    """

    zone_id: str
    name: str
    polygons: Polygons = ()
    postcodes: tuple[str, ...] = ()
    band: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """What judges places for a zone; exactly one of the three is set."""

    area: Area | None = None
    postcodes: frozenset[str] = frozenset()
    band: int | None = None

    def holds(self, place: int, postcode: str) -> bool:
        """Whether the zone holds the place whatever the agent does; a travel band never tells by itself."""
        return postcode in self.postcodes or (self.area is not None and self.area.covers(place))


NOTHING: Final = Ground()
"""Holds no place: what an agent's zone is that is not there any more."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a place stands to an agent's zones: inside, outside, or (with `band` in seconds) as the drives
    tell."""

    inside: bool
    band: int | None = None


INSIDE: Final = Standing(inside=True)
OUTSIDE: Final = Standing(inside=False)


def fitting(weights: Sequence[int], most: int) -> int:
    """How many of these, from the first on, weigh at most so much together; one at least, if there is one."""
    total = 0
    for count, weight in enumerate(weights):
        total += weight
        if total > most and count:
            return count
    return len(weights)


def plain_postcode(text: str) -> str:
    """A postcode as it is compared: upper case, without spaces."""
    return "".join(text.split()).upper()


def standing(zones: Sequence[Ground], place: int, postcode: str) -> Standing:
    """How a place, with its postcode if that is known, stands to an agent's zones."""
    if not zones or any(zone.holds(place, postcode) for zone in zones):
        return INSIDE
    bands = [zone.band for zone in zones if zone.band is not None]
    return Standing(inside=False, band=max(bands)) if bands else OUTSIDE


def anchors(shift: ConcreteShift, stops: Iterable[Stop], leaving: Collection[str] = ()) -> frozenset[int]:
    """The places that a travel band is measured from; `leaving` are stops, by owner, that do not count."""
    bases = {base for base in (shift.start_base, shift.end_base) if base is not None}
    visits = {
        stop.place
        for stop in stops
        if stop.kind in VISITS and shift.start <= stop.starts_at < shift.end and stop.owner_id not in leaving
    }
    return frozenset(bases | visits)


def in_band(band: int, around: Collection[int], drive: Callable[[int], int | None]) -> bool:
    """Whether a place is within `band` seconds of one of these; `drive` gives the seconds from a place, None
    without a way."""
    if not around:
        return True
    return any((seconds := drive(place)) is not None and seconds <= band for place in around)
