"""Gaps of most shifts, many at a time: those that have a visit, and those that have nothing at all.

What `shift_gaps` says of them one by one, stop by stop, is said here of all shifts of an agent in a few steps
over columns: tens of thousands of agents are asked about for the first time within one call. A shift with
stops but no visit, or whose frame does not fit, is left to `shift_gaps`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Final

import numpy as np

from geo.domain.calendar import ConcreteShift
from geo.domain.drives import UNREACHABLE
from geo.domain.gaps import FOREVER, NEVER, WIDTH
from geo.domain.packed_stops import PackedStops
from geo.domain.places import Bools, Ints
from geo.domain.stop import NOWHERE

Row = tuple[int, ...]
"""A gap: the columns of `Gaps` in their order."""
Drive = Callable[[int, int, int], int]
"""Seconds of a drive from a place to a place that departs at an instant, as `Known.drive`."""

_FIRST: Final = np.array([NEVER])
_ELSEWHERE: Final = NOWHERE - 1


@dataclass(frozen=True, slots=True)
class Spans:
    """Shifts in order, in Unix seconds; `first` and `last` are the positions of the stops that touch each,
    the last one not included."""

    opens: Ints
    closes: Ints
    first: Ints
    last: Ints


@dataclass(eq=False)
class Line:
    """An agent's stops as columns, instants in Unix seconds."""

    stops: PackedStops

    @cached_property
    def starts(self) -> Ints:
        """When they begin."""
        return self._column("starts_at")

    @cached_property
    def ends(self) -> Ints:
        """When they end."""
        return self._column("ends_at")

    @cached_property
    def places(self) -> Ints:
        """Where the agent is at each."""
        return self._column("place")

    @cached_property
    def buffers(self) -> Ints:
        """Kept before each."""
        return self._column("buffer")

    @cached_property
    def driven(self) -> Ints:
        """Seconds of the stored drive to each; 0 to the first, which nothing here comes before."""
        seconds: Ints = self._column("seconds") * (self.stops.records["source"] != 0)
        seconds[:1] = 0
        return seconds

    @property
    def linked(self) -> bool:
        """Whether the drive to each stop is stored, but for the first."""
        return bool(self.stops.records["source"][1:].all())

    @cached_property
    def placed(self) -> Bools:
        """Which have a place of their own."""
        return ~self.stops.placeless

    @cached_property
    def placed_from(self) -> Ints:
        """Of each position the first with a place of its own from there on; their number without one. One
        value more than there are stops."""
        many = len(self.stops)
        own = np.append(np.where(self.placed, np.arange(many), many), many)
        return np.minimum.accumulate(own[::-1])[::-1]

    def spans(self, shifts: Sequence[ConcreteShift]) -> Spans:
        """The shifts beside the stops."""
        opens = np.array([int(shift.start.timestamp()) for shift in shifts], dtype=np.int64)
        closes = np.array([int(shift.end.timestamp()) for shift in shifts], dtype=np.int64)
        first, last = self.ends.searchsorted(opens, "left"), self.starts.searchsorted(closes, "right")
        return Spans(opens, closes, first, last)

    def visited(self, spans: Spans) -> Bools:
        """Which of the shifts have a visit, so that their frame is what stands in the ledger."""
        visits = self.starts[self.stops.visits]
        found: Bools = visits.searchsorted(spans.opens, "left") < visits.searchsorted(spans.closes, "left")
        return found

    def _column(self, name: str) -> Ints:
        column: Ints = self.stops.records[name].astype(np.int64)
        return column


def of_visited(line: Line, spans: Spans, which: Ints) -> tuple[Ints, Ints]:
    """The gaps of the shifts at these positions, which have visits, as columns; and each one's shift."""
    many, last = len(line.stops), spans.last[which]
    counts = last - spans.first[which] + 1
    shift = which.repeat(counts)
    # a gap lies before each stop that touches the shift, and one behind the last of them
    at = np.arange(len(shift)) - (np.cumsum(counts) - counts).repeat(counts) + spans.first[shift]
    ready = np.concatenate([_FIRST, line.ends])[at]
    opens = np.maximum(spans.opens[shift], ready)
    closes = np.minimum(spans.closes[shift], np.append(line.starts, FOREVER)[at])
    free = opens < closes
    at, shift = at[free], shift[free]
    table = np.zeros((WIDTH, len(at)), dtype=np.int64)
    table[1], table[2], table[3] = opens[free], closes[free], ready[free]
    table[4] = np.concatenate([[NOWHERE], line.places])[at]
    _ways_out(line, at, table)
    table[6, at == many] = 1
    table[17] = FOREVER
    return table, shift


