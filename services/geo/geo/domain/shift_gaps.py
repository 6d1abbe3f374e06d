"""From an agenda to its gaps: the shifts with their bases and breaks, and what lies free between the stops.

A shift whose frame (bases, breaks) is not in the ledger yet gets it here, as its first visit would bring it.
Whether that frame fits between the stops around it is part of each gap: where it does not, the gap has a
fault. Only the drive that the visit itself would replace is left out of that, since a visit may make possible
what the direct road does not.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from itertools import compress
from typing import NamedTuple

import numpy as np

from geo.domain.agenda import Agenda
from geo.domain.calendar import ConcreteShift, frame_to_add
from geo.domain.chain import Segment, splice
from geo.domain.drives import UNREACHABLE
from geo.domain.gaps import FAULTS, FOREVER, NEVER, Gaps, in_order, of_rows
from geo.domain.legs import LegBook, Pair
from geo.domain.packed_stops import Drive, PackedStops, packed
from geo.domain.stop import NOWHERE, PLACELESS, VISITS, LinkedStop, Stop
from geo.domain.swift_gaps import Line, Row, of_empty, of_idle, of_visited
from kit.errors import Reason

_IN, _OUT, _NO_WAY = (FAULTS.index(r) for r in (Reason.TRAVEL_IN, Reason.TRAVEL_OUT, Reason.UNREACHABLE))

_NO_TARGET = (NOWHERE, 0, 0, NOWHERE, 0, 0)


@dataclass(slots=True)
class Known:
    """The legs that were asked for so far; collects the pairs that are missing."""

    book: LegBook
    missing: set[Pair] = field(default_factory=set)

    def drive(self, from_place: int, to_place: int, departs: int) -> int:
        """Seconds of a drive that departs then, UNREACHABLE where there is no way; 0 for now where it has to
        be asked first."""
        pair = from_place, to_place
        if from_place == to_place or NOWHERE in pair:
            return 0
        if not self.book.knows(pair):
            self.missing.add(pair)
            return 0
        leg = self.book.leg(pair)
        if leg is None:
            return UNREACHABLE
        return leg.seconds if leg.profile is None else leg.profile.seconds(departs, leg.free)


class Item(NamedTuple):
    """A stop in Unix seconds. `place` is where the agent is then; `drive` is the stored one to it, or None
    when the stop before it is not the stored one, and `departs` when that begins."""

    start: int
    end: int
    place: int
    buffer: int
    placeless: bool
    framed: bool = False
    visit: bool = False
    drive: Drive | None = None
    departs: int = NEVER


@dataclass(frozen=True, slots=True)
class LiveStops:
    """The stops that count at some instant, in time order.

    Expired holds are taken out as the ledger's sweeper does it. A booking that comes before the sweeper may
    find a little more room around a break that the hold had moved; it never finds less.

    Valid for instants in `[expired_by, expires_at)`.
    """

    packed: PackedStops
    expired_by: int
    expires_at: int

    @property
    def stops(self) -> list[Stop]:
        """The stops themselves, made anew."""
        return [link.stop for link in self.packed]

    @property
    def starts(self) -> list[int]:
        """When they begin, told anew."""
        return self.packed.column("starts_at")

    @property
    def ends(self) -> list[int]:
        """When they end, told anew."""
        return self.packed.column("ends_at")


def live_stops(agenda: Agenda, as_of: int, known: Known) -> LiveStops:
    """The agenda without the holds that expired by `as_of`."""
    stops = packed(agenda.stops)
    expiries = stops.expiries
    gone = expiries <= as_of
    counting = packed(_without(tuple(stops), gone.tolist(), known)) if gone.any() else stops
    return LiveStops(
        packed=counting,
        expired_by=max(expiries[gone].tolist(), default=NEVER),
        expires_at=min(expiries[~gone].tolist(), default=FOREVER),
    )


def gaps_of(live: LiveStops, shifts: Sequence[ConcreteShift], known: Known) -> Gaps:
    """The gaps of these shifts, in order. When `known` misses pairs, fetch them and ask again."""
    line = Line(live.packed)
    spans = line.spans(shifts)
    left = ~(line.visited(spans) & line.linked)
    swift, owners = of_visited(line, spans, np.flatnonzero(~left))
    idle, idlers = of_idle(line, spans, shifts, np.flatnonzero(left))
    left[idlers] = False
    chain, rows, owned = _Chain(live.packed), list[Row](), list[int]()
    for at in np.flatnonzero(left).tolist():
        found = of_empty(line, spans, (shifts[at], at), known.drive)
        touching = int(spans.first[at]), int(spans.last[at])
        rows.extend(_shift_rows(_day(chain, shifts[at], touching, known)) if found is None else found)
        owned.extend([at] * (len(rows) - len(owned)))
    parts = Gaps(swift), Gaps(idle), of_rows(rows)
    return in_order(parts, [owners, idlers, np.array(owned, dtype=np.int64)])


@dataclass(eq=False)
class _Chain:
    """The stops one by one, made when they are needed: few shifts need them."""

    packed: PackedStops

    @cached_property
    def items(self) -> tuple[Item, ...]:
        """All of them, in time order."""
        return tuple(_items(self.packed))


class _Day(NamedTuple):
    """A shift's line of items: all that touches it, and on to the next stop with a place.

    `drives` are the seconds to each item; `broken` are faults by position in the line.
    """

    opens: int
    closes: int
    before: Item | None
    line: list[Item]
    drives: list[int]
    broken: dict[int, tuple[int, int]]


def _day(live: _Chain, shift: ConcreteShift, touching: tuple[int, int], known: Known) -> _Day:
    opens, closes = int(shift.start.timestamp()), int(shift.end.timestamp())
    first, last = touching
    before = live.items[first - 1] if first else None
    end = _past_placed(live.items, last)
    frame = _frame(live, shift, touching)
    line = _with_frame(before, live.items[first:end], frame) if frame else list(live.items[first:end])
    drives = _drives(before, line, known)
    broken = _broken(before, line, drives) if frame else {}
    return _Day(opens, closes, before, line, drives, broken)


def _frame(live: _Chain, shift: ConcreteShift, touching: tuple[int, int]) -> Sequence[Stop]:
    """What the first visit brings along; nothing is asked where there plainly is one."""
    first, last = touching
    opens, closes = int(shift.start.timestamp()), int(shift.end.timestamp())
    if any(item.visit and opens <= item.start < closes for item in live.items[first:last]):
        return ()
    return frame_to_add(shift, [link.stop for link in live.packed[first:last]])


def _shift_rows(day: _Day) -> list[tuple[int, ...]]:
    rows = []
    before = day.before
    for at in range(len(day.line) + 1):
        opens = day.opens if before is None else max(day.opens, before.end)
        closes = day.closes if at == len(day.line) else min(day.closes, day.line[at].start)
        if opens < closes:
            ends = _leaves(day, at), FOREVER
            rows.append((0, opens, closes, *_sides(day, at, before), *_fault(day, at), *ends))
        if at < len(day.line):
            before = day.line[at]
    return rows


def _sides(day: _Day, at: int, before: Item | None) -> tuple[int, ...]:
    """From `ready` to `kept_detour`, in the order of `Gaps`, for the gap before position `at`."""
    ready, origin = (NEVER, NOWHERE) if before is None else (before.end, before.place)
    if at == len(day.line):
        return ready, origin, FOREVER, 1, FOREVER, *_NO_TARGET
    after, where = day.line[at], _placed_from(day.line, at)
    deadline = after.start - after.buffer
    if where == len(day.line):
        return ready, origin, deadline, 0, FOREVER, *_NO_TARGET
    target = day.line[where]
    budget = FOREVER if where == at else target.start - target.buffer - day.line[where - 1].end
    replaced = max(0, day.drives[where])
    drive_out = deadline, int(where == at), budget, target.place, target.buffer
    return ready, origin, *drive_out, replaced, *_kept(after, target, day.drives[where])


def _leaves(day: _Day, at: int) -> int:
    """When the drive out of the gap before position `at` begins: as soon as the breaks after it are over."""
    return day.line[max(at, _placed_from(day.line, at) - 1)].end if at < len(day.line) else FOREVER


def _kept(after: Item, target: Item, seconds: int) -> tuple[int, int, int]:
    """Where a visit leaves the break after it, and the drive behind that, as they are. That drive takes
    `seconds` in this line: a break of the frame may have moved its departure to another hour."""
    if not after.placeless or after.framed or target.drive is None or seconds == UNREACHABLE:
        return NOWHERE, 0, 0
    return after.place, seconds, int(target.drive.via)


def _fault(day: _Day, at: int) -> tuple[int, int]:
    """The first fault that a visit in the gap before position `at` does not lift."""
    if not day.broken:
        return 0, 0
    lifted = _placed_from(day.line, at)
    return next((fault for where, fault in day.broken.items() if where != lifted), (0, 0))


def _with_frame(before: Item | None, items: Sequence[Item], frame: Sequence[Stop]) -> list[Item]:
    """The line with the frame's stops in it; what has no place of its own moves to the stop before.

    A stored drive stays in force as long as no base and no move came in between.
    """
    place = NOWHERE if before is None else before.place
    touched, kept = False, True
    merged: list[Item] = []
    for item in sorted([*items, *map(_framed, frame)], key=lambda item: (item.start, item.end)):
        if item.placeless and (touched or item.framed):
            kept = kept and (item.framed or item.place == place)
            merged.append(item._replace(place=place, drive=None))
        else:
            merged.append(item if kept and not item.framed else item._replace(drive=None))
            kept = not item.framed
        place, touched = merged[-1].place, item.framed or (touched and item.placeless)
    return merged


def _drives(before: Item | None, line: Sequence[Item], known: Known) -> list[int]:
    """Seconds of the drive to each item of the line from the item before it."""
    drives = []
    for item in line:
        drives.append(0 if before is None else _drive(before, item, known))
        before = item
    return drives


def _drive(before: Item, item: Item, known: Known) -> int:
    stored = None if item.drive is None else _stored(item, item.drive, before.end)
    if item.drive is None or stored is None:
        return known.drive(before.place, item.place, before.end)
    if not (item.drive.via and before.framed):
        return stored
    direct = known.drive(before.place, item.place, before.end)
    return stored if direct == UNREACHABLE else min(direct, stored)


def _stored(item: Item, drive: Drive, departs: int) -> int | None:
    """Seconds of the stored drive where a break makes it depart at another instant; None where unknown."""
    if departs == item.departs or drive.leg is None:
        return drive.seconds
    known_at, at = (datetime.fromtimestamp(instant, UTC) for instant in (item.departs, departs))
    moved = drive.leg.moved(known_at, at)
    return None if moved is None else moved.seconds


def _broken(before: Item | None, line: Sequence[Item], drives: Sequence[int]) -> dict[int, tuple[int, int]]:
    """Faults by position in the line: what does not fit once the frame is there."""
    faults: dict[int, tuple[int, int]] = {}
    for at, item in enumerate(line):
        short = 0 if before is None else before.end + drives[at] + item.buffer - item.start
        if drives[at] == UNREACHABLE:
            faults[at] = (_NO_WAY, 0)
        elif short > 0:
            faults[at] = (_IN if item.framed else _OUT, short)
        before = item
    return faults


def _placed_from(line: Sequence[Item], at: int) -> int:
    """Position of the next item with a place of its own, from `at` on; the line's length without one."""
    while at < len(line) and line[at].placeless:
        at += 1
    return at


