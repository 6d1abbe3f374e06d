"""The road engine on a real country: what slot search relies on holds for real places."""

import csv
import os
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from geo.domain.drives import UNREACHABLE
from geo.domain.modes import TravelMode
from geo.domain.places import Ints, Places
from geo.domain.plan import Plan
from geo.storage.matrices import Matrices
from geo.travel.build import NAME, build
from geo.travel.estimate import Estimate
from geo.travel.factory import make_engine
from geo.travel.graph_files import GraphStamp, stamp_of
from geo.travel.osrm_graph import OsrmGraph, osrm_in_process
from geo.travel.roads import Roads
from geo.travel.tenant import TenantTravel
from geo.usecases.check_promises import TravelData
from geo.usecases.compare_travel import compare_travel
from geo.usecases.ledger import Ledger
from geo.usecases.reserve_stop import ReserveStop, reserve_stop
from kit.testing.databases import Databases
from kit.values.ids import new_id
from kit.values.latlng import LatLng
from services.geo.tests.support import road_servers, tiny_roads
from services.geo.tests.support.world import TENANT, everyones, open_world, week, window

pytestmark = pytest.mark.asyncio

BESIDE = Path(__file__).resolve().parents[4].parent / "shared" / "data" / "roads"
DATA = Path(os.environ.get("GIRO_TEST_ROADS") or BESIDE)
EXTRACT = DATA / "liechtenstein.osm.pbf"


@dataclass(frozen=True)
class Built:
    """A graph of the country, and what its build told."""

    folder: Path
    stamp: GraphStamp
    told: tuple[str, ...]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    if not EXTRACT.is_file():
        pytest.skip("no real road extract in GIRO_TEST_ROADS or ../shared/data/roads")
    if not tiny_roads.has_osrm():
        pytest.skip("the road engine has no wheel for this Python")
    folder, told = tmp_path_factory.mktemp("roads") / "graph", list[str]()
    stamp = build(EXTRACT, folder, told.append)
    return Built(folder, stamp, tuple(told))


@pytest.fixture(scope="module")
def engine(built: Built) -> Roads:
    return osrm_in_process(built.folder / NAME)


@pytest.fixture(scope="module")
def places() -> Ints:
    if not EXTRACT.is_file():
        pytest.skip("no real road extract in GIRO_TEST_ROADS or ../shared/data/roads")
    with (DATA / "liechtenstein-places.csv").open(encoding="utf-8") as opened:
        rows = random.Random(7).sample(list(csv.DictReader(opened)), 200)
    return np.unique([LatLng(float(row["lat"]), float(row["lon"])).key for row in rows])


async def test_the_build_tells_its_steps_and_stamps_what_it_was_made_from(
    built: Built, engine: Roads
) -> None:
    steps = [line.partition(":")[0].removesuffix(" ...") for line in built.told]
    assert steps == [
        *[f"reading {EXTRACT.name}"] * 2,
        *["contracting the graph"] * 2,
        *["finding the top speed"] * 2,
        f"version {built.stamp.data_version}",
    ]
    assert stamp_of(built.folder / NAME) == built.stamp
    assert 30 < built.stamp.top_speed_kmh < 130
    assert engine.version == f"osrm-{built.stamp.data_version}-car-{built.stamp.top_speed_kmh:g}"


async def test_the_estimate_is_held_against_the_country_on_the_tenants_places(
    engine: Roads, places: Ints, make_database: Databases
) -> None:
    world = await open_world(make_database(["geo"]))
    ledger = Ledger(world.db, everyones(TenantTravel(Estimate(), Matrices(world.db))))
    for place in places[:6]:
        plan = Plan(await world.agent(week(lunch=False, base=None)), window(9, 10), int(place), 0)
        await reserve_stop(ledger, TENANT, ReserveStop(new_id("apt"), plan))
    data = TravelData(world.db, everyones(TenantTravel(engine, Matrices(world.db))))
    found = await compare_travel(data, TENANT, TravelMode.CAR, 40)
    assert (found.version, found.places, found.drives + found.unreachable) == (engine.version, 6, 30)
    assert found.bound is not None
    assert found.guess is not None
    assert found.bound.below_share <= found.guess.below_share
    assert found.bound.median > 1
    ends = [Places.of(np.array(side)) for side in zip(*(one.pair for one in found.worst), strict=True)]
    assert (engine.floor(*ends) <= [one.road for one in found.worst]).all()
    await world.db.stop()


