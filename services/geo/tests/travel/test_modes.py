"""Graphs for cars, bicycles and feet: never one in the place of another (GEO-25)."""

from pathlib import Path

import numpy as np
import pytest

from geo.domain.modes import TravelMode
from geo.domain.places import Places
from geo.domain.stop import TravelSource
from geo.travel.build import NAME, build
from geo.travel.calibration import SLOWEST_KMH
from geo.travel.estimate import Estimate
from geo.travel.factory import make_engine, make_engines
from geo.travel.failures import road_server
from geo.travel.graph_files import stamp_file, stamp_of
from geo.travel.osrm_graph import osrm_in_process
from geo.travel.osrm_server import OsrmServer
from geo.travel.roads import RoadLimits, Roads
from geo.travel.tenant import TenantTravel
from kit.settings import SettingsError
from kit.testing.ports import free_port
from services.geo.tests.support import tiny_roads
from services.geo.tests.travel.test_road_servers_at_fault import PAIR, TENANT, NoMatrix, estimating

pytestmark = pytest.mark.asyncio

needs_osrm = pytest.mark.skipif(
    not tiny_roads.has_osrm(), reason="the road engine has no wheel for this Python"
)


@needs_osrm
async def test_each_mode_has_a_graph_with_its_own_version_and_its_own_times(tmp_path: Path) -> None:
    extract, taken, versions = tiny_roads.write_map(tmp_path), {}, set()
    for mode in TravelMode:
        stamp = build(extract, tmp_path / mode, lambda _: None, mode)
        assert stamp_of(tmp_path / mode / NAME) == stamp
        roads = osrm_in_process(tmp_path / mode / NAME)
        assert (roads.mode, roads.version.split("-")[2]) == (mode, mode)
        ends = [Places.single(tiny_roads.crossing(row, 2).key) for row in (1, 4)]
        (seconds, _) = await roads.measure(*ends)
        taken[mode] = int(seconds[0])
        everywhere = Places.of(np.array([tiny_roads.crossing(a, b).key for a in range(5) for b in range(5)]))
        for place in everywhere.keys.tolist():
            hub = Places.single(place)
            answers, _ = await roads.measure(hub, everywhere)
            assert (roads.floor(hub, everywhere) <= answers)[answers > 0].all(), "slot search discards by it"
        versions.add(stamp.data_version)
    assert taken[TravelMode.CAR] < taken[TravelMode.BICYCLE] < taken[TravelMode.FOOT]
    assert len(versions) == 3


@needs_osrm
async def test_a_graph_that_was_stamped_before_there_were_modes_is_for_cars(tmp_path: Path) -> None:
    build(tiny_roads.write_map(tmp_path), tmp_path / "graph", lambda _: None)
    path = stamp_file(tmp_path / "graph" / NAME)
    path.write_text(path.read_text().replace(',\n "mode": "car"', ""))
    assert "mode" not in path.read_text()
    stamp = stamp_of(tmp_path / "graph" / NAME)
    assert stamp is not None
    assert stamp.mode is TravelMode.CAR


async def test_a_server_is_told_its_mode() -> None:
    for mode in TravelMode:
        roads = make_engine(f"osrm+http://127.0.0.1:1?mode={mode}", mode)
        assert roads.mode is mode
        await roads.close()
    walking = make_engine("valhalla+http://127.0.0.1:1?costing=pedestrian", TravelMode.FOOT)
    assert walking.mode is TravelMode.FOOT
    await walking.close()
    with pytest.raises(SettingsError, match="car, bicycle, foot"):
        make_engine("osrm+http://127.0.0.1:1?mode=horse")


async def test_only_the_estimate_of_its_own_mode_stands_in_for_roads() -> None:
    """The tenant allows the estimate, and the server of the footpaths is dead: walkers get the walkers'."""
    server = road_server(f"http://127.0.0.1:{free_port()}")
    walking = Roads(OsrmServer(server, mode=TravelMode.FOOT), RoadLimits())
    travel = TenantTravel(walking, NoMatrix(), estimating)  # type: ignore[arg-type]
    leg = (await travel.legs(TENANT, [PAIR])).leg(PAIR)
    on_foot, by_car = (Estimate(mode).drive(*PAIR)[0] for mode in (TravelMode.FOOT, TravelMode.CAR))
    assert leg is not None
    assert (leg.seconds, leg.source, leg.version) == (on_foot, TravelSource.ESTIMATE, "estimate-2-foot")
    assert by_car < on_foot
    await walking.close()


async def test_each_variable_takes_roads_of_its_own_mode_alone() -> None:
    server = "osrm+http://127.0.0.1:1?mode=bicycle"
    with pytest.raises(SettingsError, match=r"GIRO_ROADS: these are roads for bicycle.*GIRO_ROADS_BICYCLE"):
        make_engines({TravelMode.CAR: server})
    with pytest.raises(SettingsError, match="GIRO_ROADS_FOOT"):
        make_engines({TravelMode.FOOT: server})


async def test_without_any_roads_every_mode_is_estimated_and_with_cars_roads_only_those_named() -> None:
    estimated = make_engines({})
    assert {mode: engine.version for mode, engine in estimated.items()} == {
        TravelMode.CAR: "estimate-1",
        TravelMode.BICYCLE: "estimate-2-bicycle",
        TravelMode.FOOT: "estimate-2-foot",
    }
    cars = {TravelMode.CAR: "osrm+http://127.0.0.1:1"}
    assert set(make_engines(cars)) == {TravelMode.CAR}
    some = make_engines({**cars, TravelMode.FOOT: "estimate"})
    assert {mode: engine.source for mode, engine in some.items()} == {
        TravelMode.CAR: TravelSource.ROAD,
        TravelMode.FOOT: TravelSource.ESTIMATE,
    }


@pytest.mark.parametrize("mode", TravelMode)
async def test_the_floor_of_roads_is_below_the_estimate_that_may_stand_in_for_them(mode: TravelMode) -> None:
    """Slot search discards by the floor of the roads, whichever of the two answers afterwards."""
    roads = Roads(
        OsrmServer(road_server("http://127.0.0.1:1"), mode=mode), RoadLimits(1000, SLOWEST_KMH[mode])
    )
    ends = Places.single(PAIR[0]), Places.single(PAIR[1])
    assert roads.floor(*ends)[0] <= Estimate(mode).bound(*ends)[0]
    await roads.close()
