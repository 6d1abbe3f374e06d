"""Gaps worked out for many shifts at once are those that looking stop by stop finds, in every column."""

from datetime import timedelta
from random import Random

import numpy as np
import pytest

from geo.domain import shift_gaps
from geo.domain.calendar import Calendar, WeeklyBreak, WeeklyShift, shifts_between
from geo.domain.gaps import Gaps
from geo.domain.shift_gaps import Known, gaps_of, live_stops
from geo.domain.stop import NOWHERE, Stop, StopKind
from geo.domain.swift_gaps import Line
from services.geo.tests.support.search_days import BASE, ISLAND, SHOP, TABLE, VISIT, at, booked, diary
from services.geo.tests.support.search_world import Diary, TableTravel

PLACES = [BASE, SHOP, VISIT, ISLAND]
TRAVEL = TableTravel(TABLE | {(SHOP, ISLAND): None, (ISLAND, BASE): 9000}, default=2400)
KINDS = StopKind.APPOINTMENT, StopKind.APPOINTMENT, StopKind.ABSENCE


def some_week(rng: Random) -> Diary:
    """Shifts of nine days, some with breaks, some between two bases or without; visits and absences."""
    bases = rng.choice([(BASE, BASE), (BASE, BASE), (BASE, SHOP), (None, BASE), (None, None)])
    shifts = [WeeklyShift(day, 480, 960, *bases) for day in (1, 2, 3, 4, 5)]
    if rng.random() < 0.5:
        shifts.append(WeeklyShift(5, 1320, 240, *bases))
    breaks = [WeeklyBreak(day, 600, 630) for day in (1, 2, 4)] if rng.random() < 0.5 else []
    made = Diary("agt", Calendar("Europe/Rome", tuple(shifts), tuple(breaks)), TRAVEL.book(PLACES))
    for number in range(rng.randrange(12)):
        start = at(rng.randrange(96) / 4, rng.randrange(9))
        kind, name = rng.choice(KINDS), f"s{number}"
        place = NOWHERE if kind is StopKind.ABSENCE else rng.choice(PLACES)
        stop = Stop(name, kind, start, start + timedelta(minutes=45), place, rng.choice([0, 300]), name)
        if kind is StopKind.ABSENCE:
            made.block(stop)
        else:
            made.book_visit(stop, at(-48))
    return made


def gaps(week: Diary) -> Gaps:
    known = Known(week.book)
    live = live_stops(week.agenda(at(-48)), int(at(0).timestamp()), known)
    made = gaps_of(live, shifts_between(week.calendar, at(-24), at(0, 14)), known)
    assert not known.missing
    return made


def stop_by_stop(week: Diary, monkeypatch: pytest.MonkeyPatch) -> Gaps:
    none = np.zeros((len(gaps(week).table), 0), dtype=np.int64), np.zeros(0, dtype=np.int64)
    with monkeypatch.context() as patched:
        patched.setattr(Line, "linked", False)
        patched.setattr(shift_gaps, "of_idle", lambda *_: none)
        patched.setattr(shift_gaps, "of_empty", lambda *_: None)
        return gaps(week)


@pytest.mark.parametrize("seed", range(60))
def test_many_at_once_are_as_one_by_one(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    week = some_week(Random(seed))
    swift, slow = gaps(week), stop_by_stop(week, monkeypatch)
    assert swift.table.T.tolist() == slow.table.T.tolist()
    assert len(swift)


def test_stops_are_looked_at_one_by_one_only_where_it_takes_that(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten weeks of shifts, two of them with visits, are worked out without a look at any stop."""
    agent = booked(booked(diary(lunch=True), 9, 10), 9, 10, day=1)
    monkeypatch.setattr(shift_gaps, "_day", lambda *_: pytest.fail("looked stop by stop"))
    known = Known(agent.book)
    live = live_stops(agent.agenda(at(-48)), int(at(0).timestamp()), known)
    assert len(gaps_of(live, shifts_between(agent.calendar, at(-24), at(0, 70)), known)) >= 20
