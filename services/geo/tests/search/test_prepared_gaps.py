"""What slot search keeps between questions: enough, never too much, and nothing that it should not need."""

import asyncio
import sys
from dataclasses import replace
from datetime import timedelta
from itertools import count

import numpy as np
import pytest

from geo.domain import outlook
from geo.domain.agenda import Agenda
from geo.domain.modes import TravelMode
from geo.usecases import joined_gaps, prepared_gaps, search_limits, slices
from geo.usecases.prepared_gaps import PreparedGaps
from geo.usecases.search_slots import SearchSlots, SlotSearch
from kit.errors import InvalidInput, NotFound
from kit.values.window import Window
from services.geo.tests.support.search_days import TABLE, VISIT, at, booked, diary
from services.geo.tests.support.search_world import Diary, DiaryShelf, TableTravel
from services.geo.tests.support.world import everyones

pytestmark = pytest.mark.asyncio

DAY = 86_400


def agendas(many: int) -> list[Agenda]:
    return [diary(name=f"agt_{number:03d}").agenda(at(-48)) for number in range(many)]


def seconds(days: float) -> int:
    return int(at(0).timestamp() + days * DAY)


async def test_gaps_are_made_once_and_again_for_a_new_version() -> None:
    prepared = PreparedGaps(everyones(TableTravel(TABLE)))
    three = agendas(3)
    first = await prepared.of("ten", (TravelMode.CAR, three), seconds(-1), seconds(14))
    assert await prepared.of("ten", (TravelMode.CAR, three), seconds(-1), seconds(13)) is first
    changed = [three[0], agendas(2)[1], three[2]]
    second = await prepared.of("ten", (TravelMode.CAR, changed), seconds(-1), seconds(14))
    assert second is not first
    assert second.agents[0] is first.agents[0]
    assert second.agents[1] is not first.agents[1]
    assert await prepared.of("ten_2", (TravelMode.CAR, changed), seconds(-1), seconds(14)) is not second


async def test_other_travel_data_make_other_gaps() -> None:
    travel = TableTravel(TABLE)
    prepared = PreparedGaps(everyones(travel))
    one = agendas(1)
    first = await prepared.of("ten", (TravelMode.CAR, one), seconds(-1), seconds(14))
    travel.version = "table-2"
    second = await prepared.of("ten", (TravelMode.CAR, one), seconds(-1), seconds(14))
    assert (first.version, second.version) == ("table-1", "table-2")


async def test_a_far_horizon_does_not_burden_near_questions() -> None:
    prepared = PreparedGaps(everyones(TableTravel(TABLE)))
    far = await prepared.of("ten", (TravelMode.CAR, agendas(1)), seconds(-1), seconds(390))
    near = await prepared.of("ten", (TravelMode.CAR, agendas(1)), seconds(-1), seconds(14))
    assert len((await near.whole()).gaps) < len((await far.whole()).gaps) / 5


async def test_what_is_kept_is_bounded() -> None:
    prepared = PreparedGaps(everyones(TableTravel(TABLE)), most_rows=400)
    for number in range(30):
        crowd = await prepared.of(f"ten_{number}", (TravelMode.CAR, agendas(4)), seconds(-1), seconds(28))
        await crowd.whole()
        assert sum(shelf.rows for shelf in prepared._shelves.values()) <= 400 or len(prepared._shelves) == 1


