"""What one question joins of many agents serves those that come while it is being joined."""

import asyncio
from collections.abc import Sequence

import pytest

from geo.domain.agenda import Agenda
from geo.domain.modes import TravelMode
from geo.usecases import slices
from geo.usecases.joined_gaps import AgentGaps, Crowd, Prepared
from geo.usecases.prepared_gaps import PreparedGaps
from services.geo.tests.search.test_prepared_gaps import agendas, seconds
from services.geo.tests.support.search_days import TABLE
from services.geo.tests.support.search_world import TableTravel
from services.geo.tests.support.world import everyones

pytestmark = pytest.mark.asyncio

VISIT_S = 600


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many agents were joined, join by join; each join gives way after every agent."""
    joined, whole = list[int](), Crowd._joined

    async def counted(crowd: Crowd, parts: Sequence[AgentGaps], duration: int | None) -> Prepared:
        joined.append(len(parts))
        return await whole(crowd, parts, duration)

    monkeypatch.setattr(Crowd, "_joined", counted)
    monkeypatch.setattr(slices, "_SECONDS", 0)
    return joined


async def crowd_of(prepared: PreparedGaps, crew: Sequence[Agenda]) -> Crowd:
    return await prepared.of("ten", (TravelMode.CAR, crew), seconds(-1), seconds(14))


async def test_questions_about_the_same_agents_wait_for_one_join(made: list[int]) -> None:
    crowd = await crowd_of(PreparedGaps(everyones(TableTravel(TABLE))), agendas(20))
    found = await asyncio.gather(*(crowd.roomy(VISIT_S) for _ in range(10)))
    assert made == [20]
    assert all(one is found[0] for one in found)


async def test_a_question_that_is_given_up_leaves_the_join_to_the_next(made: list[int]) -> None:
    crowd = await crowd_of(PreparedGaps(everyones(TableTravel(TABLE))), agendas(20))
    first, second = (asyncio.ensure_future(crowd.roomy(VISIT_S)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert len((await second).agents) == 20
    assert made == [20, 20]


async def test_an_agent_that_changes_while_all_are_joined_does_not_have_them_joined_anew(
    made: list[int],
) -> None:
    prepared, crew = PreparedGaps(everyones(TableTravel(TABLE))), agendas(20)
    asking = []
    for changed in range(10):
        crowd = await crowd_of(prepared, crew)
        asking.append(asyncio.ensure_future(crowd.roomy(VISIT_S)))
        await asyncio.sleep(0)
        crew = [*crew[:changed], agendas(20)[changed], *crew[changed + 1 :]]
    last = await (await crowd_of(prepared, crew)).roomy(VISIT_S)
    await asyncio.gather(*asking)
    assert made == [20]
    assert [part.agenda for part in last.agents] == crew
    fresh = await (await crowd_of(PreparedGaps(everyones(TableTravel(TABLE))), crew)).roomy(VISIT_S)
    assert sorted(map(tuple, last.gaps.table.T.tolist())) == sorted(map(tuple, fresh.gaps.table.T.tolist()))