def _ways_out(line: Line, at: Ints, table: Ints) -> None:
    """Fills in what comes behind the gaps before these positions."""
    many = len(line.stops)
    table[5] = table[7] = table[16] = FOREVER
    table[8] = table[11] = NOWHERE
    to = line.placed_from[at]
    with_stop, with_place = np.flatnonzero(at < many), np.flatnonzero(to < many)
    after = at[with_stop]
    table[5, with_stop] = line.starts[after] - line.buffers[after]
    table[16, with_stop] = line.ends[np.maximum(after, to[with_stop] - 1)]
    after, to = at[with_place], to[with_place]
    table[6, with_place] = direct = to == after
    left = line.starts[to] - line.buffers[to] - line.ends[to - 1]
    table[7, with_place] = np.where(direct, FOREVER, left)
    table[8, with_place], table[9, with_place] = line.places[to], line.buffers[to]
    table[10, with_place] = line.driven[to]
    records = line.stops.records
    kept = ~direct & (records["source"][to] != 0)
    behind, after, to = with_place[kept], after[kept], to[kept]
    table[11, behind] = line.places[after]
    table[12, behind], table[13, behind] = line.driven[to], records["via"][to]


def of_idle(line: Line, spans: Spans, shifts: Sequence[ConcreteShift], which: Ints) -> tuple[Ints, Ints]:
    """The gaps, as columns, of those of these shifts that no stop touches, without breaks, that begin and end
    where the agent is anyway before and after: one gap each. And each one's shift."""
    many, first, closes = len(line.stops), spans.first[which], spans.closes[which]
    base = np.array([_home(shifts[at]) for at in which.tolist()], dtype=np.int64)
    here = np.concatenate([[NOWHERE], line.places])[first]
    there, by = np.append(line.places, NOWHERE)[first], np.append(line.starts - line.buffers, FOREVER)[first]
    stays = ((first == 0) | (here == base)) & ((first == many) | ((there == base) & (closes < by)))
    stays &= (first == spans.last[which]) & np.append(line.placed, True)[first] & (base != _ELSEWHERE)
    which, base = which[stays], base[stays]
    table = np.zeros((WIDTH, len(which)), dtype=np.int64)
    table[1] = table[3] = spans.opens[which]
    table[2] = table[5] = spans.closes[which]
    table[4] = table[8] = base
    table[6], table[7], table[11] = 1, FOREVER, NOWHERE
    table[16], table[17] = table[2] + 1, FOREVER
    return table, which


def _home(shift: ConcreteShift) -> int:
    """Where the shift begins and ends, if that is one place and it has no break."""
    base = shift.start_base
    return _ELSEWHERE if base is None or base != shift.end_base or shift.breaks else base


def of_empty(
    line: Line, spans: Spans, which: tuple[ConcreteShift, int], drive: Drive
) -> Iterator[Row] | None:
    """The gaps of a shift that no stop touches, at its position among the spans, within the frame that its
    first visit would bring; None where it is not as simple: without two bases, or where that does not fit."""
    shift, at = which
    if spans.first[at] != spans.last[at] or shift.start_base is None or shift.end_base is None:
        return None
    opens, closes, stop = int(spans.opens[at]), int(spans.closes[at]), int(spans.first[at])
    breaks = [(int(rest.start.timestamp()), int(rest.end.timestamp())) for rest in shift.breaks]
    if not _in_order([(opens, opens), *breaks, (closes, closes)]):
        return None
    bases = shift.start_base, shift.end_base
    if not _comes(line, stop, bases[0], opens - 1, drive) or not _goes_on(
        line, stop, bases[1], closes + 1, drive
    ):
        return None
    return _within_frame((opens, closes), breaks, bases, drive)


def _in_order(times: Sequence[tuple[int, int]]) -> bool:
    return all(end <= start for (_, end), (start, _) in pairwise(times))


def _comes(line: Line, stop: int, base: int, by: int, drive: Drive) -> bool:
    """Whether who was at the stop before this one is at the base by an instant."""
    if not stop:
        return True
    free, place = int(line.ends[stop - 1]), int(line.places[stop - 1])
    seconds = drive(place, base, free)
    return seconds != UNREACHABLE and free + seconds <= by


def _goes_on(line: Line, stop: int, base: int, free: int, drive: Drive) -> bool:
    """Whether who is free then at the base reaches this stop in time."""
    if stop == len(line.stops):
        return True
    if not line.placed[stop]:
        return False
    by, place = int(line.starts[stop] - line.buffers[stop]), int(line.places[stop])
    seconds = drive(base, place, free)
    return seconds != UNREACHABLE and free + seconds <= by


def _within_frame(
    span: tuple[int, int], breaks: Sequence[tuple[int, int]], bases: tuple[int, int], drive: Drive
) -> Iterator[Row]:
    opens, closes = span
    free = breaks[-1][1] if breaks else opens
    replaced = max(0, drive(*bases, free))
    ready = opens
    for start, end in breaks:
        if ready < start:
            way = start, 0, closes - free, bases[1], 0, replaced, NOWHERE, 0, 0
            yield 0, ready, start, ready, bases[0], *way, 0, 0, free, FOREVER
        ready = end
    if ready < closes:
        way = closes, 1, FOREVER, bases[1], 0, replaced, NOWHERE, 0, 0
        yield 0, ready, closes, ready, bases[0], *way, 0, 0, closes + 1, FOREVER
