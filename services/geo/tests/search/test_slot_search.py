"""Slot search against the exhaustive check, on small random worlds."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from geo.domain.calendar import Calendar, WeeklyBreak, WeeklyShift, blocked_time, shifts_between
from geo.domain.stop import Stop, StopKind
from geo.usecases.search_slots import SearchSlots, SlotSearch
from kit.values.window import Window
from services.geo.tests.support.search_world import Diary, DiaryShelf, Start, TableTravel, Wish, exhaustive

STEP = 900
PLACES = range(6)
"""Places of a world; the last one is where the visit is."""

DAYS = [
    ("UTC", date(2027, 6, 7)),
    ("Europe/Rome", date(2027, 3, 27)),
    ("Europe/Rome", date(2027, 10, 30)),
    ("America/New_York", date(2027, 6, 7)),
]


@st.composite
def calendars(draw: st.DrawFn, zone: str, first: date) -> Calendar:
    bases = st.one_of(st.none(), st.sampled_from(PLACES[:3]))
    shifts, breaks = [], []
    for day in range(3):
        weekday = (first + timedelta(days=day)).isoweekday()
        shape = draw(st.sampled_from(["none", "day", "day", "split", "night"]))
        spans = {"none": [], "day": [(8, 14)], "split": [(7, 10), (12, 16)], "night": [(21, 2)]}[shape]
        for start, end in spans:
            shifts.append(WeeklyShift(weekday, start * 60, end * 60, draw(bases), draw(bases)))
            if draw(st.booleans()):
                rest = (start * 60 + 90 + 15 * draw(st.integers(0, 4))) % 1440
                breaks.append(WeeklyBreak(weekday, rest, (rest + 30) % 1440))
    return Calendar(zone, tuple(shifts), tuple(breaks))


@st.composite
def tables(draw: st.DrawFn) -> TableTravel:
    drive = st.one_of(st.integers(0, 5400), st.integers(0, 1200), st.none())
    pairs = [(a, b) for a in PLACES for b in PLACES if a != b]
    return TableTravel({pair: draw(drive) for pair in pairs})


@st.composite
def worlds(draw: st.DrawFn) -> dict[str, Any]:
    zone, first = draw(st.sampled_from(DAYS))
    travel = draw(tables())
    midnight = datetime.combine(first, datetime.min.time(), ZoneInfo(zone)).astimezone(UTC)
    diaries = {}
    for name in ("agt_b", "agt_a"):
        diary = Diary(
            name, draw(calendars(zone, first)), travel.book(PLACES), draw(st.sampled_from([0, 300]))
        )
        _fill(draw, diary, midnight)
        diaries[name] = diary
    as_of = midnight + timedelta(minutes=draw(st.integers(-60, 600)))
    windows = draw(st.lists(_windows(midnight), min_size=1, max_size=3))
    lead = draw(st.one_of(st.none(), st.integers(0, 24).map(lambda hours: as_of + timedelta(hours=hours))))
    wish = Wish(
        place=PLACES[-1] if draw(st.integers(0, 3)) else draw(st.sampled_from(PLACES)),
        duration=draw(st.sampled_from([900, 1800, 5400])),
        windows=tuple(windows),
        as_of=as_of,
        not_before=lead,
        buffer=draw(st.sampled_from([0, 0, 600])),
        step=STEP,
    )
    return {"travel": travel, "diaries": diaries, "wish": wish, "since": midnight - timedelta(days=3)}


def _windows(midnight: datetime) -> st.SearchStrategy[Window]:
    def window(start: int, length: int) -> Window:
        begin = midnight + timedelta(minutes=15 * start)
        return Window(begin, begin + timedelta(minutes=15 * length))

    return st.builds(window, st.integers(-8, 280), st.integers(8, 200))


def _fill(draw: st.DrawFn, diary: Diary, midnight: datetime) -> None:
    """Books, blocks and cancels at random, each only where the chain allows it."""
    before_all = midnight - timedelta(days=2)
    shifts = shifts_between(diary.calendar, midnight - timedelta(days=1), midnight + timedelta(days=4))
    for number in range(draw(st.integers(0, 9)) if shifts else 0):
        shift = draw(st.sampled_from(shifts))
        start = shift.start + timedelta(minutes=15 * draw(st.integers(0, 20)))
        length = timedelta(minutes=15 * draw(st.integers(1, 6)))
        kind = draw(st.sampled_from(["APPOINTMENT", "APPOINTMENT", "HOLD", "ABSENCE", "CANCEL"]))
        stop_id = f"s{number}"
        owned = [linked.stop.stop_id for linked in diary.chain if linked.stop.owner_id]
        if kind == "CANCEL":
            diary.cancel(draw(st.sampled_from(owned)) if owned else "")
        elif kind == "ABSENCE":
            window = blocked_time(diary.calendar, Window(start, start + length * 3))
            diary.block(Stop(stop_id, StopKind.ABSENCE, window.start, window.end, -1, 0, stop_id))
        else:
            expires = midnight + timedelta(minutes=draw(st.integers(-60, 900))) if kind == "HOLD" else None
            place = draw(st.sampled_from(PLACES[:-1]))
            visit = Stop(
                stop_id, StopKind(kind), start, start + length, place, diary.buffer, stop_id, expires
            )
            diary.book_visit(visit, before_all)


def _search(world: dict[str, Any], **changes: Any) -> SearchSlots:
    wish: Wish = world["wish"]
    asked: dict[str, Any] = {
        "place": wish.place,
        "duration": wish.duration,
        "windows": wish.windows,
        "as_of": wish.as_of,
        "agent_ids": tuple(world["diaries"]),
        "not_before": wish.not_before,
        "buffer": wish.buffer,
        "granularity": wish.step,
        "limit": 10_000,
    }
    return SearchSlots(**(asked | changes))


def _engine(world: dict[str, Any]) -> SlotSearch:
    return SlotSearch(DiaryShelf(world["diaries"], world["since"]), world["travel"])  # type: ignore[arg-type]


def _run(awaitable: Any) -> Any:
    """Runs a coroutine that never really waits."""
    try:
        awaitable.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waits")


def _starts(found: Any) -> list[tuple[int, int, str]]:
    return [(slot.added_travel, slot.start, slot.agent_id) for slot, _ in found.slots]


def _expected(world: dict[str, Any]) -> list[Start]:
    return [start for diary in world["diaries"].values() for start in exhaustive(diary, world["wish"])]


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(worlds())
def test_search_equals_the_exhaustive_check(world: dict[str, Any]) -> None:
    found = _run(_engine(world).search("ten", _search(world)))
    expected = sorted((s.added, s.start, s.agent_id) for s in _expected(world))
    assert _starts(found) == expected