async def test_floor_and_safe_bound_hold_around_real_drives(engine: Roads, places: Ints) -> None:
    everywhere = Places.of(places)
    within = total = 0
    for place in places[::20]:
        hub = Places.of(np.array([place]))
        seconds, _ = await engine.measure(hub, everywhere)
        there = seconds != UNREACHABLE
        assert (engine.floor(hub, everywhere) <= seconds)[there].all()
        bound, _ = await Estimate().measure(hub, everywhere)
        within, total = within + int((seconds <= bound)[there].sum()), total + int(there.sum())
    assert total > 1500
    assert within / total > 0.99


async def test_a_pair_alone_and_a_pair_among_many_agree(engine: Roads, places: Ints) -> None:
    hub, many = places[:1], places[1:]
    seconds, metres = await engine.measure(Places.of(hub), Places.of(many))
    for at in range(0, len(many), 25):
        engine._known.clear()
        one, far = await engine.measure(Places.of(hub), Places.of(many[at : at + 1]))
        assert (one[0], far[0]) == (seconds[at], metres[at])


async def test_real_roads_are_asymmetric(engine: Roads, places: Ints) -> None:
    hub, many = Places.of(places[:1]), Places.of(places[1:])
    (there, _), (back, _) = await engine.measure(hub, many), await engine.measure(many, hub)
    assert (there != back).mean() > 0.5


async def test_the_bound_found_at_the_build_is_tight(engine: Roads, places: Ints) -> None:
    """Half of the drives take at most twice the bound; at 200 km/h none would."""
    everywhere = Places.of(places)
    ratios = []
    for place in places[::20]:
        hub = Places.single(int(place))
        seconds, _ = await engine.measure(hub, everywhere)
        far = seconds > 300
        ratios.append(engine.floor(hub, everywhere)[far] / seconds[far])
    assert np.median(np.concatenate(ratios)) > 0.4


async def test_a_place_in_the_alps_and_one_in_the_sea_spoil_no_other_answer(
    engine: Roads, places: Ints
) -> None:
    lost = [LatLng(47.0, 9.0).key, LatLng(43.0, 5.0).key]
    seconds, _ = await engine.measure(Places.single(int(places[0])), Places.of(np.append(places[1:20], lost)))
    assert (seconds[-2:] == UNREACHABLE).all()
    assert (seconds[:-2] != UNREACHABLE).all()


async def test_the_server_answers_as_the_graph_in_process_does(engine: Roads, places: Ints) -> None:
    network = engine.network
    assert isinstance(network, OsrmGraph)
    async with road_servers.routed(network.base) as url:
        top = engine.version.rpartition("-")[2]
        remote = make_engine(f"osrm+{url}?most_places={road_servers.LARGEST_TABLE}&top_speed_kmh={top}")
        hub, many = Places.single(int(places[0])), Places.of(places[1:])
        for ours, theirs in zip(
            await engine.measure(hub, many), await remote.measure(hub, many), strict=True
        ):
            assert (ours == theirs).all()
        assert remote.version == engine.version
        await remote.close()


async def test_a_real_valhalla_answers_as_the_peer_of_the_other_tests_does(places: Ints) -> None:
    """A `valhalla_service` with tiles of Liechtenstein, where somebody runs one."""
    url = os.environ.get("GIRO_TEST_VALHALLA")
    if not url:
        pytest.skip("no Valhalla server in GIRO_TEST_VALHALLA")
    remote = make_engine(f"valhalla+{url}?most_places=50&timeout_s=20")
    lost = [LatLng(47.0, 9.0).key, LatLng(43.0, 5.0).key]
    hub, many = Places.single(int(places[0])), Places.of(np.append(places[1:], lost))
    (there, _), (back, _) = await remote.measure(hub, many), await remote.measure(many, hub)
    assert (there[-2:] == UNREACHABLE).all()
    assert (there[:-2] > 0).mean() > 0.95
    assert (there != back).mean() > 0.2
    assert remote.version.startswith("valhalla-")
    await remote.close()
