"""One contract for all engines of travel times, and what is particular to each."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from geo.domain.drives import UNREACHABLE
from geo.domain.legs import NO_TRAVEL
from geo.domain.matrix import Matrix, matrix_of, travel_version
from geo.domain.places import Places, great_circle_m
from geo.domain.stop import NOWHERE, TravelSource
from geo.travel.engine import Engine
from geo.travel.estimate import Estimate
from geo.travel.factory import make_engine
from geo.travel.osrm import Osrm, graph_hash
from geo.travel.tenant import TenantTravel
from kit.settings import SettingsError
from kit.values.latlng import LatLng, haversine_m
from services.geo.tests.support import tiny_roads
from services.geo.tests.support.tiny_roads import FAR_FROM_ROADS, ISLAND, crossing

pytestmark = pytest.mark.asyncio

TENANT = "ten_1"
TOWN = [crossing(row, column).key for row in range(4) for column in range(4)]
needs_osrm = pytest.mark.skipif(
    not tiny_roads.has_osrm(), reason="the road engine has no wheel for this Python"
)


@dataclass
class FixedMatrices:
    """A matrix without a database."""

    matrix: Matrix

    async def at_hand(self, tenant: str) -> Matrix:
        return self.matrix

    async def up_to_date(self, tenant: str) -> Matrix:
        return self.matrix


@pytest.fixture(scope="session")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not tiny_roads.has_osrm():
        pytest.skip("the road engine has no wheel for this Python")
    return tiny_roads.prepared(tmp_path_factory.mktemp("tinyroads"))


@pytest.fixture(params=["estimate", "osrm"])
def engine(request: pytest.FixtureRequest) -> Engine:
    if request.param == "estimate":
        return Estimate()
    return Osrm(request.getfixturevalue("graph"))


def over(engine: Engine, matrix: Matrix | None = None) -> TenantTravel:
    return TenantTravel(engine, FixedMatrices(matrix or Matrix()))  # type: ignore[arg-type]


@pytest_asyncio.fixture(params=["bare", "matrix"])
async def travel(request: pytest.FixtureRequest, engine: Engine) -> AsyncIterator[TenantTravel]:
    """Each engine, bare and under a tenant's matrix."""
    entries = {(TOWN[0], TOWN[1]): (77, 770), (TOWN[1], TOWN[2]): (UNREACHABLE, 0)}
    yield over(engine, Matrix(3, entries) if request.param == "matrix" else None)


# --- the contract


async def test_a_drive_takes_whole_seconds_and_carries_source_and_version(travel: TenantTravel) -> None:
    pair = (TOWN[4], TOWN[7])
    leg = (await travel.legs(TENANT, [pair])).leg(pair)
    assert leg is not None
    assert (leg.from_place, leg.to_place) == pair
    assert leg.seconds > 0
    assert leg.metres > 0
    assert leg.source is travel.engine.source
    assert leg.version == await travel.version(TENANT) == await travel.version_at_hand(TENANT)


async def test_standing_still_takes_no_time(travel: TenantTravel) -> None:
    still = [(TOWN[0], TOWN[0]), (NOWHERE, TOWN[0]), (TOWN[0], NOWHERE), (NOWHERE, NOWHERE)]
    book = await travel.legs(TENANT, still)
    for pair in still:
        leg = book.leg(pair)
        assert leg is not None
        assert (leg.seconds, leg.metres, leg.source, leg.version) == (0, 0, TravelSource.NONE, NO_TRAVEL)


async def test_one_pair_has_one_answer_whatever_else_is_asked(travel: TenantTravel) -> None:
    pairs = [(a, b) for a in TOWN for b in TOWN]
    together = await travel.legs(TENANT, pairs)
    for pair in pairs[:: len(TOWN) - 1]:
        alone = await over(travel.engine, travel._matrices.matrix).legs(TENANT, [pair])  # type: ignore[attr-defined]
        assert alone.leg(pair) == together.leg(pair)


async def test_many_drives_at_once_are_the_same_drives(travel: TenantTravel) -> None:
    town = [*TOWN, NOWHERE]
    inward, outward = await travel.around(TENANT, TOWN[0], Places.of(np.array(town)))
    book = await travel.legs(TENANT, [(TOWN[0], to) for to in town])
    assert list(outward) == [book.leg((TOWN[0], to)) for to in town]
    book = await travel.legs_at_hand(TENANT, [(to, TOWN[0]) for to in town])
    assert list(inward) == [book.leg((to, TOWN[0])) for to in town]


async def test_the_floor_is_never_above_the_answer(travel: TenantTravel) -> None:
    town = Places.of(np.array(TOWN))
    for place in TOWN:
        answers = await travel.around(TENANT, place, town)
        for drives, floor in zip(answers, await travel.floor_around(TENANT, place, town), strict=True):
            assert ((floor.seconds <= drives.seconds) | (drives.seconds == UNREACHABLE)).all()


async def test_no_pairs_no_legs(travel: TenantTravel) -> None:
    assert (await travel.legs(TENANT, [])).legs == {}


# --- the estimate


