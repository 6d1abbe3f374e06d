"""Why the gaps that do not fit do not fit, and by how many seconds (GEO-10).

One reason a gap: the one that a later or longer gap, a nearer stop or a wider window would lift first. The
windows come last: a gap that would fit at another time says OUTSIDE_WINDOWS or LEAD_TIME.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from geo.domain.drives import UNREACHABLE
from geo.domain.gaps import FAULTS, FOREVER, RULES, Gaps
from geo.domain.grid import on_grid
from geo.domain.places import Bools, Ints
from geo.domain.quotas import Span, pieces
from geo.domain.slot_search import Candidates, Question, Round, earliest, latest_end
from kit.errors import Reason

_REASONS: Final = (
    Reason.UNREACHABLE,
    Reason.TRAVEL_IN,
    Reason.TRAVEL_OUT,
    Reason.GAP_TOO_SHORT,
    Reason.LEAD_TIME,
    Reason.OUTSIDE_WINDOWS,
    Reason.QUOTA,
    Reason.OUTSIDE_ZONE,
)
_NO_WAY, _IN, _OUT, _SHORT, _LEAD, _WINDOWS, _QUOTA, _ZONE = range(len(_REASONS))
_FAULTS: Final = np.array([0, *map(_REASONS.index, FAULTS[1:])])


@dataclass(frozen=True, slots=True)
class Refused:
    """A gap `[start, end)` that does not fit; `short_seconds` is None where the reason has no amount."""

    agent_id: str
    start: int
    end: int
    reason: Reason
    short_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Verdicts:
    """The reason of each gap, as a code, and the seconds missing (0 where there is no amount)."""

    code: Ints
    short: Ints


def by_rule(refused: Refused, full: Sequence[Span], closed: Sequence[Span]) -> Iterator[Refused]:
    """A stretch without a gap, told by the rule that outranks its reason: `closed` are shifts outside the
    agent's zones, `full` days that take no further visit."""
    if refused.reason not in {Reason.ABSENT, Reason.GAP_TOO_SHORT}:
        yield refused
    elif any(start <= refused.start < end for start, end in closed):
        yield Refused(refused.agent_id, refused.start, refused.end, Reason.OUTSIDE_ZONE)
    else:
        for (start, end), is_full in pieces((refused.start, refused.end), full):
            told = Reason.QUOTA, None
            reason, short = told if is_full else (refused.reason, refused.short_seconds)
            yield Refused(refused.agent_id, start, end, reason, short)


def verdicts(gaps: Gaps, buffers: Ints, question: Question, travel: Round, meets: Candidates) -> Verdicts:
    """Judges gaps none of whose starts fits. `meets` pairs them with the windows, the lead time left out."""
    code, short = _in_itself(gaps, buffers, question, travel)
    fine = code < 0
    lead = _lead_time(gaps, buffers, question, travel, meets)
    code = np.where(fine, np.where(lead > 0, _LEAD, _WINDOWS), code)
    return Verdicts(code, np.where(fine, lead, short))


def _in_itself(gaps: Gaps, buffers: Ints, question: Question, travel: Round) -> tuple[Ints, Ints]:
    """Reason and seconds of each gap whatever the windows; code -1 where the visit fits in it."""
    inward, outward = travel.seconds_in, travel.seconds_out
    start = on_grid(earliest(gaps, buffers, inward), question.granularity)
    end = start + question.duration
    # as if the gap ended where the last start allowed would let the visit end
    closes = np.minimum(gaps.closes, gaps.last_start + question.duration)
    late = end - np.minimum(closes, latest_end(gaps, outward))
    too_small = question.duration - (gaps.closes - gaps.opens)
    driven = (end > closes) & (gaps.ready + inward + buffers > gaps.opens)
    grid = (end > closes) & ~driven
    fault = _FAULTS[gaps.fault]
    conditions: list[tuple[Bools, Ints | int, Ints | int]] = [
        (gaps.fault >= RULES, fault, 0),
        ((inward == UNREACHABLE) | (outward == UNREACHABLE), _NO_WAY, 0),
        (gaps.fault != 0, fault, gaps.fault_seconds),
        (too_small > 0, _SHORT, too_small),
        (driven, _IN, late),
        (grid, _SHORT, late),
        (late > 0, _OUT, late),
        (outward > gaps.budget, _OUT, outward - gaps.budget),
    ]
    where = [condition for condition, _, _ in conditions]
    code = np.select(where, [code for _, code, _ in conditions], -1)
    short = np.select(where, [seconds for _, _, seconds in conditions], 0)
    return code.astype(np.int64), short.astype(np.int64)


def _lead_time(gaps: Gaps, buffers: Ints, question: Question, travel: Round, meets: Candidates) -> Ints:
    """Seconds by which the latest start that fits in some window comes too early; 0 where there is none."""
    start = np.maximum(earliest(gaps, buffers, travel.seconds_in)[meets.gap], meets.span_start)
    start = on_grid(start, question.granularity)
    end = np.minimum(latest_end(gaps, travel.seconds_out)[meets.gap], meets.span_end)
    latest = np.minimum(end - question.duration, gaps.last_start[meets.gap])
    early = question.not_before - latest
    early = np.where((start <= latest) & (early > 0), early, FOREVER)
    least = np.full(len(gaps), FOREVER, dtype=np.int64)
    np.minimum.at(least, meets.gap, early)
    return np.where(least == FOREVER, 0, least)


def of_gaps(gaps: Gaps, agent_ids: Sequence[str], found: Verdicts, which: Ints) -> list[Refused]:
    """The gaps at these positions; `agent_ids` by the gaps' agent."""
    closes = np.minimum(gaps.closes, gaps.last_start + 1)  # behind it the full day tells for itself
    columns = gaps.agent, gaps.opens, closes, found.code, found.short
    rows = zip(*(column[which].tolist() for column in columns), strict=True)
    return [
        Refused(agent_ids[agent], opens, closes, _REASONS[code], short or None)
        for agent, opens, closes, code, short in rows
    ]
