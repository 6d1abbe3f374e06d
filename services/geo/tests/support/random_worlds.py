"""Random worlds of slot search, each from one number: drawing every choice by hypothesis took nine tenths of
the time of a test, and a world of this size is not shrunk anyway. The number makes the same world again.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from geo.domain.calendar import Calendar, WeeklyBreak, WeeklyShift, blocked_time, shifts_between
from geo.domain.legs import Pair
from geo.domain.matrix import travel_version
from geo.domain.modes import TravelMode
from geo.domain.profile import HOURS, Profile, profile
from geo.domain.starts import StartChoice
from geo.domain.stop import Stop, StopKind
from kit.values.window import Window
from services.geo.tests.support.limits_world import Fence, Rules
from services.geo.tests.support.search_world import Diary, TableTravel, Wish

STEP = 900
PLACES = range(6)
"""Places of a world; the last one is where the visit is."""

DAYS = [
    ("UTC", date(2027, 6, 7)),
    ("Europe/Rome", date(2027, 3, 27)),
    ("Europe/Rome", date(2027, 10, 30)),
    ("America/New_York", date(2027, 6, 7)),
    ("Australia/Lord_Howe", date(2027, 4, 3)),  # half an hour back
]

SHAPES: Mapping[str, list[tuple[int, int]]] = {
    "none": [],
    "day": [(8, 14)],
    "split": [(7, 10), (12, 16)],
    "touching": [(7, 10), (10, 14)],
    "evening": [(21, 2)],
    "night": [(22, 4)],  # Rome's clocks change in it
}
"""Hours of a day's shifts."""

World = dict[str, Any]


class Dice(Random):
    """A seeded generator that likes the ends of a range."""

    def whole(self, least: int, most: int) -> int:
        """Any number of the range, both ends included; one of eight is an end or beside one."""
        if self.random() < 1 / 8:
            return min(most, max(least, self.choice([least, least + 1, most - 1, most])))
        return self.randint(least, most)

    def some_of(self, kinds: list[Any], least: int = 0) -> frozenset[Any]:
        """Any of them, at least so many."""
        return frozenset(self.sample(kinds, self.randint(least, len(kinds))))


def worlds() -> st.SearchStrategy[World]:
    """Small worlds of two agents, in one of five zones."""
    return st.builds(lambda seed: made(Dice(seed)), SEEDS)


def limited_worlds() -> st.SearchStrategy[World]:
    """Worlds whose agents have skills, zones and quotas, and customers with skills, postcodes and windows."""
    return st.builds(lambda seed: limited(Dice(seed)), SEEDS)


def made(dice: Dice) -> World:
    """A world; `seed` in it is a number for what a test draws beside it."""
    zone, first = dice.choice(DAYS)
    travel, earlier, cycling = table(dice), table(dice), table(dice)
    for drives, version in ((earlier, 7), (travel, 8)):
        drives.profile = _week(dice, zone)
        drives.version = travel_version("table", version, timed=drives.profile is not None)
    cycling.version = travel_version("table-bicycle", 8)
    travels = {TravelMode.CAR: travel, TravelMode.BICYCLE: cycling}
    midnight = datetime.combine(first, datetime.min.time(), ZoneInfo(zone)).astimezone(UTC)
    diaries = {}
    for name in ("agt_b", "agt_a"):
        diary = Diary(name, _calendar(dice, zone, first), earlier.book(PLACES), dice.choice([0, 300]))
        _fill(dice, diary, midnight, dice.choice([0, 0, 4]))
        diary.mode = dice.choice(list(travels))
        diary.book = travels[diary.mode].book(PLACES)
        _fill(dice, diary, midnight, 9)
        diaries[name] = diary
    return {
        "travel": travel,
        "travels": travels,
        "diaries": diaries,
        "wish": _wish(dice, midnight),
        "since": midnight - timedelta(days=3),
        "seed": dice.getrandbits(64),
    }


def limited(dice: Dice) -> World:
    """The same, with everything that limits an agent besides time."""
    world = made(dice)
    for diary in world["diaries"].values():
        fences = tuple(_fence(dice) for _ in range(dice.randint(0, 2)))
        diary.rules = Rules(fences, dice.choice([0, 1, 1, 2, 3]), dice.choice([100, 100, 50, 34]))
        diary.skills = frozenset(dice.choice(["", "a", "ab"]))
    world["wish"] = replace(
        world["wish"],
        skills=frozenset(dice.choice(["", "", "a"])),
        postcode=dice.choice(["", "A", "B"]),
        arrival=dice.random() < 0.5,
        step=dice.choice([600, 900, 1020, 1800]),  # 1,020 s do not divide the hour
    )
    return world