async def test_the_estimate_is_the_bound_that_roads_keep() -> None:
    a, b = LatLng(45.0, 7.0), LatLng(45.1, 7.2)
    leg = (await over(Estimate()).legs(TENANT, [(a.key, b.key)])).leg((a.key, b.key))
    assert leg is not None
    assert leg.seconds == 600 + np.ceil(0.12 * haversine_m(a, b))
    assert leg.metres == round(haversine_m(a, b))
    assert (leg.source, leg.version) == (TravelSource.ESTIMATE, "estimate-1")


async def test_great_circles_agree_with_the_haversine_formula() -> None:
    places = [
        LatLng(45.0, 7.0),
        LatLng(45.000001, 7.0),
        LatLng(-33.9, 151.2),
        LatLng(89.9, -170.0),
        LatLng(0, 180),
    ]
    keys = Places.of(np.array([place.key for place in places]))
    for place in places:
        found = great_circle_m(Places.of(np.array([place.key])), keys)
        np.testing.assert_allclose(found, [haversine_m(place, other) for other in places], atol=1e-3)


# --- the tenant's matrix


async def test_the_matrix_comes_first_each_direction_by_itself() -> None:
    a, b, c = TOWN[0], TOWN[1], TOWN[2]
    matrix = Matrix(7, {(a, b): (50, 500), (b, a): (5000, 9), (b, c): (UNREACHABLE, 0)})
    travel = over(Estimate(), matrix)
    book = await travel.legs(TENANT, [(a, b), (b, a), (b, c), (c, b)])
    there, back, free = book.leg((a, b)), book.leg((b, a)), book.leg((c, b))
    assert there is not None
    assert back is not None
    assert free is not None
    assert (there.seconds, there.metres, there.source) == (50, 500, TravelSource.MATRIX)
    assert (back.seconds, back.source) == (5000, TravelSource.MATRIX)
    assert book.leg((b, c)) is None
    assert free.source is TravelSource.ESTIMATE
    assert {leg.version for leg in (there, back, free)} == {"estimate-1+m7"} == {await travel.version(TENANT)}
    _, floor = await travel.floor_around(TENANT, a, Places.of(np.array([b])))
    assert floor.seconds.tolist() == [50]


async def test_versions_name_the_matrix() -> None:
    assert travel_version("estimate-1", 0) == "estimate-1"
    assert matrix_of(travel_version("osrm-0123abc-car", 12)) == 12
    assert matrix_of("estimate-1") == 0


# --- roads


@needs_osrm
async def test_a_one_way_street_is_longer_back(graph: Path) -> None:
    west, east = crossing(0, 0).key, crossing(0, 3).key
    book = await over(Osrm(graph)).legs(TENANT, [(west, east), (east, west)])
    there, back = book.leg((west, east)), book.leg((east, west))
    assert there is not None
    assert back is not None
    assert there.metres == pytest.approx(haversine_m(crossing(0, 0), crossing(0, 3)), rel=0.02)
    assert back.metres > there.metres + 1000
    assert back.seconds > there.seconds


@needs_osrm
@pytest.mark.parametrize("place", [ISLAND[0], FAR_FROM_ROADS, LatLng(-45.0, 100.0)])
async def test_where_no_road_leads_is_unreachable(graph: Path, place: LatLng) -> None:
    town = crossing(1, 1).key
    book = await over(Osrm(graph)).legs(TENANT, [(town, place.key), (place.key, town)])
    assert book.leg((town, place.key)) is None
    assert book.leg((place.key, town)) is None


@needs_osrm
async def test_the_snap_limit_decides_what_is_off_road(graph: Path) -> None:
    beside = LatLng(45.0 - 0.004, 7.0)  # 440 m south of the nearest road
    pair = (beside.key, crossing(2, 2).key)
    assert (await over(Osrm(graph, snap_limit_m=500)).legs(TENANT, [pair])).leg(pair) is not None
    assert (await over(Osrm(graph, snap_limit_m=400)).legs(TENANT, [pair])).leg(pair) is None


@needs_osrm
async def test_answers_are_kept_and_the_memory_for_them_is_bounded(graph: Path) -> None:
    engine = Osrm(graph, cache_pairs=10)
    town = Places.of(np.array(TOWN))
    hub = Places.of(np.array(TOWN[:1]))
    first, _ = await engine.measure(hub, town)
    assert len(engine._known) == 10
    again, _ = await engine.measure(hub, town)
    assert (first == again).all()


@needs_osrm
async def test_another_graph_is_another_version(graph: Path, tmp_path: Path) -> None:
    copy = tmp_path / "tiny"
    for path in graph.parent.glob("tiny.osrm.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert graph_hash(copy) == graph_hash(graph)
    names = tmp_path / "tiny.osrm.datasource_names"
    names.write_bytes(names.read_bytes() + b" ")
    assert graph_hash(copy) != graph_hash(graph)
    assert make_engine(str(graph)).version == f"osrm-{graph_hash(graph)}-car"


@needs_osrm
async def test_a_graph_that_is_broken_or_missing_stops_the_service(graph: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="GIRO_ROADS"):
        make_engine(str(tmp_path / "nothing"))
    for path in graph.parent.glob("tiny.osrm.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "tiny.osrm.hsgr").write_bytes(b"no graph")
    with pytest.raises(SettingsError, match="GIRO_ROADS"):
        make_engine(str(tmp_path / "tiny"))


async def test_without_roads_it_is_the_flagged_estimate() -> None:
    assert isinstance(make_engine(""), Estimate)
