"""Ways to break the promise by SQL, past the application and with its own rights: the database refuses."""

from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass

import psycopg
import pytest
import pytest_asyncio
from psycopg import errors as pg

from geo.usecases.reserve_stop import ReserveStop, reserve_stop
from kit.testing.databases import Databases
from services.geo.tests.support.world import (
    EAST,
    HOME,
    NORTH,
    SOUTH,
    TENANT,
    World,
    at,
    open_world,
    plan,
    week,
)

pytestmark = pytest.mark.asyncio


@dataclass
class Victim:
    """Three visits a, b, c of one agent, half an hour each, and one of another agent."""

    world: World
    agent: str
    other: str

    def tamper(self, *statements: str) -> None:
        """Runs them as the application in one transaction, `%(a)s` being the stop of visit a."""
        names = {"agent": self.agent, "other": self.other, "tenant": TENANT}
        with closing(psycopg.connect(self.world.urls.app("geo"))) as connection:
            connection.execute("SELECT set_config('giro.tenant', %s, true)", (TENANT,))
            rows = connection.execute("SELECT owner_id, stop_id FROM geo.stops").fetchall()
            stops = {owner.removeprefix("apt_"): stop for owner, stop in rows}
            for statement in statements:
                connection.execute(statement, names | stops)
            connection.commit()


@pytest_asyncio.fixture(scope="module")
async def victim(make_database: Databases) -> AsyncIterator[Victim]:
    world = await open_world(make_database(["geo"]))
    free = week(base=None, lunch=False)
    agent, other = await world.agent(free), await world.agent(free)
    for owner, start, place in (("apt_a", 9, HOME), ("apt_b", 10, NORTH), ("apt_c", 11, SOUTH)):
        await reserve_stop(world.ledger, TENANT, ReserveStop(owner, plan(agent, start, start + 0.5, place)))
    await reserve_stop(world.ledger, TENANT, ReserveStop("apt_x", plan(other, 8, 8.5, EAST)))
    yield Victim(world, agent, other)
    await world.sound()
    await world.db.stop()


COPY = (
    "INSERT INTO geo.stops (tenant_id, agent_id, stop_id, kind, starts_at, ends_at, place, buffer_seconds,"
    " owner_id, prev_id, prev_ends_at, prev_place, leg_seconds, leg_free_seconds, leg_version, leg_via)"
    " SELECT tenant_id, agent_id, 'stp_new', kind, {times}, place, 0, 'apt_new', {link}"
    " FROM geo.stops WHERE stop_id = %({of})s"
)
LINK = "prev_id, prev_ends_at, prev_place, leg_seconds, leg_free_seconds, leg_version, leg_via"
AFTERNOON = "timestamptz '2038-03-01 15:00Z', timestamptz '2038-03-01 15:30Z'"

WAYS: dict[str, tuple[str, type[psycopg.Error], str]] = {
    "stretch a stop past the next one": (
        "UPDATE geo.stops SET ends_at = ends_at + interval '2 hours' WHERE stop_id = %(a)s",
        pg.ForeignKeyViolation,
        "stops_previous",
    ),
    "move a stop to another place": (
        f"UPDATE geo.stops SET place = {EAST} WHERE stop_id = %(c)s",
        pg.ForeignKeyViolation,
        "stops_leg",
    ),
    "take a stop out without relinking": (
        "DELETE FROM geo.stops WHERE stop_id = %(b)s",
        pg.ForeignKeyViolation,
        "stops_previous",
    ),
    "claim a drive of no time": (
        "UPDATE geo.stops SET leg_seconds = 0 WHERE stop_id = %(b)s",
        pg.ForeignKeyViolation,
        "stops_leg",
    ),
    "begin a second chain": (
        COPY.format(times=AFTERNOON, link="NULL, NULL, NULL, NULL, NULL, NULL, NULL", of="c"),
        pg.UniqueViolation,
        "stops_one_successor",
    ),
    "follow a stop that has a successor": (
        COPY.format(times=AFTERNOON, link=LINK, of="c"),
        pg.UniqueViolation,
        "stops_one_successor",
    ),
    "follow another agent's stop": (
        "UPDATE geo.stops SET prev_id = o.stop_id, prev_ends_at = o.ends_at FROM geo.stops o"
        " WHERE geo.stops.stop_id = %(b)s AND o.stop_id = %(x)s",
        pg.ForeignKeyViolation,
        "stops_previous",
    ),
    "follow a later stop": (
        "UPDATE geo.stops SET prev_id = o.stop_id, prev_ends_at = o.ends_at, prev_place = o.place"
        " FROM geo.stops o WHERE geo.stops.stop_id = %(b)s AND o.stop_id = %(c)s",
        pg.CheckViolation,
        "stops_reachable",
    ),
    "start before arriving": (
        "UPDATE geo.stops SET starts_at = starts_at - interval '11 minutes' WHERE stop_id = %(b)s",
        pg.CheckViolation,
        "stops_reachable",
    ),
    "claim a drive of the night for the rush hour": (
        "UPDATE geo.stops SET leg_free_seconds = 60 WHERE stop_id = %(b)s",
        pg.ForeignKeyViolation,
        "stops_leg",
    ),
    "change a promised drive": (
        "UPDATE geo.legs SET seconds = 60",
        pg.InsufficientPrivilege,
        "",
    ),
    "forget a tombstone": ("DELETE FROM geo.owners", pg.InsufficientPrivilege, ""),
    "keep half a link": (
        "UPDATE geo.stops SET prev_id = NULL WHERE stop_id = %(b)s",
        pg.CheckViolation,
        "stops_link_whole",
    ),
    "give one appointment two stops": (
        "UPDATE geo.stops SET owner_id = 'apt_a' WHERE stop_id = %(c)s",
        pg.UniqueViolation,
        "stops_owner",
    ),
}


@pytest.mark.parametrize("way", WAYS)
async def test_tampering_is_refused(victim: Victim, way: str) -> None:
    statement, error, constraint = WAYS[way]
    with pytest.raises(error) as refused:
        victim.tamper(statement)
    assert (refused.value.diag.constraint_name or "") == constraint


async def test_even_the_superuser_cannot_change_a_promised_drive(victim: Victim) -> None:
    with (
        closing(psycopg.connect(victim.world.urls.admin)) as connection,
        pytest.raises(pg.ForeignKeyViolation),
    ):
        connection.execute("UPDATE geo.legs SET seconds = seconds - 60 WHERE source = 'ROAD'")


async def test_a_removal_with_relinking_is_accepted(victim: Victim) -> None:
    """What the application does is possible in SQL as well: the refusals above are not for want of rights."""
    victim.tamper(
        "INSERT INTO geo.legs SELECT tenant_id, %(from)s, place, 'sql', false, 1800, 0, 'ROAD', 1800"
        " FROM geo.stops WHERE stop_id = %(c)s".replace("%(from)s", str(HOME)),
        "UPDATE geo.stops SET prev_id = o.stop_id, prev_ends_at = o.ends_at, prev_place = o.place,"
        " leg_seconds = 1800, leg_free_seconds = 1800, leg_version = 'sql' FROM geo.stops o"
        " WHERE geo.stops.stop_id = %(c)s AND o.stop_id = %(a)s",
        "DELETE FROM geo.stops WHERE stop_id = %(b)s",
        "SET CONSTRAINTS ALL IMMEDIATE",
    )
    assert at(11)  # the rest of the module only needs a and c
