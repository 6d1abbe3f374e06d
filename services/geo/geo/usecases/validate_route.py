"""Tells everything that is wrong with a given round, with amounts (GEO-24). No solver is asked."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise, permutations
from typing import Final

from geo.domain import errors
from geo.domain.agenda import Agenda
from geo.domain.calendar import ConcreteShift, shift_of, shifts_between
from geo.domain.duties import live
from geo.domain.legs import LegBook, Pair, free_leg
from geo.domain.plan_limits import Coming, Stays, out_of_zone, too_many
from geo.domain.stop import NOWHERE, Stop, StopKind
from geo.storage import agendas
from geo.usecases.ledger import Ledger
from kit.errors import InvalidInput, Reason
from kit.values.window import Window

LONGEST_ROUND: Final = timedelta(days=62)
"""From the first start to the last end; every shift and break in between is looked at."""

_LOOK_BACK: Final = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class RouteStop:
    """A visit of the round. `promised` empty: any time; `place` is a place's key, `buffer` in seconds."""

    reference: str
    place: int
    window: Window
    promised: tuple[Window, ...] = ()
    skills: tuple[str, ...] = ()
    buffer: int = 0
    postcode: str = ""


@dataclass(frozen=True, slots=True)
class ValidateRoute:
    """The visits in the order of the round; `travel_limit` in seconds a shift."""

    agent_id: str
    stops: tuple[RouteStop, ...]
    travel_limit: int | None = None


