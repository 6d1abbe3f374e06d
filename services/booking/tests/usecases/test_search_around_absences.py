"""Slots around unavailable days: never an error for a legal question, never more calls at once than a few."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest
from booking_house import PLACE, VISIT, House, claim
from buf.validate import validate_pb2
from house_clock import noon

from booking.domain.outcomes import Recall, Result
from booking.domain.refix_modes import Work
from booking.usecases.ports import FoundSlots, SlotQuery
from booking.usecases.search_slots import MOST_WINDOWS
from booking.usecases.suggest_slots import Suggestions, SuggestSlots, suggest_slots
from booking.usecases.unavailability import SetUnavailability, set_unavailability
from giro.geo.v1 import ledger_pb2
from kit.errors import Reason, Unavailable
from kit.values.ids import new_id
from kit.values.window import Window

pytestmark = pytest.mark.asyncio(loop_scope="session")

SEARCH_RULES = ledger_pb2.SearchSlotsRequest.DESCRIPTOR.fields_by_name["windows"].GetOptions()


async def away(house: House, agent: str, first: int, last: int | None = None) -> None:
    days = [noon(ahead).date().isoformat() for ahead in (first, first if last is None else last)]
    await set_unavailability(house.desk, SetUnavailability(agent, "", *days, "", "", claim()))


async def suggest(house: House, windows: Sequence[Window], **more: Any) -> Suggestions:
    campaign = await house.campaign()
    contact = await house.contact(campaign)
    asked = {"limit": 10, "explain": False, "agent_ids": (), **more}
    query = SuggestSlots(
        campaign_id=campaign.campaign_id,
        contact_id=contact,
        point=PLACE,
        duration=VISIT,
        first_day="",
        last_day="",
        windows=windows,
        **asked,
    )
    return await suggest_slots(house.desk, query)


def sixty_two_windows() -> list[Window]:
    """Twenty days, and 61 visits' time after that."""
    short = [Window(noon(30 + number), noon(30 + number) + VISIT) for number in range(1, 62)]
    return [Window(noon(10), noon(30)), *short]


def starts(found: Suggestions) -> list[tuple[str, int]]:
    return [(slot.agent_id, slot.start) for slot in found.found.slots]


def as_found(*slots: tuple[str, datetime]) -> list[tuple[str, int]]:
    return [(agent, int(start.timestamp())) for agent, start in slots]


async def test_the_windows_that_absences_leave_may_be_more_than_the_ledger_takes_at_once(
    house: House,
) -> None:
    first, second = house.agents[:2]
    windows = sixty_two_windows()
    for number in range(9):
        await away(house, first, 11 + 2 * number)
    slots = [(first, noon(12)), (first, noon(91)), (second, noon(11))]
    house.ledger.slots = [*slots, (first, noon(13))]
    found = await suggest(house, windows)
    assert starts(found) == as_found(*slots)
    asked = [len(query.windows) for query in house.ledger.queries]
    assert max(asked) == MOST_WINDOWS
    assert sum(asked) == 62 + 62 + 9


async def test_the_ledgers_limit_is_its_contracts() -> None:
    assert SEARCH_RULES.Extensions[validate_pb2.field].repeated.max_items == MOST_WINDOWS


async def test_a_gap_is_refused_once_and_not_where_a_start_was_found(house: House) -> None:
    first = house.agents[0]
    windows = sixty_two_windows()
    await away(house, first, 15)
    house.ledger.slots = [(first, noon(40))]
    gaps = []
    for start, end in ((39, 41), (50, 52)):
        gap = ledger_pb2.SearchSlotsResponse().refused.add(agent_id=first)
        gap.gap.start.FromDatetime(noon(start))
        gap.gap.end.FromDatetime(noon(end))
        gaps.append(gap)
    house.ledger.refused = gaps
    found = await suggest(house, windows, explain=True, agent_ids=(first,))
    assert starts(found) == as_found((first, noon(40)))
    assert list(found.found.refused) == [gaps[1]]


async def test_the_same_days_off_are_one_question(house: House) -> None:
    for agent in house.agents[:3]:
        await away(house, agent, 12)
    found = await suggest(house, [Window(noon(10), noon(20))])
    assert {each.reason for each in found.left_out} == {"ABSENT"}
    assert sorted(len(query.agent_ids) for query in house.ledger.queries) == [1, 3]


