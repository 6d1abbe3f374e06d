"""What a visit would add at least in each gap: which gaps are worth a closer look, and in which order.

Drives are taken at their lower bounds here, so a gap that does not fit by these figures does not fit at all,
and none adds less than it says: whoever looks at the gaps in this order may stop as soon as what was found is
no dearer than the next one's bound.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from geo.domain.gaps import Gaps
from geo.domain.places import BLOCK, Bools, Ints
from geo.domain.slot_search import Question

_NONE: Final = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Lower bounds of drives to the visit and from it, along some places; where the gaps' origins and targets
    are among those; the buffer before a visit, gap by gap."""

    seconds_in: Ints
    seconds_out: Ints
    origin_at: Ints
    target_at: Ints
    buffers: Ints

    def part(self, at: int) -> "Bounds":
        """Those of a block of gaps from one on; views."""
        columns = (column[at : at + BLOCK] for column in (self.origin_at, self.target_at, self.buffers))
        return Bounds(self.seconds_in, self.seconds_out, *columns)

    def take(self, which: Ints) -> "Bounds":
        """Those of the gaps at these positions."""
        columns = (column.take(which) for column in (self.origin_at, self.target_at, self.buffers))
        return Bounds(self.seconds_in, self.seconds_out, *columns)


@dataclass(frozen=True, slots=True)
class Outlook:
    """Gaps that a visit may fit into, by their positions, and the seconds of travel that it adds at least."""

    positions: Ints
    least_added: Ints

    def __len__(self) -> int:
        return len(self.positions)

    def among(self, positions: Ints) -> "Outlook":
        """The same, where its gaps are those at these positions among more."""
        return Outlook(positions.take(self.positions), self.least_added)


def in_time(gaps: Gaps, question: Question) -> Bools:
    """Which of the gaps have room for the visit between the first and the last instant asked for."""
    first, last = _hull(question)
    opens, closes = last - question.duration, first + question.duration
    within: Bools = (gaps.opens <= opens) & (gaps.closes >= closes)
    return within


def outlook(gaps: Gaps, within: Bools, question: Question, bounds: Bounds) -> Outlook:
    """Those of the gaps, which have no fault, in which the visit may fit; `within` as `in_time` says."""
    parts = [
        _part(Gaps(gaps.table[:, at : at + BLOCK]), within[at : at + BLOCK], question, bounds.part(at))
        for at in range(0, len(gaps), BLOCK)
    ]
    if len(parts) == 1:
        return parts[0]
    positions = [part.positions + number * BLOCK for number, part in enumerate(parts)]
    added = [part.least_added for part in parts]
    return Outlook(*(np.concatenate([_NONE, *columns]) for columns in (positions, added)))


def _part(gaps: Gaps, within: Bools, question: Question, bounds: Bounds) -> Outlook:
    """The outlook of some gaps."""
    at = np.flatnonzero(within)
    if 4 * len(at) > len(within):  # to pick them from each column would take longer than to look at all
        fits, added = _least(gaps, question, bounds)
        fits &= within
        return Outlook(np.flatnonzero(fits), added.compress(fits))
    fits, added = _least(gaps.take(at), question, bounds.take(at))
    return Outlook(at.compress(fits), added.compress(fits))


def _least(gaps: Gaps, question: Question, bounds: Bounds) -> tuple[Bools, Ints]:
    """Of each gap whether the visit fits into it at the bounds, and the travel that it adds there."""
    first, last = _hull(question)
    inward = bounds.seconds_in.take(bounds.origin_at)
    outward = _kept(gaps, question.place, bounds.seconds_out.take(bounds.target_at))
    start = gaps.ready + inward
    start += bounds.buffers
    np.maximum(start, gaps.opens, out=start)
    np.maximum(start, first, out=start)
    start += question.duration
    end = outward * gaps.direct
    np.subtract(gaps.deadline, end, out=end)
    np.minimum(end, gaps.closes, out=end)
    np.minimum(end, last, out=end)
    fits: Bools = start <= end
    inward += outward
    inward -= gaps.replaced
    return fits, inward


def _hull(question: Question) -> tuple[int, int]:
    """From the first instant to the last of all windows together."""
    first = min(start for start, _ in question.windows)
    return max(first, question.not_before), max(end for _, end in question.windows)


def _kept(gaps: Gaps, place: int, outward: Ints) -> Ints:
    """Behind a break at the visit's own place the stored drive stays, which may be shorter."""
    same = gaps.kept_place == place
    if not same.any():
        return outward
    return np.where(same, np.minimum(outward, gaps.kept), outward)