def _past_placed(items: Sequence[Item], start: int) -> int:
    """Position after the first item from `start` on that has a place of its own."""
    return min(_placed_from(items, start) + 1, len(items))


def _without(links: Sequence[LinkedStop], expired: Sequence[bool], known: Known) -> Sequence[LinkedStop]:
    gone = {link.stop.stop_id for link in compress(links, expired)}
    before, rest = _anchor(links, gone)
    spliced = splice(Segment(before, tuple(rest)), known.book, remove=gone)
    known.missing |= {pair for pair in spliced.wanted if not known.book.knows(pair)}
    return spliced.chain if before is None else (before, *spliced.chain)


def _anchor(links: Sequence[LinkedStop], gone: set[str]) -> tuple[LinkedStop | None, Sequence[LinkedStop]]:
    """The first stop as the fixed one before all others, unless it is the agent's first or goes itself."""
    if links[0].previous_id is None or links[0].stop.stop_id in gone:
        return None, links
    return links[0], links[1:]


def _items(stops: PackedStops) -> Iterator[Item]:
    kinds, ends = stops.kinds(), stops.column("ends_at")
    placeless, visits = [kind in PLACELESS for kind in kinds], [kind in VISITS for kind in kinds]
    columns = stops.column("starts_at"), ends, stops.column("place"), stops.column("buffer"), placeless
    framed = [False] * len(stops)
    return map(Item, *columns, framed, visits, stops.drives(), [NEVER, *ends])


def _framed(stop: Stop) -> Item:
    start, end = int(stop.starts_at.timestamp()), int(stop.ends_at.timestamp())
    return Item(start, end, stop.place, stop.buffer, placeless=stop.kind in PLACELESS, framed=True)
