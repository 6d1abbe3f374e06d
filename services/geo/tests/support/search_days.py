"""Agendas for slot search that one can follow by hand."""

from datetime import UTC, datetime, timedelta
from typing import Any

from geo.domain.calendar import Calendar, WeeklyBreak, WeeklyShift
from geo.domain.stop import NOWHERE, Stop, StopKind
from services.geo.tests.support.search_world import Diary, TableTravel

MONDAY = datetime(2027, 6, 7, tzinfo=UTC)
BASE, SHOP, VISIT, ISLAND = 1, 2, 3, 4
TABLE: dict[tuple[int, int], int | None] = {(a, b): 1200 for a in (1, 2, 3) for b in (1, 2, 3) if a != b}


def at(hour: float, day: int = 0) -> datetime:
    return MONDAY + timedelta(days=day, hours=hour)


def diary(
    *,
    base: int | None = BASE,
    lunch: bool = False,
    travel: TableTravel | None = None,
    name: str = "agt_a",
    **more: Any,
) -> Diary:
    """Eight to twelve on Mondays and Tuesdays."""
    shifts = tuple(WeeklyShift(day, 480, 720, base, base) for day in (1, 2))
    breaks = (WeeklyBreak(1, 600, 630),) if lunch else ()
    book = (travel or TableTravel(TABLE)).book([BASE, SHOP, VISIT, ISLAND])
    return Diary(name, Calendar("UTC", shifts, breaks), book, **more)


def booked(diary: Diary, start: float, end: float, place: int = SHOP, day: int = 0) -> Diary:
    name = f"s{len(diary.chain)}"
    visit = Stop(name, StopKind.APPOINTMENT, at(start, day), at(end, day), place, diary.buffer, name)
    assert diary.book_visit(visit, at(-48))
    return diary


def absent(diary: Diary, start: float, end: float) -> Diary:
    name = f"a{len(diary.chain)}"
    assert diary.block(Stop(name, StopKind.ABSENCE, at(start), at(end), NOWHERE, 0, name))
    return diary
