"""Slot search: insertion, exact. For every gap and every window asked, the starts that fit.

The earliest is the first instant on the grid at which the agent has come from the stop before, with the
buffer kept, inside shift, gap and window; it fits when the visit then ends early enough for the drive out.
Added travel is drive in plus drive out less the drive they replace (with the shift's bases and breaks in
place). Which starts of a gap are offered, and in what order, is told in `geo.domain.starts`. Instants are
Unix seconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from geo.domain.drives import UNREACHABLE, Drives
from geo.domain.gaps import NEVER, Gaps
from geo.domain.grid import on_grid
from geo.domain.places import Bools, Ints
from geo.domain.profile import Profile
from geo.domain.starts import Choices, Offers, Position, bounded
from geo.domain.stop import NOWHERE, Leg


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked for. Seconds and Unix seconds.

    `windows` are (start, end): the visit starts and ends inside one of them. `not_before` is the earliest
    start. Starts lie on multiples of `granularity` after the full hour (UTC); 0 means any second. `choices`
    are those of a gap's starts that are offered; `after` is the slot that the answer goes on from.
    """

    place: int
    duration: int
    windows: tuple[tuple[int, int], ...]
    not_before: int
    granularity: int = 0
    limit: int = 10
    choices: Choices = field(default_factory=Choices)
    after: Position | None = None


class Slot(NamedTuple):
    """A start that the agent can really keep, with its anatomy.

    A leg is None where nothing comes before or after; `idle` is None where nothing comes before.
    `buffer_after` is the buffer kept before the stop that `leg_after` leads to.
    """

    agent_id: str
    start: int
    end: int
    leg_before: Leg | None
    leg_after: Leg | None
    buffer: int
    buffer_after: int
    leave_at: int
    idle: int | None
    added_travel: int
    slack: int


@dataclass(frozen=True, slots=True)
class Candidates:
    """Gaps paired with windows: `gap` counts along the gaps; a span is the window from `not_before` on."""

    gap: Ints
    span_start: Ints
    span_end: Ints

    def __len__(self) -> int:
        return len(self.gap)

    def where(self, which: Bools) -> "Candidates":
        """The candidates for which it is so."""
        return Candidates(*(column.compress(which) for column in (self.gap, self.span_start, self.span_end)))


@dataclass(frozen=True, slots=True)
class Round:
    """The drives to the visit and from it, gap by gap; the seconds are those that count.

    With a profile of the week these are first those at free flow; `settled` tells them for each gap's own
    hours, and keeps in `free_out` what they were.
    """

    inward: Drives
    outward: Drives
    seconds_in: Ints
    seconds_out: Ints
    free_out: Ints | None = None

    @classmethod
    def of(cls, inward: Drives, outward: Drives) -> "Round":
        """As the engine answered."""
        return cls(inward, outward, inward.seconds, outward.seconds)

    @property
    def profile(self) -> Profile | None:
        """Of all the drives."""
        return self.inward.profile

    def seconds_leaving(self, gaps: Gaps, gap: Ints, ends: Ints) -> Ints:
        """Seconds of the drive out of the gaps at these positions, for visits that end at these instants."""
        seconds = self.seconds_out.take(gap)
        if self.profile is None or self.free_out is None:
            return seconds
        leaving = self.profile.all_seconds(ends, self.free_out.take(gap))
        return np.where(gaps.direct.take(gap) == 1, leaving, seconds)

    def legs(
        self, gap: Ints, seconds_in: Ints, seconds_out: Ints
    ) -> tuple[list[Leg | None], list[Leg | None]]:
        """The legs to the visit, and from it, of the gaps at these positions, with their seconds."""
        return (
            list(map(_of_seconds, self.inward.legs(gap), seconds_in.tolist())),
            list(map(_of_seconds, self.outward.legs(gap), seconds_out.tolist())),
        )


def _of_seconds(leg: Leg | None, seconds: int) -> Leg | None:
    """The leg with the seconds of its hour, or with a stored drive's where that one stays in force."""
    return leg if leg is None or leg.seconds == seconds else replace(leg, seconds=seconds)


@dataclass(frozen=True, slots=True)
class Fits:
    """For each candidate the earliest start, the latest one, the travel added, and whether it fits."""

    start: Ints
    latest: Ints
    added: Ints
    good: Bools


@dataclass(frozen=True, slots=True)
class Looked:
    """The gaps that were looked at, with the candidates along them, and what was found for each.

    `positions` are the gaps' among all; `buffers` and `travel` are parallel to the gaps, `fit` to `meets`.
    """

    positions: Ints
    gaps: Gaps
    buffers: Ints
    meets: Candidates
    travel: Round
    fit: Fits


def candidates(gaps: Gaps, question: Question) -> Candidates:
    """Every gap with every window that shares an instant with it."""
    spans = np.array(question.windows, dtype=np.int64).reshape(-1, 2)
    starts, ends = np.maximum(spans[:, 0], question.not_before), spans[:, 1]
    if len(spans) == 1:
        gap = np.nonzero((gaps.opens < ends[0]) & (gaps.closes > starts[0]))[0]
        return Candidates(gap, np.full(len(gap), starts[0]), np.full(len(gap), ends[0]))
    gap, window = np.nonzero((gaps.opens[:, None] < ends) & (gaps.closes[:, None] > starts))
    return Candidates(gap, starts[window], ends[window])


def roomy(gaps: Gaps, found: Candidates, duration: int) -> Candidates:
    """Those in which the visit has room before any travel is counted."""
    opens, closes = gaps.opens[found.gap], gaps.closes[found.gap]
    room = np.minimum(closes, found.span_end) - np.maximum(opens, found.span_start)
    return found.where((room >= duration) & (gaps.fault[found.gap] == 0))


