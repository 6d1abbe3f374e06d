"""The road engine on a real country: what slot search relies on holds for real places."""

import csv
import os
import random
import shutil
from pathlib import Path

import numpy as np
import pytest

from geo.domain.drives import UNREACHABLE
from geo.domain.places import Ints, Places
from geo.travel.estimate import Estimate
from geo.travel.factory import make_engine
from geo.travel.osrm_graph import OsrmGraph, osrm_in_process
from geo.travel.roads import Roads
from kit.values.latlng import LatLng
from services.geo.tests.support import road_servers, tiny_roads

pytestmark = pytest.mark.asyncio

BESIDE = Path(__file__).resolve().parents[4].parent / "shared" / "data" / "roads"
DATA = Path(os.environ.get("GIRO_TEST_ROADS") or BESIDE)
EXTRACT = DATA / "liechtenstein.osm.pbf"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Roads:
    if not EXTRACT.is_file():
        pytest.skip("no real road extract in GIRO_TEST_ROADS or ../shared/data/roads")
    if not tiny_roads.has_osrm():
        pytest.skip("the road engine has no wheel for this Python")
    copy = tmp_path_factory.mktemp("roads") / EXTRACT.name
    shutil.copy(EXTRACT, copy)
    return osrm_in_process(tiny_roads.prepare(copy))


@pytest.fixture(scope="module")
def places() -> Ints:
    if not EXTRACT.is_file():
        pytest.skip("no real road extract in GIRO_TEST_ROADS or ../shared/data/roads")
    with (DATA / "liechtenstein-places.csv").open(encoding="utf-8") as opened:
        rows = random.Random(7).sample(list(csv.DictReader(opened)), 200)
    return np.unique([LatLng(float(row["lat"]), float(row["lon"])).key for row in rows])


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
