"""Through the gateway: why a start cannot be had and what opens it, hidden agents, stale tokens."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from giro.booking.v1 import booking_pb2 as booking
from giro.common.v1 import travel_pb2 as travel
from tests.world import Refusal, World, stamp

pytestmark = pytest.mark.asyncio


async def explain(world: World, start: datetime, contact: int) -> Any:
    request = booking.ExplainSlotRequest(
        campaign_id=world.campaign,
        contact_id=world.contacts[contact],
        duration=Duration(seconds=1800),
        agent_id=world.agents[0],
        start=stamp(start),
    )
    return await world.call(world.booking.ExplainSlot, request)


async def test_each_change_opens_the_start(world: World) -> None:
    start = world.day(6, 10)
    await world.book(start, agent=0, contact=0)
    found = await explain(world, start, 5)
    with pytest.raises(Refusal) as told:
        await world.book(start, agent=0, contact=5)
    assert [one.reason for one in found.grounds][:1] == [told.value.reason]
    assert {one.kind for one in found.changes} == {
        travel.START_CHANGE_KIND_LATER,
        travel.START_CHANGE_KIND_EARLIER,
        travel.START_CHANGE_KIND_AGENT,
        travel.START_CHANGE_KIND_POSTPONE,
    }
    for change in found.changes:
        await _applied(world, start, change)


async def test_a_start_before_the_lead_time_says_how_much_later_would_do(world: World) -> None:
    start = world.day(1, 10)
    found = await explain(world, start, 4)
    with pytest.raises(Refusal) as told:
        await world.book(start, agent=0, contact=4)
    assert (found.grounds[0].reason, told.value.reason) == ("LEAD_TIME", "LEAD_TIME")
    assert 0 < found.grounds[0].short_seconds <= 36 * 3600
    (later,) = [one for one in found.changes if one.kind == travel.START_CHANGE_KIND_LATER]
    assert later.by.seconds >= found.grounds[0].short_seconds
    await _applied(world, start, later)


async def _applied(world: World, start: datetime, change: Any) -> None:
    """Makes the change, books, and takes both back."""
    back: list[Callable[[], Awaitable[Any]]] = []
    if change.kind == travel.START_CHANGE_KIND_POSTPONE:
        moved = await world.postpone(change.appointment_id, change.start.ToDatetime(tzinfo=UTC))
        back.append(lambda: world.cancel(moved.appointment_id))
        at = start
    else:
        at = change.start.ToDatetime(tzinfo=UTC)
    made = await world.book(at, agent=world.agents.index(change.agent_id), contact=5)
    back.append(lambda: world.cancel(made.appointment_id))
    assert await world.violations() == []
    for undo in back:
        await undo()


async def test_hidden_agents_are_booked_by_token(world: World) -> None:
    """GEO-09: nothing tells an agent until the appointment is there."""
    suggested = await world.suggest(3, limit=3, reveal_agent=False)
    assert "agt_" not in str(suggested)
    slot = suggested.slots[0]
    made = await world.book_with(contact=3, slot_token=slot.slot_token)
    assert (made.agent_id, made.start) == ("", slot.anatomy.start)


async def test_a_neighbour_in_between_makes_a_token_stale(world: World) -> None:
    """GEO-28: the slot is offered, somebody books beside it, the token is refused with what to do."""
    slot = (await world.suggest(7, limit=1)).slots[0]
    start, end = slot.anatomy.start.seconds, slot.anatomy.end.seconds
    beside = datetime.fromtimestamp(end + 6 * 3600, UTC)
    agent = world.agents.index(slot.anatomy.agent_id)
    await world.book(beside, agent=agent, contact=2)
    with pytest.raises(Refusal) as told:
        await world.book_with(contact=7, slot_token=slot.slot_token)
    assert (told.value.code, told.value.reason) == ("FAILED_PRECONDITION", "SLOT_TOKEN_STALE")
    made = await world.book(datetime.fromtimestamp(start, UTC), agent=agent, contact=7)
    assert made.start.seconds == start