async def test_many_agents_are_made_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cold question about many agents lets others through while it is prepared, whatever its horizon: as
    soon as ten milliseconds are over, here after every other agent."""
    ticks = count()
    monkeypatch.setattr(prepared_gaps, "monotonic", lambda: next(ticks) * 0.006)
    making = PreparedGaps(everyones(TableTravel(TABLE))).of(
        "ten", (TravelMode.CAR, agendas(100)), seconds(-1), seconds(14)
    )
    pauses = 0
    while True:
        try:
            making.send(None)
        except StopIteration:
            break
        pauses += 1
    assert pauses == 50


async def test_a_question_that_would_fill_the_memory_is_refused_before_it_is_looked_at() -> None:
    """Ten thousand agents over a year; over a month, or a few of them over the year, is a question."""
    search = SlotSearch(DiaryShelf({}, at(-48)), everyones(TableTravel(TABLE)))  # type: ignore[arg-type]
    everybody = tuple(f"agt_{number:05d}" for number in range(10_000))
    whole_year = Window(at(0), at(0) + timedelta(days=365))
    with pytest.raises(InvalidInput) as refused:
        await search.search("ten", SearchSlots(VISIT, 600, (whole_year,), at(0), everybody))
    assert [violation.field for violation in refused.value.violations] == ["agent_ids"]
    for agents, days in ((everybody, 30), (everybody[:800], 365)):
        asked = Window(at(0), at(0) + timedelta(days=days))
        with pytest.raises(NotFound):  # it goes on to look for them
            await search.search("ten", SearchSlots(VISIT, 600, (asked,), at(0), agents))


async def test_a_horizon_of_a_year_is_answered_and_one_of_401_days_is_not() -> None:
    crew = {one.agent_id: one for one in map(_diary, range(3))}
    search = SlotSearch(DiaryShelf(crew, at(-48)), everyones(TableTravel(TABLE)))  # type: ignore[arg-type]

    async def last_start(days: int) -> int:
        """Days from now to the latest start of a visit that may come on the last of these days alone."""
        window = Window(at(24 * days - 24), at(24 * days))
        found = await search.search("ten", SearchSlots(VISIT, 600, (window,), at(0), tuple(crew)))
        return (max(slot.start for slot, _ in found.slots) - int(at(0).timestamp())) // DAY

    assert (await last_start(365), await last_start(400)) == (364, 399)
    with pytest.raises(InvalidInput) as refused:
        await last_start(401)
    assert [violation.field for violation in refused.value.violations] == ["windows"]


async def test_a_call_that_is_cancelled_stops_its_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """From then on nothing is made; what was made until then is kept."""
    made, gaps_of = list[object](), prepared_gaps.shift_gaps.gaps_of

    def counted(*asked: object) -> object:
        made.append(asked)
        return gaps_of(*asked)  # type: ignore[arg-type]

    monkeypatch.setattr(prepared_gaps.shift_gaps, "gaps_of", counted)
    monkeypatch.setattr(prepared_gaps, "_TURN_SECONDS", 0.0)
    crew = {one.agent_id: one for one in map(_diary, range(12))}
    search = SlotSearch(DiaryShelf(crew, at(-48)), everyones(TableTravel(TABLE)))  # type: ignore[arg-type]
    asked = SearchSlots(VISIT, 600, (Window(at(0), at(48)),), at(0), tuple(crew))
    call = asyncio.ensure_future(search.search("ten", asked))
    while len(made) < 3:
        await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    stopped = len(made)
    for _ in range(200):
        await asyncio.sleep(0)
    assert len(made) == stopped < len(crew)
    await search.search("ten", asked)
    assert len(made) == len(crew)


async def test_more_detours_than_one_answer_holds_are_refused_by_their_field() -> None:
    search = SlotSearch(DiaryShelf({}, at(-48)), everyones(TableTravel(TABLE)))  # type: ignore[arg-type]
    days = tuple(Window(at(24 * day), at(24 * day + 24)) for day in range(20))
    crew = tuple(f"agt_{number:04d}" for number in range(1001))
    with pytest.raises(InvalidInput) as refused:
        await search.detours("ten", SearchSlots(VISIT, 600, days, at(0), crew))
    assert [violation.field for violation in refused.value.violations] == ["agent_ids"]
    for within in (crew[1:], (*crew[1:], crew[1])):  # nobody counts twice
        with pytest.raises(NotFound):  # it goes on to look for them
            await search.detours("ten", SearchSlots(VISIT, 600, days, at(0), within))


async def test_a_question_about_many_agents_lets_others_through_and_is_answered_as_if_it_were_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever its size, the others wait for one portion of it, here of two agents, and never for all."""
    shelf = DiaryShelf({(one.agent_id): one for one in map(_diary, range(12))}, at(-48))
    search = SlotSearch(shelf, everyones(TableTravel(TABLE)))  # type: ignore[arg-type]
    window = Window(at(0), at(0) + timedelta(days=2))
    asked = SearchSlots(VISIT, 600, (window,), at(0), tuple(sorted(shelf.diaries)), limit=7)

    async def both(**more: object) -> tuple[object, object]:
        what = replace(asked, **more)  # type: ignore[arg-type]
        return await search.search("ten", what), (await search.detours("ten", what)).detours

    whole = [await both(), await both(explain=True)]  # and all of it is prepared from now on
    monkeypatch.setattr(search_limits, "AT_ONCE_AGENT_DAYS", 4)
    monkeypatch.setattr(search_limits, "PORTION_AGENT_DAYS", 4)
    assert [await both(), await both(explain=True)] == whole
    turns, making = 0, asyncio.ensure_future(search.search("ten", asked))
    while not making.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 12 / 2 - 1


