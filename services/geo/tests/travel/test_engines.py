"""One contract for all engines of travel times, and what is particular to each."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import pytest_asyncio

from geo.domain import places
from geo.domain.drives import UNREACHABLE, source_code
from geo.domain.legs import NO_TRAVEL
from geo.domain.matrix import Matrix, matrix_of, travel_version
from geo.domain.modes import TravelMode
from geo.domain.places import Places, great_circle_m
from geo.domain.stop import NOWHERE, TravelSource
from geo.travel import tenant
from geo.travel.engine import Engine
from geo.travel.estimate import Estimate
from geo.travel.factory import make_engine
from geo.travel.fixed import COLUMNS
from geo.travel.graph_files import graph_hash, stamp_of
from geo.travel.osrm_graph import OsrmGraph, osrm_in_process
from geo.travel.roads import Roads
from geo.travel.tenant import TenantTravel
from kit.errors import Unavailable
from kit.settings import SettingsError
from kit.values.latlng import LatLng, haversine_m
from services.geo.tests.support import road_servers, tiny_roads
from services.geo.tests.support.tiny_roads import FAR_FROM_ROADS, ISLAND, crossing

pytestmark = pytest.mark.asyncio

TENANT = "ten_1"
TOWN = [crossing(row, column).key for row in range(4) for column in range(4)]
SEA = LatLng(-45.0, 100.0)
ON_ROADS = ("osrm", "osrm-routed", "valhalla")
needs_osrm = pytest.mark.skipif(
    not tiny_roads.has_osrm(), reason="the road engine has no wheel for this Python"
)


@dataclass
class FixedMatrices:
    """A matrix without a database."""

    matrix: Matrix

    async def at_hand(self, tenant: str, mode: TravelMode) -> Matrix:
        return self.matrix

    async def up_to_date(self, tenant: str, mode: TravelMode) -> Matrix:
        return self.matrix


@pytest.fixture(scope="session")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not tiny_roads.has_osrm():
        pytest.skip("the road engine has no wheel for this Python")
    return tiny_roads.prepared(tmp_path_factory.mktemp("tinyroads"))


@pytest_asyncio.fixture(scope="session")
async def routed(graph: Path) -> AsyncIterator[str]:
    """`osrm-routed` on the map."""
    async with road_servers.routed(graph) as url:
        yield url


@pytest_asyncio.fixture(scope="session")
async def valhalla(graph: Path) -> AsyncIterator[str]:
    """A server that behaves as Valhalla does, on the map."""
    async with road_servers.valhalla(OsrmGraph(graph, stamp_of(graph))) as (web, _):
        yield web.url


def matrix_file(path: Path) -> Path:
    """Drives between all crossings, each direction its own."""
    lines = [",".join(COLUMNS)]
    for a in map(LatLng.from_key, TOWN):
        for b in map(LatLng.from_key, TOWN):
            if a != b:
                metres = round(haversine_m(a, b) * (1.3 if a < b else 1.7))
                lines.append(f"{a.lat},{a.lng},{b.lat},{b.lng},{metres // 8},{metres}")
    path.write_text("\n".join(lines))
    return path


@pytest.fixture
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """What GIRO_ROADS says for the engine of this name."""
    kind: str = request.param
    if kind == "estimate":
        return ""
    if kind == "matrix":
        return f"matrix:{matrix_file(tmp_path / 'town.csv')}"
    graph: Path = request.getfixturevalue("graph")
    if kind == "osrm":
        return str(graph)
    stamp = stamp_of(graph)
    assert stamp is not None
    options = f"?most_places={road_servers.LARGEST_TABLE}&top_speed_kmh={stamp.top_speed_kmh:g}"
    server = {"osrm-routed": "routed", "valhalla": "valhalla"}[kind]
    return f"{kind.partition('-')[0]}+{request.getfixturevalue(server)}{options}"


@pytest_asyncio.fixture
async def engine(address: str) -> AsyncIterator[Engine]:
    """An engine on the town."""
    made = make_engine(address)
    yield made
    await made.close()


@pytest.fixture
def roads(engine: Engine) -> Engine:
    """An engine that knows roads."""
    return engine


of_all_five = pytest.mark.parametrize("address", ["estimate", "matrix", *ON_ROADS], indirect=True)
of_roads = pytest.mark.parametrize("address", ON_ROADS, indirect=True)


def over(engine: Engine, matrix: Matrix | None = None) -> TenantTravel:
    return TenantTravel(engine, FixedMatrices(matrix or Matrix()))  # type: ignore[arg-type]


@pytest_asyncio.fixture(params=["bare", "matrix"])
async def travel(request: pytest.FixtureRequest, engine: Engine) -> AsyncIterator[TenantTravel]:
    """Each engine, bare and under a tenant's matrix."""
    entries = {(TOWN[0], TOWN[1]): (77, 770), (TOWN[1], TOWN[2]): (UNREACHABLE, 0)}
    yield over(engine, Matrix(3, entries) if request.param == "matrix" else None)


