"""kill -9 of booking and of geo within the repair of a day: all of it is made in the end, or nothing."""

from dataclasses import dataclass
from typing import Any

import pytest

from allinone.stack import Stack
from giro.booking.v1 import booking_pb2 as booking
from giro.booking.v1 import repairs_pb2 as repairs
from tests.eventually import eventually
from tests.failures.armed import doomed
from tests.failures.test_crashes import _final, _told_once, _until_it_dies
from tests.world import World, request_id, stamp

pytestmark = [pytest.mark.asyncio, pytest.mark.slow, pytest.mark.timeout(180)]

POINTS = [
    ("booking", "booking.repair.after_pending"),
    ("booking", "booking.repair.after_move"),
    ("geo", "geo.move_stops.before_commit"),
]


@dataclass
class Day:
    """Three appointments of one agent: one goes to the other agent, one takes the third's time."""

    world: World
    booked: list[Any]
    key: str

    @classmethod
    async def of(cls, world: World) -> "Day":
        booked = [await world.book(world.day(7, 9 + 2 * n), contact=n) for n in range(3)]
        return cls(world, booked, request_id())

    async def repair(self) -> Any:
        """Applies it, always under the same key."""
        first, second, third = self.booked
        here, there = self.world.agents
        request = repairs.ApplyRepairRequest(
            moves=[
                repairs.RepairMove(appointment_id=first.appointment_id, agent_id=there, start=first.start),
                repairs.RepairMove(appointment_id=second.appointment_id, agent_id=here, start=third.start),
            ],
            cancellations=[repairs.RepairCancellation(appointment_id=third.appointment_id, version=1)],
            note="broken down",
            request_id=self.key,
        )
        return await self.world.call(self.world.repairs.ApplyRepair, request, role="AGENT_SUPERVISOR")

    async def require_whole(self, made: bool) -> None:
        """Asserts that all of it is there, or nothing."""
        found = {each.appointment_id: each for each in await self.world.appointments()}
        first, second, third = (found[each.appointment_id] for each in self.booked)
        there, then = self.world.agents[1], stamp(self.world.day(7, 13))
        state = (
            first.agent_id == there,
            second.start == then,
            third.state == booking.APPOINTMENT_STATE_CANCELLED,
        )
        assert state == (made,) * 3
        assert [each.version for each in (first, second, third)] == [1 + made] * 3
        assert await self.world.violations() == []
        await _told_once(self.world, found)


@pytest.mark.parametrize(("service", "failpoint"), POINTS, ids=[point for _, point in POINTS])
async def test_a_repair_is_made_whole_or_not_at_all(
    world: World, stack: Stack, service: str, failpoint: str
) -> None:
    world.patience = 15
    day = await Day.of(world)
    world.patience = 0
    async with doomed(stack, service, failpoint):
        acknowledged = await _until_it_dies(stack, service, day.repair)
    world.patience = 15
    assert await eventually(world.ownership, lambda seen: seen == ([], [])) == ([], [])
    answer = await _final(day.repair)
    assert acknowledged is None or answer == acknowledged
    await day.require_whole(made=not isinstance(answer, str))
