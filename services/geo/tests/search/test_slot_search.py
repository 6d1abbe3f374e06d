"""Slot search against the exhaustive check, on small random worlds.

`GIRO_WORLDS=5000` looks at more of them than the suite does.
"""

import asyncio
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from geo.domain.calendar import Calendar
from geo.domain.packed_stops import packed
from geo.domain.profile import Profile
from geo.domain.starts import Position, StartChoice
from geo.domain.stop import LinkedStop, Stop, StopKind
from geo.usecases.by_mode import ByMode
from geo.usecases.search_slots import SearchSlots, SlotSearch
from kit.errors import Reason
from kit.values.window import Window
from services.geo.tests.support.random_worlds import PLACES, Dice, worlds
from services.geo.tests.support.search_world import Diary, DiaryShelf, Start, Wish, exhaustive

WORLDS = int(os.environ.get("GIRO_WORLDS", "0"))
"""Worlds to look at in each test, always others; 0: the suite's few, always the same."""

OUTSIDE = Reason.OUTSIDE_SHIFT
AMOUNTS = {Reason.TRAVEL_IN, Reason.TRAVEL_OUT, Reason.GAP_TOO_SHORT, Reason.LEAD_TIME}
EARLIEST = frozenset({StartChoice.EARLIEST})


def some(worlds: int) -> settings:
    """How many of the suite's worlds; a number that makes a world is no smaller for making another one."""
    return settings(
        max_examples=WORLDS or worlds,
        deadline=None,
        derandomize=not WORLDS,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate],
    )


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
        "skills": wish.skills,
        "postcode": wish.postcode,
        "arrival": wish.arrival,
        "limit": 10_000,
        "starts": wish.starts,
        "near": wish.near,
    }
    return SearchSlots(**(asked | changes))


def _engine(world: dict[str, Any]) -> SlotSearch:
    return SlotSearch(DiaryShelf(world["diaries"], world["since"]), ByMode(world["travels"]))  # type: ignore[arg-type]


def _run(awaitable: Any) -> Any:
    """Runs a search, which asks the agents of several modes at the same time, in a loop of its own."""
    return asyncio.run(awaitable)


def _starts(found: Any) -> list[tuple[int, int, str]]:
    return [(slot.added_travel, slot.start, slot.agent_id) for slot, _ in found.slots]


def _expected(world: dict[str, Any]) -> list[Start]:
    return [start for diary in world["diaries"].values() for start in exhaustive(diary, world["wish"])]


@some(50)
@given(worlds())
def test_search_equals_the_exhaustive_check(world: dict[str, Any]) -> None:
    found = _run(_engine(world).search("ten", _search(world)))
    expected = sorted((s.added, s.start, s.agent_id) for s in _expected(world))
    assert _starts(found) == expected


@some(20)
@given(worlds(), st.integers(1, 4))
def test_pages_are_cuts_of_one_list(world: dict[str, Any], size: int) -> None:
    """Going on behind the last slot of a page gives the rest: nothing twice, nothing left out (GEO-08)."""
    engine = _engine(world)
    everything = _starts(_run(engine.search("ten", _search(world))))
    paged: list[tuple[int, int, str]] = []
    after = None
    while page := _starts(_run(engine.search("ten", _search(world, limit=size, after=after)))):
        assert len(page) == min(size, len(everything) - len(paged))
        paged += page
        after = Position(*page[-1])
    assert paged == everything


@some(20)
@given(worlds())
def test_what_is_offered_is_booked_even_before_expired_holds_are_swept(world: dict[str, Any]) -> None:
    wish: Wish = world["wish"]
    for diary in world["diaries"].values():
        links = tuple(packed(diary.chain))
        assert links == diary.chain
        assert [_timed(link) for link in links] == [_timed(link) for link in diary.chain]
    found = _run(_engine(world).search("ten", _search(world)))
    for slot, _ in found.slots:
        diary: Diary = world["diaries"][slot.agent_id]
        start = datetime.fromtimestamp(slot.start, UTC)
        end = start + timedelta(seconds=wish.duration)
        buffer = max(diary.buffer, wish.buffer)
        visit = Stop("visit", StopKind.APPOINTMENT, start, end, wish.place, buffer, "apt")
        tried = diary.tried(visit, wish.as_of)
        assert tried is not None
        assert not tried.refusals


@some(20)
@given(worlds(), st.integers(1, 4), st.sampled_from([0.0, 0.5, 1.0]))
def test_any_second_limit_and_lower_bound(world: dict[str, Any], limit: int, sharpness: float) -> None:
    """On no grid: a start is feasible, the second before is not. The best few are the first of all. What a
    lower bound discards was infeasible."""
    world["wish"] = replace(world["wish"], windows=world["wish"].windows[:1], starts=EARLIEST)
    everything = _starts(_run(_engine(world).search("ten", _search(world, granularity=0))))
    for travel in world["travels"].values():
        travel.sharpness = sharpness
    few = _run(_engine(world).search("ten", _search(world, granularity=0, limit=limit)))
    assert _starts(few) == everything[:limit]
    assert _starts(_run(_engine(world).search("ten", _search(world, granularity=0)))) == everything
    for _, start, agent_id in everything:
        assert _feasible(world, agent_id, start)
        if _inside(world, agent_id, start - 1):
            assert not _feasible(world, agent_id, start - 1)


