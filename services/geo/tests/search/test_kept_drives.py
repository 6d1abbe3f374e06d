"""A visit where an absence stands leaves the drive behind it in force: at the hour at which it then departs,
which a break of the frame, coming with that visit, may put off. Search and ledger have to agree on it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from geo.domain.agenda import Agenda
from geo.domain.calendar import WeeklyBreak, WeeklyShift, calendar, frame_to_add, shift_of, shifts_between
from geo.domain.chain import Segment, splice
from geo.domain.drives import Drives
from geo.domain.gaps import Gaps
from geo.domain.legs import LegBook, Pair, free_leg
from geo.domain.places import Ints
from geo.domain.profile import FREE_FLOW, HOURS, Profile, profile
from geo.domain.shift_gaps import Known, gaps_of, live_stops
from geo.domain.slot_search import Question, Round, candidates, fits, roomy, settled
from geo.domain.stop import NOWHERE, Leg, LinkedStop, Stop, StopKind, TravelSource
from kit.errors import Reason
from kit.values.latlng import LatLng
from kit.values.window import Window

Against = tuple[Reason, int | None, str]

FREE = 2400
HALF = timedelta(minutes=30)
HERE, THERE = LatLng(45.0, 9.0).key, LatLng(45.2, 9.2).key
WEEK = calendar(
    "UTC",
    [WeeklyShift(1, 480, 840), WeeklyShift(1, 900, 1200), WeeklyShift(7, 480, 1080)],
    [WeeklyBreak(1, 720, 780)],
)


def on(day: int, hour: int) -> datetime:
    """Day 1 is a Monday, day 0 the Sunday before it."""
    return datetime(2026, 5, 31, hour, tzinfo=UTC) + timedelta(days=day)


def slow(hours: Sequence[int], speed: int) -> Profile:
    return profile("UTC", [speed if hour in hours else FREE_FLOW for hour in range(HOURS)])


class Day:
    """A Monday of two shifts: an absence from nine to ten where the agent was on Sunday, then a visit at
    three in the afternoon elsewhere. The first shift has no visit, and so no break in the ledger yet."""

    def __init__(self, week: Profile) -> None:
        self.week = week
        self.book = LegBook("e+m1p", every=self.leg)
        self.chain: tuple[LinkedStop, ...] = ()
        appointment, absence = StopKind.APPOINTMENT, StopKind.ABSENCE
        self.add(Stop("sunday", appointment, on(0, 8), on(0, 9), HERE, owner_id="apt_1"))
        self.add(Stop("later", appointment, on(1, 15), on(1, 16), THERE, owner_id="apt_2"))
        self.add(Stop("absence", absence, on(1, 9), on(1, 10), NOWHERE, owner_id="abs_1"))

    def leg(self, pair: Pair) -> Leg:
        return free_leg(*pair) or Leg(
            *pair, FREE, 30_000, TravelSource.MATRIX, "e+m1p", free_seconds=FREE, profile=self.week
        )

    def add(self, stop: Stop) -> None:
        spliced = splice(Segment(None, self.chain), self.book, insert=[stop])
        assert not spliced.refusals
        self.chain = tuple(spliced.chain)

    def offered(self, opens: datetime) -> list[bool]:
        """Whether search offers half an hour HERE in the gap that opens then."""
        gaps = self._gaps()
        windows = ((int(on(1, 8).timestamp()), int(on(1, 12).timestamp())),)
        asked = Question(place=HERE, duration=1800, windows=windows, not_before=0)
        here = np.array([HERE])
        travel = Round.of(self._drives(gaps.origin, here), self._drives(here, gaps.target))
        found = roomy(gaps, candidates(gaps, asked), 1800)
        buffers = np.zeros(len(gaps), dtype=np.int64)
        good = fits(gaps, found, buffers, asked, settled(gaps, travel, HERE)).good
        at = np.nonzero(gaps.opens[found.gap] == int(opens.timestamp()))[0]
        return [bool(good[one]) for one in at]

    def judged(self, start: datetime) -> list[Against]:
        """What the ledger has against half an hour HERE."""
        visit = Stop("visit", StopKind.APPOINTMENT, start, start + HALF, HERE, owner_id="apt_3")
        shift = shift_of(WEEK, Window(start, start + HALF))
        assert shift is not None
        frame = frame_to_add(shift, [link.stop for link in self.chain])
        found = splice(Segment(None, self.chain), self.book, insert=[visit, *frame])
        return [(one.reason, one.short_seconds, one.later.stop_id) for one in found.refusals]

    def _gaps(self) -> Gaps:
        known = Known(self.book)
        agenda = Agenda("agt", 1, frozenset(), 0, WEEK, self.chain, on(-4, 0))
        live = live_stops(agenda, int(on(1, 0).timestamp()), known)
        gaps = gaps_of(live, list(shifts_between(WEEK, on(1, 0), on(2, 0))), known)
        assert not known.missing
        return gaps

    def _drives(self, froms: Ints, tos: Ints) -> Drives:
        pairs = np.broadcast_arrays(froms, tos)
        legs = [self.leg((int(a), int(b))) for a, b in zip(*pairs, strict=True)]
        seconds = np.array([leg.seconds for leg in legs], dtype=np.int64)
        sources = np.where(seconds == 0, 0, 3)
        return Drives(pairs[0].copy(), pairs[1].copy(), seconds, seconds * 0, sources, "e+m1p", self.week)


@pytest.mark.parametrize(
    ("week", "against"),
    [
        pytest.param(slow(range(13, 20), 20), [(Reason.TRAVEL_OUT, 4800, "later")], id="too slow by then"),
        pytest.param(slow(range(10, 12), 20), [], id="slow before the break alone"),
        pytest.param(slow(range(13, 20), 40), [], id="slower, and in time"),
    ],
)
def test_the_drive_behind_an_absence_departs_after_the_break_of_the_frame(
    week: Profile, against: list[Against]
) -> None:
    day = Day(week)
    assert day.judged(on(1, 8)) == against
    assert day.offered(on(1, 8)) == [not against]