@dataclass(frozen=True, slots=True)
class RouteFault:
    """`reference` is empty for the way back and for a shift's driving time; `seconds` 0 where there is no
    amount."""

    reference: str
    reason: Reason
    seconds: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong, the driving time of the whole round in seconds, and the version of its legs."""

    faults: tuple[RouteFault, ...]
    travel: int
    travel_version: str


@dataclass(frozen=True, slots=True)
class _Day:
    """One shift with the visits that begin in it."""

    shift: ConcreteShift
    stops: tuple[RouteStop, ...]

    @property
    def legs(self) -> list[Pair]:
        places = [self.shift.start_base, *(stop.place for stop in self.stops), self.shift.end_base]
        return list(pairwise(NOWHERE if place is None else place for place in places))

    @property
    def around(self) -> set[Pair]:
        """The drives that a travel band is measured by: to each visit from everywhere else."""
        bases = {base for base in (self.shift.start_base, self.shift.end_base) if base is not None}
        return set(permutations(bases | {stop.place for stop in self.stops}, 2))


async def validate_route(ledger: Ledger, tenant: str, command: ValidateRoute) -> Verdict:
    """Everything that is wrong.

    Raises InvalidInput for a round of more than 62 days, NotFound for an unknown agent, Unavailable without
    travel times.
    """
    first = min(stop.window.start for stop in command.stops)
    _check_length(command.stops, first)
    async with ledger.db.uow(tenant) as tx:
        found = await agendas.read_agendas(tx, [command.agent_id], first - _LOOK_BACK)
        now = await tx.now()
    if command.agent_id not in found:
        raise errors.not_found("agent", command.agent_id, "agent_id")
    agenda = found[command.agent_id]
    days = _days(agenda, command.stops)
    pairs = {pair for day in days for pair in day.legs} | set(pairwise(stop.place for stop in command.stops))
    if any(ground.band is not None for ground in agenda.zones):
        pairs |= {pair for day in days for pair in day.around}
    asked = {pair for pair in pairs if free_leg(*pair) is None}
    travel = ledger.travel.of(agenda.mode)
    book = await travel.legs(tenant, asked) if asked else LegBook(await travel.version(tenant))
    absences = [link.stop for link in live(agenda, now) if link.stop.kind is StopKind.ABSENCE]
    away = [Window(stop.starts_at, stop.ends_at) for stop in absences]
    faults = [*_of_stops(agenda, command.stops, away), *_between(agenda, command.stops, book, away)]
    faults += _of_limits(agenda, command.stops, book)
    for day in days:
        faults += _of_day(agenda, day, book, (away, command.travel_limit))
    order = {stop.reference: at for at, stop in enumerate(command.stops)}
    faults.sort(key=lambda fault: order.get(fault.reference, len(order)))
    driven = sum(_driven(day, book) for day in days)
    return Verdict(tuple(faults), driven, book.version)


def _check_length(stops: Sequence[RouteStop], first: datetime) -> None:
    for index, stop in enumerate(stops):
        if stop.window.end - first > LONGEST_ROUND:
            message = f"ends more than {LONGEST_ROUND.days} days after the round's first start"
            raise InvalidInput(Reason.INVALID_FIELD, message, field=f"stops[{index}].window")


def _days(agenda: Agenda, stops: Sequence[RouteStop]) -> list[_Day]:
    """The shifts that visits begin in, in order."""
    days: dict[ConcreteShift, list[RouteStop]] = {}
    for stop in stops:
        second = Window(stop.window.start, stop.window.start + timedelta(seconds=1))
        shift = shift_of(agenda.calendar, second)
        if shift is not None:
            days.setdefault(shift, []).append(stop)
    return [_Day(shift, tuple(found)) for shift, found in days.items()]


def _of_stops(agenda: Agenda, stops: Sequence[RouteStop], away: Sequence[Window]) -> Iterator[RouteFault]:
    """Faults of each visit by itself."""
    for stop in stops:
        for skill in stop.skills:
            if skill not in agenda.skills:
                yield RouteFault(stop.reference, Reason.NO_SKILL)
        if shift_of(agenda.calendar, stop.window) is None:
            yield RouteFault(stop.reference, Reason.OUTSIDE_SHIFT, _outside(agenda, stop.window))
        for rest in _breaks(agenda, stop.window):
            yield RouteFault(stop.reference, Reason.ON_BREAK, _shared(stop.window, rest))
        for gone in away:
            if _shared(stop.window, gone) > 0:
                yield RouteFault(stop.reference, Reason.ABSENT, _shared(stop.window, gone))
        missed = _missed(stop)
        if missed:
            yield RouteFault(stop.reference, Reason.OUTSIDE_WINDOWS, missed)


def _of_limits(agenda: Agenda, stops: Sequence[RouteStop], book: LegBook) -> Iterator[RouteFault]:
    """Visits outside the agent's zones, measured from the rest of the round, and those too many for a day."""
    there = {stop.reference: _as_stop(stop) for stop in stops}
    for stop in stops:
        rest = [other for reference, other in there.items() if reference != stop.reference]
        if out_of_zone(agenda, rest, Coming(stop.window, stop.place, stop.postcode), book):
            yield RouteFault(stop.reference, Reason.OUTSIDE_ZONE)
    in_order = sorted(stops, key=lambda stop: stop.window.start)
    coming = [Coming(stop.window, stop.place) for stop in in_order]
    for stop, crowded in zip(in_order, too_many(agenda, Stays(), coming), strict=False):
        if crowded:
            yield RouteFault(stop.reference, Reason.QUOTA)


def _as_stop(stop: RouteStop) -> Stop:
    start, end = stop.window.start, stop.window.end
    return Stop(stop.reference, StopKind.APPOINTMENT, start, end, stop.place, owner_id=stop.reference)


def _outside(agenda: Agenda, window: Window) -> int:
    """Seconds of the window outside of the agent's shifts."""
    shifts = shifts_between(agenda.calendar, window.start, window.end)
    return _length(window) - sum(_shared(window, shift.window) for shift in shifts)


def _breaks(agenda: Agenda, window: Window) -> list[Window]:
    shifts = shifts_between(agenda.calendar, window.start, window.end)
    return [rest for shift in shifts for rest in shift.breaks if _shared(window, rest) > 0]


def _missed(stop: RouteStop) -> int:
    """Seconds outside of the nearest promised window: negative when too early; 0 when one is kept."""
    best = 0
    for number, window in enumerate(stop.promised):
        early = _apart(stop.window.start, window.start)
        late = _apart(window.end, stop.window.end)
        amount = late if late >= early else -early
        if number == 0 or abs(amount) < abs(best):
            best = amount
    return best


