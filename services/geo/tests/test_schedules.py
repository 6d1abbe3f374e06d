"""Two sessions in a chosen order, for every pair of writes: one is held in the middle while the other runs.

Whatever the schedule, what comes out is what one after the other would give. The agendas cross midnight, the
roads are asymmetric, and a hold has expired that nobody has swept yet.
"""

from collections.abc import AsyncIterator

import psycopg
import pytest
import pytest_asyncio
from prometheus_client import REGISTRY

from kit.errors import GiroError
from kit.testing.databases import Databases
from kit.testing.schedule import two_sessions
from services.geo.tests.support.night import USE_CASE, WRITES, Night, copied, outcome, template
from services.geo.tests.support.world import open_world

pytestmark = pytest.mark.asyncio

PAIRS = [(first, second) for first in WRITES for second in WRITES]

_serial: dict[tuple[str, str], tuple[str, str]] = {}


@pytest_asyncio.fixture(scope="module", params=["legs asked before the lock", "legs known at once"])
async def night(make_database: Databases, request: pytest.FixtureRequest) -> AsyncIterator[Night]:
    world = await open_world(make_database(["geo"]), sandbox=True)
    world.roads.instant = request.param == "legs known at once"
    with psycopg.connect(world.urls.admin, autocommit=True) as admin:
        yield await template(world, admin)
    await world.db.stop()


def fresh(night: Night, first: str, second: str) -> Night:
    """A copy; a change of the calendar meets writes on the night that is not booked yet."""
    return copied(night, day=1 if "set_calendar" in {first, second} else 0)


async def one_after_the_other(night: Night, first: str, second: str) -> tuple[str, str]:
    if (first, second) not in _serial:
        alone = fresh(night, first, second)
        _serial[first, second] = (await outcome(alone.run(first)), await outcome(alone.run(second)))
    return _serial[first, second]


def fired() -> float:
    return sum(
        sample.value
        for metric in REGISTRY.collect()
        if metric.name == "giro_db_constraint_fired"
        for sample in metric.samples
        if sample.name.endswith("_total") and str(sample.labels["constraint"]).startswith("stops_")
    )


def said(result: object) -> str:
    if isinstance(result, GiroError):
        return str(result.reason)
    assert not isinstance(result, BaseException), result
    return "OK"


async def assert_whole(night: Night) -> None:
    """The promise, the owners and the holds' ends, from the tables."""
    assert (await night.world.verify(night.tenant)).violations == ()
    assert (
        night.look(
            "SELECT owner_id FROM (SELECT owner_id FROM geo.owners WHERE tenant_id = %(tenant)s"
            " AND state = 'ACTIVE') o FULL JOIN (SELECT owner_id FROM geo.stops WHERE tenant_id = %(tenant)s"
            " AND owner_id IS NOT NULL) s USING (owner_id) WHERE o.owner_id IS NULL OR s.owner_id IS NULL"
        )
        == []
    )
    over = (
        "SELECT owner_id FROM geo.owners WHERE tenant_id = %(tenant)s AND kind = 'HOLD' AND state = 'SETTLED'"
    )
    told = "SELECT entity_id FROM geo.outbox WHERE tenant_id = %(tenant)s AND subject LIKE '%%.hold_ended'"
    assert sorted(night.look(told)) == sorted(night.look(over))


@pytest.mark.parametrize(("first", "second"), PAIRS)
async def test_the_second_waits_for_the_first(night: Night, first: str, second: str) -> None:
    """The first has the lock and has read; the second sees what the first leaves."""
    before, both = fired(), fresh(night, first, second)
    seen = await two_sessions(
        lambda: both.run(first),
        lambda: both.run(second),
        at=f"geo.{USE_CASE[first]}.after_read",
        patience=0.1,
    )
    assert seen.held or isinstance(seen.first, GiroError)
    if seen.overtook and seen.held:  # refused on what was committed then: it came first
        expected = await one_after_the_other(night, second, first)
        assert (said(seen.second), said(seen.first)) == expected
        assert isinstance(seen.second, GiroError)
    else:
        expected = await one_after_the_other(night, first, second)
        assert (said(seen.first), said(seen.second)) == expected
    await assert_whole(both)
    assert fired() == before


@pytest.mark.parametrize(("first", "second"), PAIRS)
async def test_the_first_has_looked_and_is_overtaken(night: Night, first: str, second: str) -> None:
    """The first has chosen on what was there and has no lock yet; the second changes it."""
    before, both = fired(), fresh(night, first, second)
    seen = await two_sessions(
        lambda: both.run(first),
        lambda: both.run(second),
        at=f"geo.{USE_CASE[first]}.before_lock",
        patience=5.0,
    )
    if seen.held:
        assert seen.overtook
        expected = await one_after_the_other(night, second, first)
        assert (said(seen.second), said(seen.first)) == expected
    else:
        expected = await one_after_the_other(night, first, second)
        assert (said(seen.first), said(seen.second)) == expected
        assert expected[0] != "OK"
    await assert_whole(both)
    assert fired() == before


async def test_the_schedules_are_about_something(night: Night) -> None:
    """Each write works alone, and many pairs refuse each other."""
    for name in WRITES:
        alone = copied(night)
        assert await outcome(alone.run(name)) == "OK", name
    refused = [pair for pair in PAIRS if (await one_after_the_other(night, *pair))[1] != "OK"]
    assert len(refused) >= 20