# --- the contract


@of_all_five
async def test_a_drive_takes_whole_seconds_and_carries_source_and_version(travel: TenantTravel) -> None:
    pair = (TOWN[4], TOWN[7])
    leg = (await travel.legs(TENANT, [pair])).leg(pair)
    assert leg is not None
    assert (leg.from_place, leg.to_place) == pair
    assert leg.seconds > 0
    assert leg.metres > 0
    assert leg.source is travel.engine.source
    assert leg.version == await travel.version(TENANT) == await travel.version_at_hand(TENANT)


@of_all_five
async def test_standing_still_takes_no_time(travel: TenantTravel) -> None:
    still = [(TOWN[0], TOWN[0]), (NOWHERE, TOWN[0]), (TOWN[0], NOWHERE), (NOWHERE, NOWHERE)]
    book = await travel.legs(TENANT, still)
    for pair in still:
        leg = book.leg(pair)
        assert leg is not None
        assert (leg.seconds, leg.metres, leg.source, leg.version) == (0, 0, TravelSource.NONE, NO_TRAVEL)


@of_all_five
async def test_one_pair_has_one_answer_whatever_else_is_asked(travel: TenantTravel) -> None:
    pairs = [(a, b) for a in TOWN for b in TOWN]
    together = await travel.legs(TENANT, pairs)
    for pair in pairs[:: len(TOWN) - 1]:
        if isinstance(travel.engine, Roads):
            travel.engine._known.clear()
        alone = await over(travel.engine, travel._matrices.matrix).legs(TENANT, [pair])  # type: ignore[attr-defined]
        assert alone.leg(pair) == together.leg(pair)


@of_all_five
async def test_many_drives_at_once_are_the_same_drives(travel: TenantTravel) -> None:
    town = [*TOWN, NOWHERE]
    places = Places.of(np.array(town))
    inward, outward = await travel.around(TENANT, TOWN[0], (places, places))
    book = await travel.legs(TENANT, [(TOWN[0], to) for to in town])
    assert list(outward) == [book.leg((TOWN[0], to)) for to in town]
    book = await travel.legs_at_hand(TENANT, [(to, TOWN[0]) for to in town])
    assert list(inward) == [book.leg((to, TOWN[0])) for to in town]


@of_all_five
async def test_what_is_known_at_once_is_what_would_be_answered(travel: TenantTravel) -> None:
    known = await travel.at_once(TENANT, fresh=False)
    assert (known is not None) == (travel.engine.drive is not None)
    if known is None:
        return
    places = [*TOWN, NOWHERE, SEA.key]
    pairs = [(a, b) for a in places for b in places]
    asked = await travel.legs(TENANT, pairs)
    assert known.version == asked.version
    assert {pair: known.leg(pair) for pair in pairs} == {pair: asked.leg(pair) for pair in pairs}


