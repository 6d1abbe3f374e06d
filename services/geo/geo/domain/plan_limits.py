"""Zones and quotas of planned rounds, by the functions that the ledger itself judges by."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from geo.domain.agenda import Agenda
from geo.domain.calendar import day_around, shift_of
from geo.domain.legs import LegBook, MissingLegs, free_leg
from geo.domain.stop import VISITS, Stop
from geo.domain.zones import OUTSIDE, anchors, in_band, standing
from kit.values.window import Window


@dataclass(frozen=True, slots=True)
class Coming:
    """A visit that a plan puts on an agenda; `place` is a place's key."""

    window: Window
    place: int
    postcode: str = ""


@dataclass(frozen=True, slots=True)
class Stays:
    """An agenda's stops as they are, and those of them that stay."""

    before: Sequence[Stop] = ()
    staying: Sequence[Stop] = ()


def may_serve(agenda: Agenda, place: int, postcode: str) -> bool:
    """Whether the agent's zones may hold a place; where a travel band decides, the drives tell later."""
    return standing(agenda.zones, place, postcode) != OUTSIDE


def room(
    agenda: Agenda, present: Sequence[Stop], span: Window, here: Collection[str]
) -> list[tuple[int, int, int]]:
    """Days that meet a span, as Unix seconds, with how many visits a round of it may have on each.

    `present` are the agent's visits that count, `here` the ids of those on that round now: it may keep as
    many as it has.
    """
    if agenda.quota is None:
        return []
    zone, found, at = agenda.calendar.time_zone, [], span.start
    while at < span.end:
        day = day_around(zone, at)
        starting = [stop for stop in present if day.start <= stop.starts_at < day.end]
        own = sum(stop.stop_id in here for stop in starting)
        left = max(agenda.quota.limit - (len(starting) - own), own)
        found.append((_unix(day.start), _unix(day.end), left))
        at = day.end
    return found


def out_of_zone(agenda: Agenda, present: Sequence[Stop], visit: Coming, book: LegBook) -> bool:
    """Whether a visit lies outside the agent's zones, measured from what stays. Raises MissingLegs."""
    where = standing(agenda.zones, visit.place, visit.postcode)
    if where.inside or where.band is None:
        return not where.inside
    shift = shift_of(agenda.calendar, visit.window)
    around = frozenset[int]() if shift is None else anchors(shift, present)
    asked = {(place, visit.place) for place in around if free_leg(place, visit.place) is None}
    missing = {pair for pair in asked if not book.knows(pair)}
    if missing:
        raise MissingLegs(missing, book.mode)

    def drive(place: int) -> int | None:
        leg = free_leg(place, visit.place) or book.leg((place, visit.place))
        return None if leg is None else leg.free

    return not in_band(where.band, around, drive)


def too_many(agenda: Agenda, stops: Stays, coming: Sequence[Coming]) -> Iterator[bool]:
    """For each visit that comes, in order of its start, whether it makes its day longer than it may be."""
    if agenda.quota is None:
        return
    before, days = _by_day(agenda, stops.before), _by_day(agenda, stops.staying)
    for visit in sorted(coming, key=lambda one: one.window.start):
        day = day_around(agenda.calendar.time_zone, visit.window.start)
        days[day] += 1
        yield days[day] > max(agenda.quota.limit, before[day])


def _by_day(agenda: Agenda, stops: Sequence[Stop]) -> Counter[Window]:
    zone = agenda.calendar.time_zone
    return Counter(day_around(zone, stop.starts_at) for stop in stops if stop.kind in VISITS)


def _unix(moment: datetime) -> int:
    return int(moment.timestamp())