def _between(
    agenda: Agenda, stops: Sequence[RouteStop], book: LegBook, away: Sequence[Window]
) -> Iterator[RouteFault]:
    """Whether each visit is reached from the one before, over the whole round."""
    for earlier, later in pairwise(stops):
        if later.window.start < earlier.window.end:
            short = _apart(later.window.start, earlier.window.end)
            yield RouteFault(later.reference, Reason.SLOT_TAKEN, short)
            continue
        rests = _rests(agenda, Window(earlier.window.end, later.window.start), away)
        yield from _reached(agenda, later, book, (earlier.place, max([earlier.window.end, *rests])))


def _reached(
    agenda: Agenda, stop: RouteStop, book: LegBook, since: tuple[int, datetime]
) -> Iterator[RouteFault]:
    """Whether a visit is reached, with the buffer kept, by who is free at a place since an instant."""
    place, free = since
    drive = _seconds(book, (place, stop.place), free)
    if drive is None:
        yield RouteFault(stop.reference, Reason.UNREACHABLE)
        return
    short = drive + max(agenda.buffer, stop.buffer) - _apart(free, stop.window.start)
    if short > 0:
        yield RouteFault(stop.reference, Reason.TRAVEL_IN, short)


def _rests(agenda: Agenda, gap: Window, away: Sequence[Window]) -> list[datetime]:
    """Ends of the breaks and absences in a gap: the drive comes after them."""
    inside = (*_breaks(agenda, gap), *away)
    return [rest.end for rest in inside if gap.start <= rest.start and rest.end <= gap.end]


def _of_day(
    agenda: Agenda, day: _Day, book: LegBook, limits: tuple[Sequence[Window], int | None]
) -> Iterator[RouteFault]:
    """The way out, the way back, and how long the shift drives."""
    away, travel_limit = limits
    first, last = day.stops[0], day.stops[-1]
    if day.shift.start_base is not None and day.shift.start < first.window.start:
        rests = _rests(agenda, Window(day.shift.start, first.window.start), away)
        yield from _reached(agenda, first, book, (day.shift.start_base, max([day.shift.start, *rests])))
    if day.shift.end_base is not None and last.window.end <= day.shift.end:
        yield from _home(agenda, day, book, away)
    travel = _driven(day, book)
    if travel_limit is not None and travel > travel_limit:
        yield RouteFault("", Reason.TRAVEL_LIMIT, travel - travel_limit)


def _home(agenda: Agenda, day: _Day, book: LegBook, away: Sequence[Window]) -> Iterator[RouteFault]:
    last = day.stops[-1]
    gap = Window(last.window.end, day.shift.end) if last.window.end < day.shift.end else None
    rests = [] if gap is None else _rests(agenda, gap, away)
    free = max([last.window.end, *rests])
    drive = _seconds(book, day.legs[-1], free)
    if drive is None:
        yield RouteFault("", Reason.UNREACHABLE)
        return
    short = drive - _apart(free, day.shift.end)
    if short > 0:
        yield RouteFault("", Reason.TRAVEL_OUT, short)


def _driven(day: _Day, book: LegBook) -> int:
    """Seconds driven in a shift, each drive right after what comes before it."""
    departures = [day.shift.start, *(stop.window.end for stop in day.stops)]
    return sum(_seconds(book, pair, at) or 0 for pair, at in zip(day.legs, departures, strict=True))


def _seconds(book: LegBook, pair: Pair, at: datetime) -> int | None:
    """Seconds of a drive that departs then; None where there is no way."""
    leg = free_leg(*pair) or book.leg(pair)
    return None if leg is None else leg.departing(at).seconds


def _apart(start: datetime, end: datetime) -> int:
    return int((end - start).total_seconds())


def _length(window: Window) -> int:
    return _apart(window.start, window.end)


def _shared(one: Window, other: Window) -> int:
    """Seconds that two windows have in common."""
    return max(0, _apart(max(one.start, other.start), min(one.end, other.end)))
