"""What limits the agents of random worlds besides their time, judged by hand: what search is held against.

Nothing here uses the functions that the product judges by, except to make what it is asked about.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from geo.domain.areas import Area
from geo.domain.calendar import ConcreteShift, shift_of
from geo.domain.legs import LegBook
from geo.domain.quotas import Quota
from geo.domain.stop import VISITS, Stop
from geo.domain.zones import Ground
from kit.errors import Reason
from kit.values.window import Window

_WEST, _SOUTH = -180_000_000, -90_000_000
"""Where the places of small worlds, 0, 1, 2, …, lie side by side, a millionth of a degree apart."""


@dataclass(frozen=True)
class Fence:
    """A zone of one kind: the places from one to another as an area, postcodes, or a travel band."""

    places: tuple[int, int] | None = None
    codes: frozenset[str] = frozenset()
    band: int | None = None

    def holds(self, place: int, postcode: str) -> bool:
        inside = self.places is not None and self.places[0] <= place <= self.places[1]
        return inside or postcode in self.codes

    @property
    def ground(self) -> Ground:
        return Ground(self._area(), self.codes, self.band)

    def _area(self) -> Area | None:
        """A trapezium whose lower edge, which belongs to it, goes from the first place to the last."""
        if self.places is None:
            return None
        first, last = (_WEST + place for place in self.places)
        above = _SOUTH + 7
        ring = [(first, _SOUTH), (last, _SOUTH), (last + 3, above), (first - 3, above), (first, _SOUTH)]
        return Area.of((((*dict.fromkeys(ring), (first, _SOUTH)),),))


@dataclass(frozen=True)
class Rules:
    """An agent's zones and quota; `most` 0 for none."""

    fences: tuple[Fence, ...] = ()
    most: int = 0
    percent: int = 100

    @property
    def quota(self) -> Quota | None:
        return Quota(self.most, self.percent) if self.most else None

    def zone_refuses(self, place: int, postcode: str) -> bool:
        """Whether no zone can hold the place, whatever the agent does."""
        if not self.fences or any(fence.holds(place, postcode) for fence in self.fences):
            return False
        return all(fence.band is None for fence in self.fences)

    def band_refuses(
        self, where: tuple[int, str], shift: ConcreteShift, stops: list[Stop], book: LegBook
    ) -> bool:
        """Whether the place is too far from all that the shift has."""
        place, postcode = where
        if not self.fences or any(fence.holds(place, postcode) for fence in self.fences):
            return False
        around = [base for base in (shift.start_base, shift.end_base) if base is not None]
        around += [s.place for s in stops if s.kind in VISITS and shift.start <= s.starts_at < shift.end]
        widest = max(fence.band for fence in self.fences if fence.band is not None)
        return bool(around) and not any(_within(book, (one, place), widest) for one in around)

    def full_days(self, zone: ZoneInfo, stops: list[Stop]) -> set[date]:
        """Days on which no further visit may start."""
        if not self.most:
            return set()
        days = [stop.starts_at.astimezone(zone).date() for stop in stops if stop.kind in VISITS]
        return {day for day in days if days.count(day) * 100 >= self.most * self.percent}


def _within(book: LegBook, pair: tuple[int, int], seconds: int) -> bool:
    if pair[0] == pair[1]:
        return True
    leg = book.leg(pair)
    return leg is not None and leg.free <= seconds


def refused_by_rule(diary: object, wish: object, start: datetime) -> Reason | None:
    """Why an agent may not take a visit then, before any drive is looked at, in the ledger's order."""
    lacks = wish.skills - diary.skills  # type: ignore[attr-defined]
    rules: Rules = diary.rules  # type: ignore[attr-defined]
    where = wish.place, wish.postcode  # type: ignore[attr-defined]
    if lacks:
        return Reason.NO_SKILL
    if rules.zone_refuses(*where):
        return Reason.OUTSIDE_ZONE
    window = Window(start, start + timedelta(seconds=wish.duration))  # type: ignore[attr-defined]
    shift = shift_of(diary.calendar, window)  # type: ignore[attr-defined]
    if shift is None:
        return Reason.OUTSIDE_SHIFT
    stops = [linked.stop for linked in diary.chain]  # type: ignore[attr-defined]
    if rules.band_refuses(where, shift, stops, diary.book):  # type: ignore[attr-defined]
        return Reason.OUTSIDE_ZONE
    zone = ZoneInfo(diary.calendar.time_zone)  # type: ignore[attr-defined]
    return Reason.QUOTA if start.astimezone(zone).date() in rules.full_days(zone, stops) else None