@of_all_five
async def test_the_floor_is_never_above_the_answer(
    travel: TenantTravel, monkeypatch: pytest.MonkeyPatch
) -> None:
    town = Places.of(np.array(TOWN))
    for place in TOWN:
        answers = await travel.around(TENANT, place, (town, town))
        floors = await travel.floor_around(TENANT, place, town)
        for drives, floor in zip(answers, floors, strict=True):
            assert ((floor <= drives.seconds) | (drives.seconds == UNREACHABLE)).all()
        with monkeypatch.context() as small:
            for part in (places, tenant):
                small.setattr(part, "BLOCK", 2)
            assert np.array_equal(await travel.floor_around(TENANT, place, town), floors)
        told = await travel.told_around(TENANT, place, town)
        assert told.version in (None, await travel.version(TENANT))
        least, known = (told.seconds_in, told.seconds_out), (told.known_in, told.known_out)
        for drives, seconds, there in zip(answers, least, known, strict=True):
            assert there.all()
            assert ((seconds <= drives.seconds) | (drives.seconds == UNREACHABLE)).all()
            same = (drives.sources == source_code(TravelSource.ROAD)) & (drives.seconds != UNREACHABLE)
            assert np.array_equal(seconds[same], drives.seconds[same])


@of_all_five
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
    assert floor.tolist() == [50]


async def test_versions_name_the_matrix() -> None:
    assert travel_version("estimate-1", 0) == "estimate-1"
    assert matrix_of(travel_version("osrm-0123abc-car", 12)) == 12
    assert matrix_of("estimate-1") == 0


# --- roads, whoever computes them


@of_roads
async def test_a_one_way_street_is_longer_back(roads: Engine) -> None:
    west, east = crossing(0, 0).key, crossing(0, 3).key
    book = await over(roads).legs(TENANT, [(west, east), (east, west)])
    there, back = book.leg((west, east)), book.leg((east, west))
    assert there is not None
    assert back is not None
    assert there.metres == pytest.approx(haversine_m(crossing(0, 0), crossing(0, 3)), rel=0.02)
    assert back.metres > there.metres + 1000
    assert back.seconds > there.seconds


@of_roads
@pytest.mark.parametrize("place", [ISLAND[0], FAR_FROM_ROADS, SEA])
async def test_where_no_road_leads_is_unreachable(roads: Engine, place: LatLng) -> None:
    town = crossing(1, 1).key
    pairs = [(town, place.key), (place.key, town), (town, crossing(2, 2).key)]
    book = await over(roads).legs(TENANT, pairs)
    assert book.leg(pairs[0]) is None
    assert book.leg(pairs[1]) is None
    assert book.leg(pairs[2]) is not None  # one place in the sea spoils no other answer


@of_roads
async def test_on_an_island_of_their_own_places_reach_each_other(roads: Engine) -> None:
    pair = ISLAND[0].key, ISLAND[1].key
    assert (await over(roads).legs(TENANT, [pair])).leg(pair) is not None


@of_roads
async def test_two_far_places_on_one_road_are_not_next_to_each_other(roads: Engine) -> None:
    """Both are put on the same corner of the town; the way to the road counts."""
    west, south = LatLng(45.0, 7.0 - 0.009), LatLng(45.0 - 0.007, 7.0)
    pair = west.key, south.key
    leg = (await over(roads).legs(TENANT, [pair])).leg(pair)
    assert leg is not None
    assert leg.metres >= haversine_m(west, south)
    assert leg.seconds >= haversine_m(west, south) / 5 - 1