async def test_gaps_that_are_known_are_joined_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of thousands of agents that takes a second: others get their turn after each agent, and rows by rows
    where the places are sorted. What comes out is what is joined at once."""
    prepared, crew = (
        PreparedGaps(everyones(TableTravel(TABLE))),
        [_diary(one).agenda(at(-48)) for one in range(12)],
    )
    crowd = await prepared.of("ten", (TravelMode.CAR, crew), seconds(-1), seconds(14))
    at_once = await crowd.roomy(600)
    crowd.joins.clear()
    monkeypatch.setattr(slices, "_SECONDS", 0)
    monkeypatch.setattr(joined_gaps, "_ROWS_A_TURN", 5)
    turns, joining = 0, asyncio.ensure_future(crowd.roomy(600))
    while not joining.done():
        await asyncio.sleep(0)
        turns += 1
    in_turns = await joining
    assert turns > 2 * len(crew) + 2 * len(at_once.gaps) // 5
    assert np.array_equal(in_turns.gaps.table, at_once.gaps.table)
    for name in ("origin_at", "target_at", "buffers", "rows"):
        assert np.array_equal(getattr(in_turns, name), getattr(at_once, name)), name
    assert np.array_equal(in_turns.places.keys, at_once.places.keys)


async def test_very_many_changed_agents_are_joined_anew_in_turns() -> None:
    """A few are put between the others; more than that would take as long without a pause."""
    prepared, crew = PreparedGaps(everyones(TableTravel(TABLE))), agendas(40)
    first = await prepared.of("ten", (TravelMode.CAR, crew), seconds(-1), seconds(14))
    await first.roomy(600)
    for changed, joined in ((joined_gaps._MOST_CHANGED, 1), (joined_gaps._MOST_CHANGED + 1, 0)):
        crew = [*agendas(changed), *crew[changed:]]
        crowd = await prepared.of("ten", (TravelMode.CAR, crew), seconds(-1), seconds(14))
        assert len(crowd.joins) == joined
        assert len((await crowd.roomy(600)).gaps) == len((await first.roomy(600)).gaps)


@pytest.mark.parametrize("left_over", [1000, -1_000_000])
async def test_gaps_joined_piece_by_piece_and_looked_at_in_blocks_are_those_made_at_once(
    monkeypatch: pytest.MonkeyPatch, left_over: int
) -> None:
    """Whether the places of changed agents are put behind the others, or all are joined anew."""
    monkeypatch.setattr(joined_gaps, "_PLACES_LEFT_OVER", left_over)
    diaries = {one.agent_id: one for one in map(_diary, range(12))}
    shelf, travel = DiaryShelf(diaries, at(-48)), everyones(TableTravel(TABLE))
    search = SlotSearch(shelf, travel)  # type: ignore[arg-type]
    asked = SearchSlots(VISIT, 600, (Window(at(0), at(48)),), at(0), tuple(sorted(diaries)), limit=60)
    for changed in (["agt_03"], ["agt_00", "agt_11"], ["agt_05", "agt_06"]):
        await search.search("ten", asked)
        for agent_id in changed:
            booked(diaries[agent_id], 10.5, 11)
        fresh = await SlotSearch(DiaryShelf(diaries, at(-48)), travel).search("ten", asked)  # type: ignore[arg-type]
        with monkeypatch.context() as small:
            small.setattr(outlook, "BLOCK", 5)
            assert await search.search("ten", asked) == fresh
        assert await search.search("ten", replace(asked, explain=True)) == await SlotSearch(
            DiaryShelf(diaries, at(-48)),
            travel,  # type: ignore[arg-type]
        ).search("ten", replace(asked, explain=True))


def _diary(number: int) -> Diary:
    made = diary(name=f"agt_{number:02d}")
    return booked(made, 8.5 + number / 10, 10) if number % 3 else made


async def test_nobody_asked_is_an_answer() -> None:
    search = SlotSearch(DiaryShelf({}, at(-48)), everyones(TableTravel(TABLE)))  # type: ignore[arg-type]
    for explain in (False, True):
        asked = SearchSlots(VISIT, 600, (Window(at(0), at(24)),), at(0), (), explain=explain)
        found = await search.search("ten", asked)
        assert (found.slots, found.refused) == ((), ())


async def test_no_solver_is_part_of_the_service() -> None:
    """Slot search answers without one (GEO-20): nothing of the service even loads it."""
    script = "import sys, geo.app; sys.exit('ortools' in sys.modules)"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", script)
    assert await process.wait() == 0
