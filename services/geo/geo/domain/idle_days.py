"""Where an agent's day offers no gap at all, and why."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from geo.domain.calendar import ConcreteShift
from geo.domain.refusals import Refused
from geo.domain.shift_gaps import LiveStops
from geo.domain.slot_search import Question
from geo.domain.stop import StopKind
from kit.errors import Reason


def idle_days(
    agent_id: str, live: LiveStops, shifts: Sequence[ConcreteShift], question: Question
) -> Iterator[Refused]:
    """OUTSIDE_SHIFT for each window without a shift, ABSENT or GAP_TOO_SHORT for each shift filled up."""
    spans = [(int(shift.start.timestamp()), int(shift.end.timestamp())) for shift in shifts]
    for start, end in question.windows:
        if start >= end:
            continue
        worked = [span for span in spans if span[0] < end and start < span[1]]
        if not worked:
            yield Refused(agent_id, start, end, Reason.OUTSIDE_SHIFT)
        for opens, closes in worked:
            yield from _filled(agent_id, live, (max(start, opens), min(end, closes)), question.duration)


def _filled(agent_id: str, live: LiveStops, span: tuple[int, int], duration: int) -> Iterator[Refused]:
    """The span, when stops leave no second of it."""
    at, absent = span[0], False
    for number in range(bisect_right(live.ends, at), len(live.starts)):
        if live.starts[number] > at:
            return
        at, absent = live.ends[number], absent or live.stops[number].kind is StopKind.ABSENCE
        if at >= span[1]:
            break
    if at < span[1]:
        return
    if absent:
        yield Refused(agent_id, *span, Reason.ABSENT)
    else:
        yield Refused(agent_id, *span, Reason.GAP_TOO_SHORT, duration)
