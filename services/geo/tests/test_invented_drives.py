"""A drive that the database holds and no engine ever told: the check of the guarantee measures it again."""

from contextlib import closing

import psycopg
import pytest
import pytest_asyncio

from geo.usecases.reserve_stop import ReserveStop, reserve_stop
from kit.testing.databases import Databases
from services.geo.tests.support.world import HOME, NORTH, TENANT, World, open_world, plan, week

pytestmark = pytest.mark.asyncio

INVENT = (
    "INSERT INTO geo.legs SELECT tenant_id, from_place, to_place, version, via, 0, 0, source, 0"
    " FROM geo.legs",
    "UPDATE geo.stops SET leg_seconds = 0, leg_free_seconds = 0, starts_at = starts_at - interval '30m'"
    " WHERE owner_id = 'apt_b'",
)


@pytest_asyncio.fixture
async def world(make_database: Databases) -> World:
    return await open_world(make_database(["geo"]))


async def test_an_invented_drive_is_found(world: World) -> None:
    agent = await world.agent(week(base=None, lunch=False))
    await reserve_stop(world.ledger, TENANT, ReserveStop("apt_a", plan(agent, 9, 10, HOME)))
    await reserve_stop(world.ledger, TENANT, ReserveStop("apt_b", plan(agent, 10.5, 11, NORTH)))
    await world.sound()
    with closing(psycopg.connect(world.urls.app("geo"))) as connection:
        connection.execute("SELECT set_config('giro.tenant', %s, true)", (TENANT,))
        for statement in INVENT:
            connection.execute(statement)
        connection.commit()
    (found,) = (await world.verify()).violations
    assert (found.kind, found.earlier_owner_id, found.later_owner_id) == ("LEG", "apt_a", "apt_b")
    world.roads.data = "test-2"  # newer data does not tell what the old ones said
    await world.sound()
    await world.db.stop()