def _timed(link: LinkedStop) -> tuple[Profile | None, bool] | None:
    """What legs are not compared by."""
    return None if link.leg is None else (link.leg.profile, link.leg.mixed)


def _feasible(world: dict[str, Any], agent_id: str, start: int) -> bool:
    diary, wish = world["diaries"][agent_id], world["wish"]
    begin = datetime.fromtimestamp(start, UTC)
    end = begin + timedelta(seconds=wish.duration)
    buffer = max(diary.buffer, wish.buffer)
    visit = Stop("visit", StopKind.APPOINTMENT, begin, end, wish.place, buffer, "apt")
    tried = diary.swept(wish.as_of).tried(visit, wish.as_of)
    return tried is not None and not tried.refusals


def _inside(world: dict[str, Any], agent_id: str, start: int) -> bool:
    """Whether a visit could start then as far as windows and lead time are concerned."""
    wish: Wish = world["wish"]
    begin = datetime.fromtimestamp(start, UTC)
    end = begin + timedelta(seconds=wish.duration)
    if begin < max(wish.as_of, wish.not_before or wish.as_of):
        return False
    (window,) = wish.windows
    return window.start <= begin and end <= window.end


@some(20)
@given(worlds())
def test_every_gap_is_offered_or_refused_with_a_reason(world: dict[str, Any]) -> None:
    wish: Wish = world["wish"]
    found = _run(_engine(world).search("ten", _search(world, explain=True)))
    plain = _run(_engine(world).search("ten", _search(world)))
    assert found.slots == plain.slots
    keys = [(gap.agent_id, gap.start, gap.end) for gap in found.refused]
    assert keys == sorted(keys)
    for gap in found.refused:
        within = [
            slot.start
            for slot, _ in found.slots
            if slot.agent_id == gap.agent_id and gap.start <= slot.start and slot.end <= gap.end
        ]
        assert not within
        if gap.reason in AMOUNTS:
            assert gap.short_seconds is not None
            assert gap.short_seconds > 0
    alone = Diary("agt_c", Calendar("UTC"), world["travel"].book(PLACES))
    world["diaries"]["agt_c"] = alone
    found = _run(_engine(world).search("ten", _search(world, explain=True)))
    ahead = [window for window in wish.windows if window.end > wish.as_of]
    assert [gap.reason for gap in found.refused if gap.agent_id == "agt_c"] == [OUTSIDE] * len(ahead)


@some(15)
@given(worlds())
def test_gaps_kept_from_earlier_searches_follow_every_change(world: dict[str, Any]) -> None:
    """One engine over many changes answers like a fresh one each time."""
    kept, dice = _engine(world), Dice(world["seed"])
    _run(kept.search("ten", _search(world)))
    for _ in range(4):
        diary = dice.choice(list(world["diaries"].values()))
        offered = [slot for slot, _ in _run(kept.search("ten", _search(world))).slots]
        owned = [linked.stop.stop_id for linked in diary.chain if linked.stop.owner_id]
        if owned and dice.random() < 0.5:
            diary.cancel(dice.choice(owned))
        elif offered:
            slot = dice.choice(offered)
            start = datetime.fromtimestamp(slot.start, UTC)
            end = start + timedelta(seconds=world["wish"].duration)
            name = f"n{len(owned)}-{slot.start}"
            visit = Stop(name, StopKind.APPOINTMENT, start, end, world["wish"].place, slot.buffer, name)
            world["diaries"][slot.agent_id].book_visit(visit, world["wish"].as_of)
        world["wish"] = replace(world["wish"], as_of=world["wish"].as_of + timedelta(minutes=10))
        fresh = _run(_engine(world).search("ten", _search(world)))
        assert _starts(_run(kept.search("ten", _search(world)))) == _starts(fresh)


def _apart(windows: tuple[Window, ...]) -> tuple[Window, ...]:
    """The windows in order, each from where the one before ends."""
    cut: list[Window] = []
    for window in sorted(windows):
        start = max(window.start, cut[-1].end) if cut else window.start
        if start < window.end:
            cut.append(Window(start, window.end))
    return tuple(cut)


@some(80)
@given(worlds())
def test_the_detour_of_a_day_is_that_days_best_slot(world: dict[str, Any]) -> None:
    """For each agent and window what a search of that agent and window alone puts first (GEO-11)."""
    engine, windows = _engine(world), _apart(world["wish"].windows)
    best = []
    for agent in sorted(world["diaries"]):
        for number, window in enumerate(windows):
            alone = _search(world, windows=(window,), agent_ids=(agent,), limit=1, starts=EARLIEST)
            best += [
                (agent, number, slot.start, slot.added_travel)
                for slot, _ in _run(engine.search("ten_1", alone)).slots
            ]
    found = _run(engine.detours("ten_1", _search(world, windows=windows)))
    assert [tuple(detour)[:4] for detour, _ in found.detours] == best