async def of_many(house: House, agents: int) -> None:
    """That many agents, each away on a day of its own."""
    house.agents = sorted(new_id("agt") for _ in range(agents))
    house.ledger.agents |= set(house.agents)
    for number, agent in enumerate(house.agents):
        await away(house, agent, 10 + number)


async def test_some_questions_are_asked_at_once_and_not_all(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await of_many(house, 20)
    asked, waiting, most, search = 0, 0, 0, house.ledger.search

    async def counted(tenant: str, query: SlotQuery) -> FoundSlots:
        nonlocal asked, waiting, most
        asked, waiting = asked + 1, waiting + 1
        most = max(most, waiting)
        await asyncio.sleep(0)
        waiting -= 1
        return await search(tenant, query)

    monkeypatch.setattr(house.ledger, "search", counted)
    house.ledger.slots = [(agent, noon(40 + n)) for n, agent in enumerate(house.agents)]
    found = await suggest(house, [Window(noon(9), noon(70))], limit=20)
    assert starts(found) == as_found(*house.ledger.slots)
    assert asked == 20
    assert 1 < most <= 8


async def test_the_first_failure_ends_all_questions(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await of_many(house, 20)
    begun, ended = 0, 0

    async def fails(tenant: str, query: SlotQuery) -> FoundSlots:
        nonlocal begun, ended
        begun += 1
        try:
            if query.agent_ids[0] != house.agents[0]:
                await asyncio.Event().wait()
        finally:
            ended += 1
        raise Unavailable(Reason.SERVICE_UNAVAILABLE, "geo is away")

    monkeypatch.setattr(house.ledger, "search", fails)
    with pytest.raises(Unavailable):
        await suggest(house, [Window(noon(9), noon(70))])
    await asyncio.sleep(0)
    assert begun < 20
    assert ended == begun


async def test_a_question_about_cyclists_alone_leaves_them_out_while_their_roads_are_away(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    rider, driver = house.agents[:2]
    await away(house, rider, 12)
    house.ledger.slots = [(driver, noon(11)), (rider, noon(11))]
    answer = house.ledger.search
    none = [rider]

    async def roads(tenant: str, query: SlotQuery) -> FoundSlots:
        if set(query.agent_ids) <= set(none):
            raise Unavailable(Reason.TRAVEL_UNAVAILABLE, "the engine does not answer")
        return await answer(tenant, query)

    monkeypatch.setattr(house.ledger, "search", roads)
    found = await suggest(house, [Window(noon(10), noon(20))], explain=True)
    assert (starts(found), found.found.incomplete) == (as_found((driver, noon(11))), True)
    assert [each.agent_id for each in found.left_out if each.reason == "TRAVEL_UNAVAILABLE"] == [rider]
    none.extend(house.agents)
    with pytest.raises(Unavailable) as refused:
        await suggest(house, [Window(noon(10), noon(20))])
    assert refused.value.reason is Reason.TRAVEL_UNAVAILABLE


async def test_an_exceptions_alternatives_are_never_on_a_day_that_the_agent_is_away(house: House) -> None:
    own, other = house.agents[:2]
    await house.outcome_state("refixed", result=Result.OPEN, recall=Recall.NONE)
    await house.outcome_state("ko-date", refix=True, recall=Recall.NONE)
    await house.procedure(Work.MOVE, "ko-date")
    campaign = await house.campaign(agents=[own, other])
    card = await house.book(campaign, await house.contact(campaign), noon(10))
    await away(house, own, 20, 21)
    await away(house, other, 20)
    house.ledger.slots = [
        (own, noon(20)),
        (own, noon(21)),
        (own, noon(22)),
        (other, noon(20)),
        (other, noon(21)),
        (other, noon(23)),
    ]
    await house.set_outcome(card, "ko-date", refix_at=noon(20))
    await house.run()
    (raised,) = await house.exceptions()
    assert raised.reason == "ABSENT"
    assert [(each.agent_id, each.start) for each in raised.alternatives] == [
        (other, noon(21)),
        (own, noon(22)),
        (other, noon(23)),
    ]
