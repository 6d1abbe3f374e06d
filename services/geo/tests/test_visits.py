"""Holding, reserving, moving and freeing visits."""

from datetime import timedelta

import pytest

from services.geo.tests.support.world import EAST, HOME, NORTH, SOUTH, TENANT, World, plan
from geo.usecases.hold_stop import HoldStop, hold_stop
from geo.usecases.reserve_stop import ReserveStop, reserve_stop
from geo.usecases.settle_stop import settle_stop
from kit.values.ids import new_id

pytestmark = pytest.mark.asyncio


async def test_a_visit_brings_its_day_frame(world: World) -> None:
    agent = await world.agent()
    reserved = await reserve_stop(world.ledger, TENANT, ReserveStop(new_id("apt"), plan(agent, 9, 10, NORTH)))
    assert reserved.before is not None
    assert (reserved.before.leg.from_place, reserved.before.leg.seconds) == (HOME, 1200)
    await world.sound()
    import time
    t=time.perf_counter()
    n=0
    for day in range(1,60):
        for h in (9,11,14,16):
            await reserve_stop(world.ledger, TENANT, ReserveStop(new_id("apt"), plan(agent, h, h+.5, (NORTH,EAST,SOUTH)[h%3],day))); n+=1
    print((time.perf_counter()-t)/n*1000,"ms")
    await world.sound()
