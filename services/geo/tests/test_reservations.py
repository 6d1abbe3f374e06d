"""What appointments have in the ledger, as their owner is told: the stops, not what was noted of them."""

from contextlib import closing

import psycopg
import pytest

from geo.usecases.get_reservation import list_reservations
from geo.usecases.reserve_stop import ReserveStop, reserve_stop
from kit.values.ids import new_id
from services.geo.tests.support.world import NORTH, TENANT, World, plan, week, window

pytestmark = pytest.mark.asyncio


async def listed(world: World, agent: str) -> dict[str, tuple[object, int]]:
    found = await list_reservations(world.ledger, TENANT, "", 1000)
    return {
        one.appointment_id: (one.plan.window, one.plan.place) for one in found if one.plan.agent_id == agent
    }


@pytest.mark.parametrize(
    ("tampering", "left"),
    [
        ("UPDATE geo.stops SET starts_at = starts_at + interval '5 min'", [(window(9 + 1 / 12, 10), NORTH)]),
        ("DELETE FROM geo.stops", []),
    ],
)
async def test_a_stop_that_was_tampered_with_shows(world: World, tampering: str, left: list[object]) -> None:
    agent, appointment = await world.agent(week(base=None, lunch=False)), new_id("apt")
    await reserve_stop(world.ledger, TENANT, ReserveStop(appointment, plan(agent, 9, 10, NORTH)))
    assert await listed(world, agent) == {appointment: (window(9, 10), NORTH)}
    with closing(psycopg.connect(world.urls.app("geo"))) as connection:
        connection.execute("SELECT set_config('giro.tenant', %s, true)", (TENANT,))
        connection.execute(f"{tampering} WHERE owner_id = %s", (appointment,))
        connection.commit()
    assert list((await listed(world, agent)).values()) == left
