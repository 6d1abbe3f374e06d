"""Where an agent's day offers no gap at all, and why."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Final

from geo.domain.calendar import ConcreteShift
from geo.domain.refusals import Refused
from geo.domain.shift_gaps import LiveStops
from geo.domain.slot_search import Question
from geo.domain.stop import StopKind
from kit.errors import Reason

_Taken = tuple[int, int, StopKind]
"""From when, until when, by what."""

_end: Final = itemgetter(1)


def idle_days(
    agent_id: str, live: LiveStops, shifts: Sequence[ConcreteShift], question: Question
) -> Iterator[Refused]:
    """OUTSIDE_SHIFT for each window without a shift, ABSENT or GAP_TOO_SHORT for each shift filled up."""
    stops = list(zip(live.starts, live.ends, live.packed.kinds(), strict=True))
    spans = [(int(shift.start.timestamp()), int(shift.end.timestamp())) for shift in shifts]
    for start, end in question.windows:
        if start >= end:
            continue
        worked = [span for span in spans if span[0] < end and start < span[1]]
        if not worked:
            yield Refused(agent_id, start, end, Reason.OUTSIDE_SHIFT)
        for opens, closes in worked:
            yield from _filled(agent_id, stops, (max(start, opens), min(end, closes)), question.duration)


def _filled(
    agent_id: str, stops: Sequence[_Taken], span: tuple[int, int], duration: int
) -> Iterator[Refused]:
    """The span, when stops leave no second of it."""
    at, absent = span[0], False
    for start, end, kind in stops[bisect_right(stops, at, key=_end) :]:
        if start > at:
            return
        at, absent = end, absent or kind is StopKind.ABSENCE
        if at >= span[1]:
            break
    if at < span[1]:
        return
    if absent:
        yield Refused(agent_id, *span, Reason.ABSENT)
    else:
        yield Refused(agent_id, *span, Reason.GAP_TOO_SHORT, duration)
