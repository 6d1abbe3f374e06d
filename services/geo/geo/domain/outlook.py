"""What a visit would add at least in each gap: which gaps are worth a closer look, and in which order.

Drives are taken at their lower bounds here, so a gap that does not fit by these figures does not fit at all,
and none adds less than it says: whoever looks at the gaps in this order may stop as soon as what was found is
no dearer than the next one's bound.
"""

from dataclasses import dataclass

import numpy as np

from geo.domain.gaps import Gaps
from geo.domain.places import Ints
from geo.domain.slot_search import Question


@dataclass(frozen=True, slots=True)
class Bounds:
    """Lower bounds of drives to the visit and from it, along some places; where the gaps' origins and targets
    are among those; the buffer before a visit, gap by gap."""

    seconds_in: Ints
    seconds_out: Ints
    origin_at: Ints
    target_at: Ints
    buffers: Ints


@dataclass(frozen=True, slots=True)
class Outlook:
    """Gaps that a visit may fit into, by their positions, and the seconds of travel that it adds at least."""

    positions: Ints
    least_added: Ints

    def __len__(self) -> int:
        return len(self.positions)

    def reach(self, count: int) -> int:
        """The bound that the `count` cheapest gaps stay within, or all when there are fewer."""
        if not len(self):
            return 0
        last = min(count, len(self)) - 1
        return int(np.partition(self.least_added, last)[last])

    def within(self, reach: int) -> Ints:
        """Positions, in order, of the gaps whose bound is at most this."""
        return self.positions.compress(self.least_added <= reach)


def outlook(gaps: Gaps, question: Question, bounds: Bounds) -> Outlook:
    """Those of the gaps, which have no fault, in which the visit may fit."""
    first, last = _hull(question)
    opens, closes = last - question.duration, first + question.duration
    at = np.flatnonzero((gaps.opens <= opens) & (gaps.closes >= closes))
    inward = bounds.seconds_in.take(bounds.origin_at.take(at))
    outward = _kept(gaps, at, question.place, bounds.seconds_out.take(bounds.target_at.take(at)))
    start = np.maximum(gaps.ready.take(at) + inward + bounds.buffers.take(at), gaps.opens.take(at))
    end = np.minimum(gaps.deadline.take(at) - outward * gaps.direct.take(at), gaps.closes.take(at))
    fits = np.maximum(start, first) + question.duration <= np.minimum(end, last)
    added = inward + outward - gaps.replaced.take(at)
    return Outlook(at.compress(fits), added.compress(fits))


def _hull(question: Question) -> tuple[int, int]:
    """From the first instant to the last of all windows together."""
    first = min(start for start, _ in question.windows)
    return max(first, question.not_before), max(end for _, end in question.windows)


def _kept(gaps: Gaps, at: Ints, place: int, outward: Ints) -> Ints:
    """Behind a break at the visit's own place the stored drive stays, which may be shorter."""
    same = gaps.kept_place.take(at) == place
    if not same.any():
        return outward
    return np.where(same, np.minimum(outward, gaps.kept.take(at)), outward)
