"""From agendas to duties: what each shift of an agent has, and what bounds it, as the ledger would have
it."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from geo.domain.agenda import Agenda
from geo.domain.calendar import ConcreteShift, frame_to_add, shifts_between
from geo.domain.chain import Segment, Splice, splice
from geo.domain.legs import LegBook, Pair
from geo.domain.stop import DAY_FRAME, NOWHERE, PLACELESS, VISITS, LinkedStop, Stop, StopKind
from geo.domain.tours import Span
from kit.values.window import Window

_SECOND: Final = timedelta(seconds=1)
FAR: Final = 1 << 40
"""An instant after all others."""


@dataclass(frozen=True, slots=True)
class DutyView:
    """One shift. `visits` are the ledger's, in order; the rest as in `tours.Duty`, with places as their
    keys."""

    agenda: Agenda
    shift: ConcreteShift
    visits: tuple[Stop, ...]
    blocks: tuple[Span, ...]
    origin: int
    ready: int
    target: int
    deadline: int


def live(agenda: Agenda, now: datetime) -> list[LinkedStop]:
    """The agenda's stops without the holds whose time is up."""
    return [link for link in agenda.stops if link.stop.expires_at is None or link.stop.expires_at > now]


def duties(agenda: Agenda, span: Window, now: datetime) -> list[DutyView]:
    """The shifts that start in the span and are not over yet."""
    stops = [link.stop for link in live(agenda, now)]
    shifts = shifts_between(agenda.calendar, span.start, span.end)
    return [_view(agenda, shift, stops) for shift in shifts if span.start <= shift.start and shift.end > now]


def _view(agenda: Agenda, shift: ConcreteShift, stops: Sequence[Stop]) -> DutyView:
    touching = _touching(shift, stops)
    items = sorted([*touching, *frame_to_add(shift, touching)], key=lambda stop: stop.starts_at)
    origin, ready = _before(shift, stops, items)
    target, deadline = _after(shift, stops, items)
    return DutyView(
        agenda=agenda,
        shift=shift,
        visits=tuple(s for s in items if s.kind in VISITS and shift.start <= s.starts_at < shift.end),
        blocks=tuple(_span(stop) for stop in items if stop.kind in PLACELESS),
        origin=origin,
        ready=ready,
        target=target,
        deadline=deadline,
    )


def _touching(shift: ConcreteShift, stops: Iterable[Stop]) -> list[Stop]:
    """Stops that share an instant with a shift, a second around it included."""
    lo, hi = shift.start - _SECOND, shift.end + _SECOND
    return [stop for stop in stops if stop.starts_at < hi and lo < stop.ends_at]


def _before(shift: ConcreteShift, stops: Sequence[Stop], items: Sequence[Stop]) -> tuple[int, int]:
    """Where the agent comes from, and since when: the base, else the stop before."""
    base = next((stop for stop in items if stop.kind is StopKind.DAY_START), None)
    earlier = [stop for stop in stops if stop.ends_at <= shift.start]
    last = base or (earlier[-1] if earlier else None)
    return (NOWHERE, 0) if last is None else (last.place, int(last.ends_at.timestamp()))


def _after(shift: ConcreteShift, stops: Sequence[Stop], items: Sequence[Stop]) -> tuple[int, int]:
    """Where the agent has to be, and by when: the base, else the next stop with a place."""
    base = next((stop for stop in items if stop.kind is StopKind.DAY_END), None)
    later = [stop for stop in stops if stop.starts_at >= shift.end and stop.kind not in PLACELESS]
    following = base or (later[0] if later else None)
    if following is None:
        return NOWHERE, FAR
    return following.place, int(following.starts_at.timestamp()) - following.buffer


def _span(stop: Stop) -> Span:
    return int(stop.starts_at.timestamp()), int(stop.ends_at.timestamp())


def promised_drives(agenda: Agenda, now: datetime, leaving: Set[str] = frozenset()) -> dict[Pair, int]:
    """Seconds of the drives to come that the ledger counts on, by their places: between stops that follow
    each other once those in `leaving` are gone. What was driven over stops that are gone can be driven again.
    A drive to a stop that began says nothing of the next: the agent may go by other means since."""
    found: dict[Pair, int] = {}
    origin, driven = NOWHERE, 0
    for link in agenda.stops:
        if link.leg is not None:
            origin = link.leg.from_place if origin == NOWHERE else origin
            driven += link.leg.seconds
        if link.stop.kind in PLACELESS or link.stop.stop_id in leaving:
            continue
        if origin != NOWHERE and link.stop.starts_at > now:
            pair = (origin, link.stop.place)
            found[pair] = min(driven, found.get(pair, driven))
        origin, driven = link.stop.place, 0
    return found


def ledgers_verdict(
    agenda: Agenda, now: datetime, book: LegBook, remove: set[str], insert: Sequence[Stop]
) -> Splice:
    """What the ledger itself would say to these changes of an agenda, its day frames included.

    Raises MissingLegs with the drives it lacks.
    """
    counting = {link.stop.stop_id for link in live(agenda, now)}
    away = [stop for stop in insert if stop.kind is StopKind.ABSENCE]
    gone = remove | {link.stop.stop_id for link in agenda.stops if link.stop.stop_id not in counting}
    gone |= {link.stop.stop_id for link in agenda.stops if _gives_way(link.stop, away)}
    present = [*(link.stop for link in agenda.stops if link.stop.stop_id not in gone), *away]
    frames: dict[str, Stop] = {}
    for stop in insert:
        if stop.kind in VISITS:
            for shift in shifts_between(agenda.calendar, stop.starts_at, stop.ends_at):
                frames |= {part.stop_id: part for part in frame_to_add(shift, _touching(shift, present))}
    return splice(_segment(agenda), book, remove=gone, insert=[*insert, *frames.values()])


def driven(shifts: Sequence[ConcreteShift], chain: Sequence[LinkedStop]) -> int:
    """Seconds driven on these shifts: to their visits, and on from the last one to what comes next."""
    seconds: dict[str, int] = {}
    for shift in shifts:
        visiting = False
        for link in chain:
            stop, leg = link.stop, link.leg
            here = stop.kind in VISITS and shift.start <= stop.starts_at < shift.end
            if (here or visiting) and leg is not None:
                seconds[stop.stop_id] = leg.seconds
            visiting = here or (visiting and stop.kind in PLACELESS)
    return sum(seconds.values())


def _gives_way(stop: Stop, away: Sequence[Stop]) -> bool:
    """A part of a day frame goes where an absence comes, as with `AddAbsence`."""
    meets = any(stop.starts_at < one.ends_at and one.starts_at < stop.ends_at for one in away)
    return stop.kind in DAY_FRAME and meets


def _segment(agenda: Agenda) -> Segment:
    """The agenda as a stretch of the chain: its first stop bounds it, unless it heads the chain."""
    stops = tuple(agenda.stops)
    if stops and stops[0].previous_id is not None:
        return Segment(stops[0], stops[1:])
    return Segment(None, stops)


def by_owner(views: Sequence[DutyView]) -> Mapping[str, tuple[int, Stop]]:
    """The appointments of these duties: the duty's position and the stop, by appointment id."""
    return {
        stop.owner_id: (number, stop)
        for number, view in enumerate(views)
        for stop in view.visits
        if stop.kind is StopKind.APPOINTMENT and stop.owner_id is not None
    }