def table(dice: Dice) -> TableTravel:
    """Asymmetric drives without any triangle's order: short, long, or no way at all."""
    drives: dict[Pair, int | None] = {}
    for a in PLACES:
        for b in PLACES:
            if a != b:
                drives[a, b] = dice.choice([dice.whole(0, 5400), dice.whole(0, 1200), None])
    return TableTravel(drives)


def _week(dice: Dice, zone: str) -> Profile | None:
    """A profile of the week: none in half of the worlds, else another speed at each hour."""
    return profile(zone, dice.choices(range(20, 150), k=HOURS)) if dice.random() < 0.5 else None


def _calendar(dice: Dice, zone: str, first: date) -> Calendar:
    if dice.random() < 1 / 16:  # a week without a gap
        return Calendar(zone, tuple(WeeklyShift(weekday, 0, 0) for weekday in range(1, 8)))
    bases = [None, *PLACES[:3]]
    shifts, breaks = [], []
    for day in range(3):
        weekday = (first + timedelta(days=day)).isoweekday()
        for start, end in SHAPES[dice.choice(list(SHAPES))]:
            shifts.append(WeeklyShift(weekday, start * 60, end * 60, dice.choice(bases), dice.choice(bases)))
            for number in range(dice.randint(0, 2)):
                rest = (start * 60 + 60 * number + 45 + dice.choice([0, 15])) % 1440
                breaks.append(WeeklyBreak(weekday, rest, (rest + 30) % 1440))
    return Calendar(zone, tuple(shifts), tuple(breaks))


def _fill(dice: Dice, diary: Diary, midnight: datetime, most: int) -> None:
    """Books, blocks and cancels at random, each only where the chain allows it."""
    shifts = shifts_between(diary.calendar, midnight - timedelta(days=1), midnight + timedelta(days=4))
    for number in range(dice.randint(0, most) if shifts else 0):
        kind = dice.choice(["APPOINTMENT", "APPOINTMENT", "HOLD", "ABSENCE", "CANCEL"])
        owned = [linked.stop.stop_id for linked in diary.chain if linked.stop.owner_id]
        start = dice.choice(shifts).start + timedelta(minutes=15 * dice.whole(0, 20))
        length = timedelta(minutes=15 * dice.whole(1, 6))
        stop_id = f"s{most}-{number}"
        if kind == "CANCEL":
            diary.cancel(dice.choice(owned) if owned else "")
        elif kind == "ABSENCE":
            window = blocked_time(diary.calendar, Window(start, start + length * 3))
            diary.block(Stop(stop_id, StopKind.ABSENCE, window.start, window.end, -1, 0, stop_id))
        else:
            expires = midnight + timedelta(minutes=dice.whole(-60, 900)) if kind == "HOLD" else None
            place, buffer = dice.choice(PLACES[:-1]), max(diary.buffer, dice.choice([0, 0, 900]))
            visit = Stop(stop_id, StopKind(kind), start, start + length, place, buffer, stop_id, expires)
            diary.book_visit(visit, midnight - timedelta(days=2))


def _wish(dice: Dice, midnight: datetime) -> Wish:
    as_of = midnight + timedelta(minutes=dice.whole(-60, 600))
    lead = as_of + timedelta(hours=dice.whole(0, 24)) if dice.random() < 0.5 else None
    near = [dice.choice([dice.whole(0, 4200), 15 * dice.whole(0, 280)]) for _ in range(dice.randint(0, 3))]
    return Wish(
        place=PLACES[-1] if dice.random() < 0.75 else dice.choice(PLACES),
        duration=dice.choice([900, 1800, 5400]),
        windows=tuple(_window(dice, midnight) for _ in range(dice.randint(1, 3))),
        as_of=as_of,
        not_before=lead,
        buffer=dice.choice([0, 0, 600]),
        step=STEP,
        starts=dice.some_of(list(StartChoice), least=1),
        near=tuple(midnight + timedelta(minutes=minutes) for minutes in near),
    )


def _window(dice: Dice, midnight: datetime) -> Window:
    """Short ones too: a visit at an exact time, and a window that no visit fits in."""
    begin = midnight + timedelta(minutes=15 * dice.whole(-8, 280))
    length = dice.whole(8, 200) if dice.random() < 0.5 else dice.choice([1, 2, 6])
    return Window(begin, begin + timedelta(minutes=15 * length))


def _fence(dice: Dice) -> Fence:
    kind = dice.choice(["area", "codes", "band"])
    if kind == "codes":
        return Fence(codes=dice.some_of(["A", "B"], least=1))
    if kind == "band":
        return Fence(band=dice.choice([1, 600, 1800, 3600]))
    first, last = sorted((dice.randint(0, 5), dice.randint(0, 5)))
    return Fence(places=(first, last))


SEEDS = st.integers(0, 2**64 - 1)
