"""Slot search with all that limits agents besides their time, against the exhaustive check (GEO-25, GEO-26).

`GIRO_WORLDS=5000` looks at more worlds than the suite does.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from geo.domain.calendar import shift_of
from geo.domain.starts import Position
from geo.domain.stop import PLACELESS, Stop, StopKind
from geo.usecases import widening
from kit.errors import Reason
from kit.values.window import Window
from services.geo.tests.search.test_slot_search import (
    EARLIEST,
    _engine,
    _expected,
    _run,
    _search,
    _starts,
    some,
)
from services.geo.tests.support.limits_world import refused_by_rule
from services.geo.tests.support.random_worlds import PLACES, limited_worlds
from services.geo.tests.support.search_world import Diary, Wish, on_the_grid

RULES = {Reason.NO_SKILL, Reason.OUTSIDE_ZONE, Reason.QUOTA, Reason.OUTSIDE_SHIFT}
"""Reasons that do not depend on drives."""


@some(60)
@given(
    limited_worlds(),
    st.integers(1, 5),
    st.sampled_from([0.0, 0.5, 0.9, 1.0]),
    st.sampled_from(["", "kept", "kept", "old"]),
)
def test_search_equals_the_exhaustive_check_under_all_limits(
    world: dict[str, Any], limit: int, sharpness: float, memory: str
) -> None:
    """All starts; and the best few of them, and those behind the middle one, cheapest first by small steps
    (a world has fewer gaps than are looked at at once otherwise). Whatever the roads told before."""
    found = _run(_engine(world).search("ten", _search(world)))
    expected = sorted((s.added, s.start, s.agent_id) for s in _expected(world))
    assert _starts(found) == expected
    for travel in world["travels"].values():
        travel.sharpness, travel.memory = sharpness, memory
    half = len(expected) // 2
    behind = Position(*expected[half - 1]) if half else None
    with patch.multiple(widening, _AT_FIRST=1, _MORE=2):
        few = _run(_engine(world).search("ten", _search(world, limit=limit)))
        more = _run(_engine(world).search("ten", _search(world, limit=limit, after=behind)))
    assert _starts(few) == expected[:limit]
    assert _starts(more) == expected[half : half + limit]


@some(15)
@given(limited_worlds())
def test_on_no_grid_the_first_second_of_each_gap_is_offered(world: dict[str, Any]) -> None:
    """What is offered the ledger takes, and the second before it does not, unless nobody asked for it: a
    window that begins within another has a first second of its own."""
    wish: Wish = replace(world["wish"], starts=EARLIEST, step=1)
    world["wish"] = wish
    found = _run(_engine(world).search("ten", _search(world, granularity=0)))
    for slot, _ in found.slots:
        diary = world["diaries"][slot.agent_id]
        assert _ledger_says(diary, wish, slot.start) is None
        windows = [replace(wish, windows=(window,)) for window in wish.windows]
        allowing = [one for one in windows if _starts_in(slot.start, slot.start + 1, one)]
        if all(_starts_in(slot.start - 1, slot.start, one) for one in allowing):
            assert _ledger_says(diary, wish, slot.start - 1) is not None


@some(70)
@given(limited_worlds())
def test_a_start_that_is_not_offered_is_refused_for_the_reason_that_is_told(world: dict[str, Any]) -> None:
    """Every start of a refused gap: refused by the ledger, and by the same rule where it is a rule."""
    wish: Wish = world["wish"]
    found = _run(_engine(world).search("ten", _search(world, explain=True)))
    for slot, _ in found.slots:
        assert _ledger_says(world["diaries"][slot.agent_id], wish, slot.start) is None
    for gap in found.refused:
        diary = world["diaries"][gap.agent_id].swept(wish.as_of)
        for start in _starts_in(gap.start, gap.end, wish):
            said = _ledger_says(diary, wish, start)
            assert said is not None
            if said is Reason.OUTSIDE_SHIFT:  # it would end after the shift that the gap lies in
                assert gap.reason is not Reason.NO_SKILL
            elif gap.reason in RULES:
                assert said is gap.reason
            else:
                assert said not in RULES


def _starts_in(begin: int, end: int, wish: Wish) -> list[int]:
    """The starts on the grid in a gap that some window of the wish allows."""
    earliest = max(wish.as_of, wish.not_before or wish.as_of).timestamp()
    length = 0 if wish.arrival else wish.duration
    return [
        start
        for start in on_the_grid(begin, end, wish.step)
        if start >= earliest
        and any(
            window.start.timestamp() <= start and start + length <= window.end.timestamp()
            for window in wish.windows
        )
    ]


def _ledger_says(diary: Diary, wish: Wish, start: int) -> Reason | None:
    """Why the ledger would refuse; None when it would not. As `usecases.admission` and the chain, by hand."""
    begin = datetime.fromtimestamp(start, UTC)
    diary = diary.swept(wish.as_of)
    ruled = refused_by_rule(diary, wish, begin)
    if ruled is not None:
        return ruled
    end = begin + timedelta(seconds=wish.duration)
    buffer = max(diary.buffer, wish.buffer)
    visit = Stop("visit", StopKind.APPOINTMENT, begin, end, wish.place, buffer, "apt")
    tried = diary.tried(visit, wish.as_of)
    assert tried is not None, "it is in a shift"
    return tried.refusals[0].reason if tried.refusals else None


@some(20)
@given(limited_worlds())
def test_the_worlds_are_about_something(world: dict[str, Any]) -> None:
    """A quota never lets a day be longer, whatever is offered: taken one by one, until nothing is."""
    wish: Wish = world["wish"]
    diary: Diary = world["diaries"]["agt_a"]
    for number in range(12):
        found = _run(_engine(world).search("ten", _search(world, agent_ids=("agt_a",), limit=1)))
        if not found.slots:
            return
        ((slot, _),) = found.slots
        begin = datetime.fromtimestamp(slot.start, UTC)
        end = begin + timedelta(seconds=wish.duration)
        name = f"n{number}"
        visit = Stop(name, StopKind.APPOINTMENT, begin, end, wish.place, slot.buffer, name)
        before = refused_by_rule(diary.swept(wish.as_of), wish, begin)
        assert before is None
        assert shift_of(diary.calendar, Window(begin, end)) is not None
        assert diary.book_visit(visit, wish.as_of)
        placed = [link.stop.place for link in diary.chain if link.stop.kind not in PLACELESS]
        assert set(placed) <= set(PLACES)