@of_roads
async def test_ten_thousand_places_are_asked_about_within_the_servers_limit(roads: Engine) -> None:
    many = [LatLng(45.0 + n % 100 * 0.0002, 7.0 + n // 100 * 0.0002).key for n in range(10_000)]
    hub = Places.single(TOWN[5])
    seconds, metres = await roads.measure(hub, Places.of(np.array(many)))
    assert len(seconds) == 10_000
    assert (seconds >= 0).all()
    assert (metres <= 6000).all()


@of_roads
async def test_a_table_of_many_to_many_is_the_same_as_its_rows(roads: Engine) -> None:
    pairs = [(a, b) for a in TOWN for b in TOWN if a != b]
    whole = await over(roads).legs(TENANT, pairs)
    for origin in TOWN[::5]:
        some = [pair for pair in pairs if pair[0] == origin]
        roads._known.clear()  # type: ignore[attr-defined]
        assert (await over(roads).legs(TENANT, some)).legs == {pair: whole.leg(pair) for pair in some}


async def test_in_process_and_over_http_one_graph_gives_one_answer(graph: Path, routed: str) -> None:
    stamp = stamp_of(graph)
    assert stamp is not None
    here, there = (
        make_engine(str(graph)),
        make_engine(f"osrm+{routed}?most_places=24&top_speed_kmh={stamp.top_speed_kmh:g}"),
    )
    town, hub = Places.of(np.array([*TOWN, ISLAND[0].key])), Places.single(TOWN[6])
    for ours, theirs in zip(await here.measure(hub, town), await there.measure(hub, town), strict=True):
        assert (ours == theirs).all()
    assert here.version == there.version == f"osrm-{stamp.data_version}-car-{stamp.top_speed_kmh:g}"
    await there.close()


async def test_valhalla_counts_the_time_of_day_that_it_is_asked_for(valhalla: str) -> None:
    free, rush = (
        make_engine(f"valhalla+{valhalla}?most_places=24{when}")
        for when in ("", "&departure=2026-11-24T08:00")
    )
    hub, town = Places.single(TOWN[0]), Places.of(np.array(TOWN[1:]))
    for froms, tos in ((hub, town), (town, hub)):  # it counts no departure where sources outnumber targets
        (quiet, _), (busy, _) = await free.measure(froms, tos), await rush.measure(froms, tos)
        assert (busy >= 2 * quiet - 1).all()
    assert free.version.removesuffix("-auto") == rush.version.removesuffix("-auto@2026-11-24T08:00")
    await free.close()
    await rush.close()


# --- a prepared graph


@needs_osrm
async def test_the_snap_limit_decides_what_is_off_road(graph: Path) -> None:
    beside = LatLng(45.0 - 0.004, 7.0)  # 440 m south of the nearest road
    pair = (beside.key, crossing(2, 2).key)
    assert (await over(osrm_in_process(graph, snap_m=500)).legs(TENANT, [pair])).leg(pair) is not None
    assert (await over(osrm_in_process(graph, snap_m=400)).legs(TENANT, [pair])).leg(pair) is None


@needs_osrm
async def test_nonsense_of_the_graph_in_process_is_refused_too(
    graph: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = osrm_in_process(graph)
    wrong = {"durations": [[float("nan")]], "distances": [[1.0]], "sources": [], "destinations": []}
    monkeypatch.setattr(engine.network, "_graph", SimpleNamespace(Table=lambda _: wrong))
    with pytest.raises(Unavailable):
        await over(engine).legs(TENANT, [(TOWN[0], TOWN[1])])


@needs_osrm
@pytest.mark.parametrize(("most", "kept"), [(10, 0), (len(TOWN) - 1, len(TOWN) - 1)])
async def test_answers_around_a_place_are_kept_where_there_is_room(graph: Path, most: int, kept: int) -> None:
    engine = osrm_in_process(graph, cache_pairs=most)
    town, hub = Places.of(np.array(TOWN)), Places.single(TOWN[0])
    first, far = await engine.measure(hub, town)
    assert len(engine._known) == kept
    again, _ = await engine.measure(hub, town)
    assert (first == again).all()
    pairs = Places.of(np.array([TOWN[0], TOWN[0]])), Places.of(np.array([TOWN[3], TOWN[0]]))
    (drive, _), (metres, _) = await engine.measure(*pairs)
    assert (drive, metres) == (first[3], far[3])


@needs_osrm
async def test_without_a_stamp_the_files_are_the_version(graph: Path, tmp_path: Path) -> None:
    copy = copied(graph, tmp_path)
    stamp = tmp_path / "roads.stamp.json"
    stamp.unlink()
    assert graph_hash(copy) == graph_hash(graph)
    assert make_engine(str(copy)).version == f"osrm-{graph_hash(graph)}-car"
    touched(tmp_path)
    assert graph_hash(copy) != graph_hash(graph)


@needs_osrm
async def test_a_graph_that_is_broken_missing_or_not_the_stamped_one_stops_the_service(
    graph: Path, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match="GIRO_ROADS"):
        make_engine(str(tmp_path / "nothing"))
    copy = copied(graph, tmp_path)
    touched(tmp_path)
    with pytest.raises(SettingsError, match="not those"):
        make_engine(str(copy))
    (tmp_path / "roads.stamp.json").write_text("{}")
    with pytest.raises(SettingsError, match="stamp"):
        make_engine(str(copy))
    (tmp_path / "roads.stamp.json").unlink()
    (tmp_path / "roads.osrm.hsgr").write_bytes(b"no graph")
    with pytest.raises(SettingsError, match="cannot be read"):
        make_engine(str(copy))


def copied(graph: Path, folder: Path) -> Path:
    for path in graph.parent.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder / graph.name


def touched(folder: Path) -> None:
    names = folder / "roads.osrm.datasource_names"
    names.write_bytes(names.read_bytes() + b" ")


# --- what GIRO_ROADS may say


@pytest.mark.parametrize(
    ("roads", "why"),
    [
        ("ftp://host", "is not"),
        ("osrm+ftp://host", "is not"),
        ("osrm+http://", "is not"),
        ("osrm+http://h:1?speed=3", "speed is no option"),
        ("osrm+http://h:1?most_places=two", "most_places"),
        ("osrm+http://h:1?top_speed_kmh=nan", "top_speed_kmh"),
        ("valhalla+http://h:1?timeout_s=0", "timeout_s"),
        ("matrix:/nowhere.csv", "cannot be read"),
    ],
)
async def test_what_cannot_be_an_engine_is_refused_at_the_start(roads: str, why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        make_engine(roads)


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ("", "first line"),
        ("a,b\n", "first line"),
        (f"{','.join(COLUMNS)}\n", "is empty"),
        (f"{','.join(COLUMNS)}\n91,0,0,0,1,1\n", "line 2: lat"),
        (f"{','.join(COLUMNS)}\n1,0,0,0,-1,1\n", "line 2: seconds"),
        (f"{','.join(COLUMNS)}\n1,0,0,0,nan,1\n", "line 2"),
        (f"{','.join(COLUMNS)}\n1,0,0,0,1,1\n1,0,0,0,2,1\n", "line 3: the pair"),
        (f"{','.join(COLUMNS)}\n1,0,0\n", "line 2"),
    ],
)
async def test_a_matrix_file_is_refused_with_its_line(tmp_path: Path, lines: str, why: str) -> None:
    (tmp_path / "m.csv").write_text(lines)
    with pytest.raises(SettingsError, match=why):
        make_engine(f"matrix:{tmp_path / 'm.csv'}")


async def test_a_pair_that_is_not_in_the_file_has_no_way(tmp_path: Path) -> None:
    travel = over(make_engine(f"matrix:{matrix_file(tmp_path / 'm.csv')}"))
    pair = TOWN[0], SEA.key
    assert (await travel.legs(TENANT, [pair])).leg(pair) is None


async def test_without_roads_it_is_the_flagged_estimate() -> None:
    assert isinstance(make_engine(""), Estimate)
