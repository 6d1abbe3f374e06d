"""Travel data that become others while a search looks: its answer is of one version all the same."""

from collections.abc import Sequence
from unittest.mock import patch

import pytest

from geo.domain.calendar import Calendar, WeeklyShift
from geo.domain.drives import Drives
from geo.domain.legs import Pair
from geo.domain.places import Ints, Places
from geo.usecases import widening
from geo.usecases.search_slots import SearchSlots, SlotSearch
from kit.values.window import Window
from services.geo.tests.support.search_days import at
from services.geo.tests.support.search_world import Diary, DiaryShelf, TableTravel
from services.geo.tests.support.world import everyones

VISIT = 99
NEAR = {1, 2, 3}
WAYS = {1: 100, 2: 105, 3: 107, 4: 200, 5: 300, 6: 400}
OPEN: dict[Pair, int | None] = {
    pair: seconds for home, seconds in WAYS.items() for pair in ((home, VISIT), (VISIT, home))
}
CLOSED = {pair: None if NEAR & set(pair) else seconds for pair, seconds in OPEN.items()}


class Changing(TableTravel):
    """Roads that are closed to the near homes, or open again, after some of the looks of a search."""

    looks = 0
    turns: Sequence[int] = ()

    async def around(self, tenant: str, place: int, ends: tuple[Places, Places]) -> tuple[Drives, Drives]:
        found = await super().around(tenant, place, ends)
        self.looks += 1
        if self.looks in self.turns:
            self.turn()
        return found

    async def floor_around(self, tenant: str, place: int, places: Places) -> tuple[Ints, Ints]:
        """By the open roads: never above what either say."""
        now, self.table = self.table, dict(OPEN)
        found = await super().floor_around(tenant, place, places)
        self.table = now
        return found

    def turn(self) -> None:
        closed = self.version == "open"
        self.table, self.version = (dict(CLOSED), "closed") if closed else (dict(OPEN), "open")
        self.told = set()


async def found(memory: str, turns: Sequence[int], limit: int) -> tuple[list[str], str, int]:
    """Who is offered, by which roads, and after how many looks."""
    travel = Changing(dict(OPEN), 600, version="open", sharpness=0.9, memory=memory)
    travel.turns = turns
    weekday = at(0).isoweekday()
    crew = {
        f"agt_{home}": Diary(
            f"agt_{home}",
            Calendar("UTC", (WeeklyShift(weekday, 8 * 60, 14 * 60, home, home),)),
            TableTravel({}).book([1]),
        )
        for home in WAYS
    }
    search = SlotSearch(DiaryShelf(crew, at(-48)), everyones(travel))
    asked = SearchSlots(VISIT, 1800, (Window(at(0), at(24)),), at(0), tuple(crew), limit=limit)
    with patch.multiple(widening, _AT_FIRST=1, _MORE=2):
        answer = await search.search("ten", asked)
    return [slot.agent_id for slot, _ in answer.slots], answer.travel_version, travel.looks


ANSWERS = {
    "open": ["agt_1", "agt_2", "agt_3", "agt_4"],
    "closed": ["agt_4", "agt_5", "agt_6"],
}


@pytest.mark.asyncio
@pytest.mark.parametrize("memory", ["", "kept"])
@pytest.mark.parametrize("limit", [1, 2, 4])
@pytest.mark.parametrize("turns", [(1,), (2,), (3,), (1, 2), (1, 2, 3), (2, 3, 4), (1, 3, 5)])
async def test_an_answer_is_of_one_version(memory: str, limit: int, turns: tuple[int, ...]) -> None:
    offered, version, _ = await found(memory, turns, limit)
    assert offered == ANSWERS[version][:limit]


@pytest.mark.asyncio
@pytest.mark.parametrize("memory", ["", "kept"])
@pytest.mark.parametrize("limit", [1, 2, 4])
async def test_roads_that_never_stay_as_they_are_are_answered_by_one_look(memory: str, limit: int) -> None:
    offered, version, looks = await found(memory, range(1, 100), limit)
    assert offered == ANSWERS[version][:limit]
    assert looks <= 5, "twice two looks, the second of which others answered, and one at everything"
