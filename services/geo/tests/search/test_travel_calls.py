"""The estimate against the roads, addresses, and the tenant's parameters about both."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from geo.clients.known_places import Known, KnownPlaces
from geo.domain.geocoding import Precision
from geo.domain.modes import TravelMode
from geo.domain.plan import Plan
from geo.storage.matrices import Matrices
from geo.travel.engine import Engine
from geo.travel.estimate import Estimate
from geo.travel.osrm_graph import osrm_in_process
from geo.travel.tenant import TenantTravel
from geo.usecases.check_promises import TravelData
from geo.usecases.compare_travel import compare_travel
from geo.usecases.geocode import geocode
from geo.usecases.ledger import Ledger
from geo.usecases.parameters import get_parameter, set_parameter
from geo.usecases.reserve_stop import ReserveStop, reserve_stop
from kit.errors import InvalidInput, NotFound, Reason, RuleViolated
from kit.parameters import Scope
from kit.testing.databases import Databases
from kit.values.ids import new_id
from services.geo.tests.support import tiny_roads
from services.geo.tests.support.tiny_roads import ISLAND, crossing
from services.geo.tests.support.world import TENANT, World, everyones, open_world, week, window

pytestmark = pytest.mark.asyncio

HOUSE = crossing(1, 1).key
ADDRESSES = KnownPlaces("table-1", [Known(HOUSE, "Main Street 7, Tinytown", Precision.HOUSE)])


@pytest_asyncio.fixture
async def world(make_database: Databases) -> AsyncIterator[World]:
    opened = await open_world(make_database(["geo"]))
    yield opened
    await opened.db.stop()


def data(world: World, engine: Engine) -> TravelData:
    return TravelData(world.db, everyones(TenantTravel(engine, Matrices(world.db))))


def ledger_of(world: World) -> Ledger:
    return Ledger(world.db, everyones(TenantTravel(Estimate(), Matrices(world.db))))


async def visit(world: World, agent: str, places: list[int]) -> None:
    ledger = ledger_of(world)
    for number, place in enumerate(places):
        plan = Plan(agent, window(8 + 2 * number, 9 + 2 * number), place, 0)
        await reserve_stop(ledger, TENANT, ReserveStop(new_id("apt"), plan))


async def test_the_estimate_is_held_against_the_roads_on_the_tenants_own_places(
    world: World, tmp_path: Path
) -> None:
    if not tiny_roads.has_osrm():
        pytest.skip("the road engine has no wheel for this Python")
    roads = osrm_in_process(tiny_roads.prepared(tmp_path))
    agent = await world.agent(week(lunch=False, base=None))
    await visit(world, agent, [crossing(0, 0).key, crossing(0, 4).key, crossing(4, 4).key])
    await visit(world, await world.agent(week(lunch=False, base=None)), [ISLAND[0].key])
    found = await compare_travel(data(world, roads), TENANT, TravelMode.CAR, 40)
    assert (found.places, found.drives, found.unreachable) == (4, 6, 6)
    assert found.version == roads.version
    assert found.bound is not None
    assert found.guess is not None
    assert 1 < found.bound.median <= found.bound.p90 <= found.bound.p99 <= found.bound.most
    assert found.bound.below_share == 0
    assert found.guess.below_share > 0.5  # streets of 25 km/h
    ratios = [drive.bound / drive.road for drive in found.worst]
    assert ratios == sorted(ratios)
    assert ratios[-1] == pytest.approx(found.bound.most)
    few = await compare_travel(data(world, roads), TENANT, TravelMode.CAR, 2)
    assert few.places == 2
    assert few == await compare_travel(data(world, roads), TENANT, TravelMode.CAR, 2)


async def test_without_roads_there_is_nothing_to_compare_and_without_places_no_figure(world: World) -> None:
    agent = await world.agent(week(lunch=False, base=None))
    empty = await compare_travel(data(world, Estimate()), TENANT, TravelMode.CAR, 40)
    assert (empty.places, empty.drives, empty.bound, empty.worst) == (0, 0, None, ())
    await visit(world, agent, [crossing(0, 0).key, crossing(0, 4).key])
    with pytest.raises(RuleViolated) as refused:
        await compare_travel(data(world, Estimate()), TENANT, TravelMode.CAR, 40)
    assert refused.value.reason is Reason.TRAVEL_UNAVAILABLE


async def test_the_tenants_bound_decides_whether_an_address_needs_a_pin(world: World) -> None:
    asked = "Main Street 7, Tinytown, Upper Valley", ""
    found = await geocode(world.db, ADDRESSES, TENANT, asked)
    assert (found.state, found.place) == ("NEEDS_PIN", None)
    assert found.candidates[0].place == HOUSE
    await set_parameter(ledger_of(world), TENANT, "geocoding_confidence", "0.6")
    assert (await geocode(world.db, ADDRESSES, TENANT, asked)).place == HOUSE
    assert (await geocode(world.db, ADDRESSES, "ten_2", asked)).place is None
    assert (await geocode(world.db, ADDRESSES, TENANT, ("Elsewhere", ""))).state == "NOT_FOUND"


async def test_parameters_name_their_scope_and_refuse_what_is_none(world: World) -> None:
    shown = await get_parameter(world.db, TENANT, "on_road_failure")
    assert (shown.value, shown.source) == ("REFUSE", Scope.SYSTEM)
    shown = await set_parameter(ledger_of(world), TENANT, "on_road_failure", "ESTIMATE")
    assert (shown.value, shown.source) == ("ESTIMATE", Scope.TENANT)
    assert shown == await get_parameter(world.db, TENANT, "on_road_failure")
    assert (await get_parameter(world.db, "ten_2", "on_road_failure")).value == "REFUSE"
    assert (await set_parameter(ledger_of(world), TENANT, "on_road_failure", "")).source is Scope.SYSTEM
    for name, value in (
        ("on_road_failure", "MAYBE"),
        ("geocoding_confidence", "1.1"),
        ("geocoding_confidence", "NaN"),
        ("geocoding_confidence", "much"),
    ):
        with pytest.raises(InvalidInput) as refused:
            await set_parameter(ledger_of(world), TENANT, name, value)
        assert refused.value.violations[0].field == "value"
    with pytest.raises(NotFound):
        await get_parameter(world.db, TENANT, "speed")