def settled(gaps: Gaps, travel: Round, place: int) -> Round:
    """The drives as a booking would have them: at the hour of each, and behind a break at the visit's place
    the stored one stays.

    Where the drive out begins when the visit ends, its seconds are those of the latest departure that
    arrives by the deadline.
    """
    travel = _timed(gaps, travel)
    same = np.nonzero(gaps.kept_place == place)[0]
    if not len(same):
        return travel
    seconds = travel.seconds_out.copy()
    for at in same.tolist():
        kept, direct = int(gaps.kept[at]), int(seconds[at])
        if not gaps.kept_detour[at] or direct == UNREACHABLE or kept < direct:
            seconds[at] = kept
    return replace(travel, seconds_out=seconds)


def _timed(gaps: Gaps, travel: Round) -> Round:
    profile, out = travel.profile, travel.seconds_out
    if profile is None:
        return travel
    last = gaps.deadline - profile.all_latest_departures(gaps.deadline, out)
    behind = profile.all_seconds(gaps.leaves, out)
    timed = np.where(out > 0, np.where(gaps.direct == 1, last, behind), out)
    seconds_in = profile.all_seconds(gaps.ready, travel.seconds_in)
    return replace(travel, seconds_in=seconds_in, seconds_out=timed, free_out=out)


def fits(gaps: Gaps, found: Candidates, buffers: Ints, question: Question, travel: Round) -> Fits:
    """The earliest start of each candidate. `gaps`, `buffers` and `travel` are parallel to each other."""
    start = earliest(gaps, buffers, travel.seconds_in)[found.gap]
    start = on_grid(np.maximum(start, found.span_start), question.granularity)
    end = np.minimum(latest_end(gaps, travel.seconds_out)[found.gap], found.span_end)
    latest = np.minimum(end - question.duration, gaps.last_start[found.gap])
    good = (start <= latest) & _reached(gaps, travel)[found.gap]
    return Fits(start, latest, added_by(gaps, travel, found.gap, start + question.duration), good)


def spans(fit: "Fits") -> Offers:
    """The earliest start of every candidate that fits."""
    good = np.nonzero(fit.good)[0]
    return Offers(good, fit.start[good], fit.latest[good], fit.added[good])


def priced(looked: "Looked", offers: Offers, duration: int) -> Offers:
    """The offers with the travel that each of their own starts adds: with a profile of the week a later start
    is another drive out."""
    if looked.travel.profile is None:
        return offers
    gap = looked.meets.gap.take(offers.at)
    return replace(offers, added=added_by(looked.gaps, looked.travel, gap, offers.start + duration))


def slots(looked: "Looked", chosen: Offers, agent_ids: Sequence[str], duration: int) -> list[Slot]:
    """The anatomies of these starts; `agent_ids` by the gaps' agent."""
    gap = looked.meets.gap.take(chosen.at)
    gaps = looked.gaps.take(gap)
    columns = (gaps.agent, gaps.ready, gaps.target, gaps.target_buffer, looked.buffers.take(gap))
    figures = (chosen.start, chosen.latest, chosen.added)
    table = np.array([*columns, *figures]).T.tolist()
    ends = figures[0] + duration
    seconds = looked.travel.seconds_in.take(gap), looked.travel.seconds_leaving(looked.gaps, gap, ends)
    legs = zip(*looked.travel.legs(gap, *seconds), strict=True)
    return [_slot(agent_ids[row[0]], duration, row, pair) for row, pair in zip(table, legs, strict=True)]


def _slot(agent_id: str, duration: int, row: Sequence[int], legs: tuple[Leg | None, Leg | None]) -> Slot:
    _, ready, target, buffer_after, buffer, start, latest, added = row
    leg_in, leg_out = None if ready == NEVER else legs[0], None if target == NOWHERE else legs[1]
    leave_at = _leave_at(leg_in, start - buffer)
    return Slot(
        agent_id=agent_id,
        start=start,
        end=start + duration,
        leg_before=leg_in,
        leg_after=leg_out,
        buffer=buffer,
        buffer_after=buffer_after,
        leave_at=leave_at,
        idle=None if leg_in is None else leave_at - ready,
        added_travel=added,
        slack=latest - start,
    )


def _leave_at(leg: Leg | None, arrives: int) -> int:
    """The last instant at which one can leave and be there in time."""
    if leg is None:
        return arrives
    if leg.profile is None:
        return arrives - leg.seconds
    return leg.profile.latest_departure(arrives, leg.free)


def earliest(gaps: Gaps, buffers: Ints, drive_in: Ints) -> Ints:
    """When the visit could begin in each gap, by the gap and the drive in alone."""
    start: Ints = np.maximum(gaps.opens, gaps.ready + drive_in + buffers)
    return start


def latest_end(gaps: Gaps, drive_out: Ints) -> Ints:
    """When the visit has to be over in each gap, by the gap and the drive out alone."""
    latest: Ints = np.minimum(gaps.closes, gaps.deadline - drive_out * gaps.direct)
    return latest


def _reached(gaps: Gaps, travel: Round) -> Bools:
    inward, outward = travel.seconds_in, travel.seconds_out
    reached: Bools = (
        (gaps.fault == 0) & (inward != UNREACHABLE) & (outward != UNREACHABLE) & (outward <= gaps.budget)
    )
    return reached


def added_by(gaps: Gaps, travel: Round, gap: Ints, ends: Ints) -> Ints:
    """Travel that visits add which end at these instants, in the gaps at these positions."""
    out = travel.seconds_leaving(gaps, gap, ends)
    added: Ints = travel.seconds_in.take(gap) + out - gaps.replaced.take(gap)
    return bounded(added)
