"""Road servers that are slow, dead or lying: refused by name, left alone for a while."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from geo.domain.drives import UNREACHABLE
from geo.domain.matrix import Matrix
from geo.domain.modes import TravelMode
from geo.domain.places import Places
from geo.domain.stop import TravelSource
from geo.travel.factory import make_engine
from geo.travel.failures import road_server
from geo.travel.osrm_server import OsrmServer
from geo.travel.roads import RoadLimits, Roads
from geo.travel.tenant import TenantTravel
from geo.travel.valhalla_server import Costing, ValhallaServer
from kit.db import guard
from kit.errors import Reason, Unavailable
from kit.testing.ports import free_port
from kit.values.latlng import LatLng, haversine_m
from kit.web.breaker import Breaker
from services.geo.tests.support.web import Reply, Request, Web, serving

pytestmark = pytest.mark.asyncio

TENANT = "ten_1"
HERE, THERE = LatLng(45.0, 7.0), LatLng(45.01, 7.02)
PAIR = HERE.key, THERE.key
THERE_ALONE = Places.single(PAIR[1])
METRES = haversine_m(HERE, THERE) * 1.3


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def table(request: Request, **changed: Any) -> dict[str, Any]:
    """What OSRM says of one drive of five minutes."""
    rows, columns = (len(request.query[name].split(";")) for name in ("sources", "destinations"))
    answer = {
        "code": "Ok",
        "data_version": "v1",
        "durations": [[300.0] * columns] * rows,
        "distances": [[METRES] * columns] * rows,
        "sources": [{"distance": 0.0}] * rows,
        "destinations": [{"distance": 0.0}] * columns,
    }
    return answer | changed


def good(request: Request) -> Reply:
    return Reply(200, table(request))


@asynccontextmanager
async def osrm(
    handler: Callable[[Request], Any], *, timeout: float = 2.0, clock: Clock | None = None
) -> AsyncIterator[tuple[Web, Roads]]:
    async with serving(handler) as web:
        breaker = Breaker(clock=clock or Clock())
        roads = Roads(OsrmServer(road_server(web.url, timeout=timeout, breaker=breaker)), RoadLimits())
        yield web, roads
        await roads.close()


async def drive(roads: Roads) -> tuple[int, int]:
    seconds, metres = await roads.measure(Places.single(PAIR[0]), Places.single(PAIR[1]))
    return int(seconds[0]), int(metres[0])


async def refused(roads: Roads) -> str:
    with pytest.raises(Unavailable) as failure:
        await drive(roads)
    assert failure.value.reason is Reason.TRAVEL_UNAVAILABLE
    return failure.value.message


async def test_a_good_answer_is_taken() -> None:
    async with osrm(good) as (_, roads):
        assert roads.version == ""
        assert await drive(roads) == (300, round(METRES))
        assert roads.version == "osrm-v1-car"


@pytest.mark.parametrize("told", [-0.2, -1.0])
async def test_a_rounding_below_nothing_is_nothing(told: float) -> None:
    """OSRM's own answers for two places on the same half metre of a road of Malta, and on the same metre."""
    near = LatLng(HERE.lat + 0.00001, HERE.lng)
    async with osrm(lambda r: Reply(200, table(r, durations=[[0.0]], distances=[[told]]))) as (_, roads):
        seconds, metres = await roads.measure(Places.single(HERE.key), Places.single(near.key))
        assert (seconds.tolist(), metres.tolist()) == ([0], [0])


NONSENSE: dict[str, Callable[[Request], Reply]] = {
    "NaN": lambda r: Reply(200, json.dumps(table(r)).replace("300.0", "NaN").encode()),
    "infinity": lambda r: Reply(200, json.dumps(table(r)).replace("300.0", "Infinity").encode()),
    "1e999": lambda r: Reply(200, json.dumps(table(r)).replace("300.0", "1e999").encode()),
    "a thousand digits": lambda r: Reply(200, table(r, durations=[[10**1000]])),
    "thousands of brackets": lambda r: Reply(200, b"[" * 5_000),
    "negative": lambda r: Reply(200, table(r, durations=[[-1.0]])),
    "two metres less than none": lambda r: Reply(200, table(r, distances=[[-2.0]])),
    "a thousand years": lambda r: Reply(200, table(r, durations=[[3e10]])),
    "text": lambda r: Reply(200, table(r, durations=[["300"]])),
    "true": lambda r: Reply(200, table(r, durations=[[True]])),
    "zero seconds": lambda r: Reply(200, table(r, durations=[[0.0]])),
    "zero metres": lambda r: Reply(200, table(r, distances=[[0.0]])),
    "half a drive": lambda r: Reply(200, table(r, distances=[[None]])),
    "a row too many": lambda r: Reply(200, table(r, durations=[[300.0], [300.0]])),
    "a row too short": lambda r: Reply(200, table(r, durations=[[]])),
    "no rows": lambda r: Reply(200, table(r, durations=None)),
    "no sources": lambda r: Reply(200, table(r, sources=[{}])),
    "snapped nowhere": lambda r: Reply(200, table(r, destinations=[{"distance": None}])),
    "another code": lambda r: Reply(200, table(r, code="NoSegment")),
    "an error": lambda r: Reply(500, table(r)),
    "a refusal": lambda r: Reply(400, {"code": "TooBig", "message": "Too many table coordinates"}),
    "no version": lambda r: Reply(200, table(r, data_version=None)),
    "a version that is none": lambda r: Reply(200, table(r, data_version="v1+m7")),
    "no object": lambda r: Reply(200, [1, 2]),
    "no JSON": lambda r: Reply(200, b"<html>"),
    "nothing": lambda r: Reply(200, b""),
    "too much": lambda r: Reply(200, b" " * 100_000 + json.dumps(table(r)).encode()),
    "a redirect": lambda r: Reply(302, b""),
}


@pytest.mark.parametrize("kind", NONSENSE)
async def test_nonsense_is_refused_and_never_kept(kind: str) -> None:
    wrong = NONSENSE[kind]
    async with osrm(lambda r: wrong(r) if r.path.count(";") == 5 else good(r)) as (web, roads):
        assert "answered nonsense" in await refused(roads)
        web.handler = good
        assert await drive(roads) == (300, round(METRES))


async def test_a_table_that_is_too_big_names_the_setting() -> None:
    async with osrm(lambda r: Reply(400, {"code": "TooBig"})) as (_, roads):
        assert "--max-table-size" in await refused(roads)


async def test_a_slow_server_costs_the_time_out_and_no_more() -> None:
    release = asyncio.Event()

    async def slow(request: Request) -> Reply:
        await release.wait()
        return good(request)

    async with osrm(slow, timeout=0.05) as (_, roads):
        async with asyncio.timeout(30):
            assert "took too long" in await refused(roads)
        release.set()


async def test_a_dead_server_is_unavailable() -> None:
    roads = make_engine(f"osrm+http://127.0.0.1:{free_port()}")
    assert isinstance(roads, Roads)
    assert "cannot be reached" in await refused(roads)
    await roads.close()


async def test_after_three_failures_the_server_is_left_alone_and_then_tried_by_one() -> None:
    clock = Clock()
    async with osrm(lambda _: Reply(500, {}), clock=clock) as (web, roads):
        for _ in range(3):
            await refused(roads)
        asked = len(web.requests)
        assert "left alone" in await refused(roads)
        clock.now = 4.9
        assert "left alone" in await refused(roads)
        assert len(web.requests) == asked
        clock.now = 5.0
        await refused(roads)  # the trial fails: five more seconds
        assert len(web.requests) == asked + 1
        clock.now = 9.9
        assert "left alone" in await refused(roads)
        clock.now = 10.0
        web.handler = good
        assert await drive(roads) == (300, round(METRES))
        web.handler = lambda _: Reply(500, {})
        roads._known.clear()
        await refused(roads)
        await refused(roads)  # it counts from the start again
        assert not roads.network.server.breaker.is_open  # type: ignore[attr-defined]


async def test_only_one_call_tries_and_a_caller_that_gives_up_blocks_nobody() -> None:
    clock = Clock()
    breaker = Breaker(1, 5.0, clock)
    assert breaker.admits()
    breaker.failed()
    clock.now = 5.0
    assert breaker.admits()
    assert not breaker.admits()
    breaker.abandoned()
    assert breaker.admits()
    breaker.succeeded()
    assert breaker.admits()
    assert breaker.admits()


async def test_a_cancelled_call_is_no_failure_of_the_server() -> None:
    waiting = asyncio.Event()

    async def slow(request: Request) -> Reply:
        waiting.set()
        await asyncio.Event().wait()
        return good(request)

    async with osrm(slow) as (web, roads):
        task = asyncio.create_task(drive(roads))
        await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        web.handler = good
        assert await drive(roads) == (300, round(METRES))


async def test_an_idle_connection_that_the_server_ended_is_replaced() -> None:
    async with osrm(good) as (web, roads):
        await drive(roads)
        roads._known.clear()
        dropped = False

        def once(request: Request) -> Reply:
            nonlocal dropped
            if not dropped:
                dropped = True
                raise ConnectionError
            return good(request)

        web.handler = once
        assert await drive(roads) == (300, round(METRES))
        assert dropped


async def test_a_new_graph_behind_the_address_is_another_version_and_empties_the_cache() -> None:
    async with osrm(good) as (web, roads):
        await drive(roads)
        web.handler = lambda r: Reply(200, table(r, data_version="v2", durations=[[420.0]]))
        assert await drive(roads) == (300, round(METRES))  # kept, until anybody hears of the new one
        assert await roads.refreshed() == "osrm-v2-car"
        assert await drive(roads) == (420, round(METRES))


async def test_answers_of_two_versions_are_never_mixed() -> None:
    """The graph is replaced between two pieces of one question."""
    many = [LatLng(45.01, 7.02 + n * 1e-5).key for n in range(150)]
    answered = 0

    def replaced(request: Request) -> Reply:
        nonlocal answered
        answered += 1
        version, seconds = ("v1", 300.0) if answered <= 2 else ("v2", 420.0)
        columns = len(request.query["destinations"].split(";"))
        return Reply(200, table(request, data_version=version, durations=[[seconds] * columns]))

    async with osrm(replaced) as (_, roads):
        seconds, _ = await roads.measure(Places.single(HERE.key), Places.of(np.array(many)))
        assert set(seconds.tolist()) == {420}
        assert roads.version == "osrm-v2-car"


async def test_a_graph_that_changes_all_the_time_is_unavailable() -> None:
    count = 0

    def changing(request: Request) -> Reply:
        nonlocal count
        count += 1
        return Reply(200, table(request, data_version=f"v{count}"))

    async with osrm(changing) as (_, roads):
        assert "keep changing" in await refused(roads)


async def test_a_remote_engine_is_never_asked_inside_a_transaction() -> None:
    class Open:
        is_open = True

    async with osrm(good) as (web, roads):
        token = guard.transaction.set(Open())
        with pytest.raises(guard.RemoteCallInTransaction):
            await drive(roads)
        guard.transaction.reset(token)
        assert not web.requests


# --- what the tenant's policy makes of it


class NoMatrix:
    async def at_hand(self, tenant: str, mode: TravelMode) -> Matrix:
        return Matrix()

    up_to_date = at_hand


async def estimating(tenant: str) -> bool:
    return tenant == TENANT


async def test_without_its_leave_no_tenant_gets_the_estimate() -> None:
    async with osrm(lambda _: Reply(500, {})) as (_, roads):
        travel = TenantTravel(roads, NoMatrix(), estimating)  # type: ignore[arg-type]
        for ask in (travel.legs, travel.legs_at_hand):
            with pytest.raises(Unavailable):
                await ask("ten_2", [PAIR])
        with pytest.raises(Unavailable):
            await travel.around("ten_2", PAIR[0], (THERE_ALONE, THERE_ALONE))
        with pytest.raises(Unavailable):
            await travel.present_legs(TENANT, [PAIR])  # promises are held against roads alone


async def test_a_tenant_that_allows_it_gets_the_estimate_flagged_until_the_roads_are_back() -> None:
    clock = Clock()
    async with osrm(lambda _: Reply(500, {}), clock=clock) as (web, roads):
        travel = TenantTravel(roads, NoMatrix(), estimating)  # type: ignore[arg-type]
        leg = (await travel.legs(TENANT, [PAIR])).leg(PAIR)
        assert leg is not None
        assert (leg.source, leg.version) == (TravelSource.ESTIMATE, "estimate-1")
        assert leg.seconds == 600 + np.ceil(0.12 * haversine_m(HERE, THERE))
        inward, _ = await travel.around(TENANT, PAIR[0], (THERE_ALONE, THERE_ALONE))
        assert inward.version == await travel.version(TENANT) == await travel.version_at_hand(TENANT)
        floor, _ = await travel.floor_around(TENANT, PAIR[0], Places.single(PAIR[1]))
        assert (floor <= inward.seconds).all()
        web.handler, clock.now = good, 60.0
        leg = (await travel.legs(TENANT, [PAIR])).leg(PAIR)
        assert leg is not None
        assert (leg.seconds, leg.source, leg.version) == (300, TravelSource.ROAD, "osrm-v1-car")


# --- Valhalla's own ways to fail


def matrix_of(units: str = "kilometers", warnings: Any = None, **changed: Any) -> Reply:
    """What Valhalla says of one drive of five minutes."""
    told = {"durations": [[300]], "distances": [[round(METRES / 1000, 6)]]} | changed
    noted = {} if warnings is None else {"warnings": warnings}
    return Reply(200, {"sources_to_targets": told, "units": units} | noted)


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/status", Reply(200, {"version": "3.9.1"})),
        ("/status", Reply(200, [])),
        ("/locate", Reply(200, [])),
        ("/locate", Reply(200, [{"edges": [{"correlated_lat": 451, "correlated_lon": 7}]}] * 2)),
        ("/locate", Reply(200, [{"edges": "none"}] * 2)),
        ("/locate", Reply(400, {"error_code": 100})),
        ("/sources_to_targets", Reply(200, {"sources_to_targets": [[]]})),
        ("/sources_to_targets", Reply(200, {"sources_to_targets": {"durations": [[9]]}})),
        (
            "/sources_to_targets",
            Reply(200, {"sources_to_targets": {"durations": [[0]], "distances": [[2.5]]}}),
        ),
        ("/sources_to_targets", Reply(200, {"sources_to_targets": {"durations": [[9]], "distances": [[0]]}})),
        ("/sources_to_targets", Reply(400, {"error_code": 150, "error": "Exceeded max locations"})),
        ("/sources_to_targets", Reply(500, b"")),
        ("/sources_to_targets", matrix_of(units="miles")),
        ("/sources_to_targets", matrix_of(warnings=[{"code": 201, "description": "date_time"}])),
        ("/sources_to_targets", matrix_of(durations=[[None]])),
        ("/sources_to_targets", matrix_of(durations=[[9, 9]])),
        ("/sources_to_targets", matrix_of(distances=[[1e9]])),
    ],
)
async def test_valhallas_nonsense_is_refused(path: str, answer: Reply) -> None:
    async with serving(valhalla_but({path: answer})) as web:
        roads = Roads(ValhallaServer(road_server(web.url), Costing()), RoadLimits())
        assert "answered nonsense" in await refused(roads)
        await roads.close()


@pytest.mark.parametrize(
    "answer",
    [
        *(Reply(400, {"error_code": code, "error": "none"}) for code in (154, 170, 171, 441, 442)),
        matrix_of(durations=[[None]], distances=[[None]]),
    ],
    ids=["154", "170", "171", "441", "442", "null"],
)
async def test_valhallas_ways_to_say_that_there_is_no_way(answer: Reply) -> None:
    async with serving(valhalla_but({"/sources_to_targets": answer})) as web:
        roads = Roads(ValhallaServer(road_server(web.url), Costing()), RoadLimits())
        assert await drive(roads) == (UNREACHABLE, 0)
        await roads.close()


async def test_a_matrix_that_valhalla_finds_too_large_names_the_setting() -> None:
    answer = Reply(400, {"error_code": 150, "error": "Exceeded max locations: 50"})
    async with serving(valhalla_but({"/sources_to_targets": answer})) as web:
        roads = Roads(ValhallaServer(road_server(web.url), Costing()), RoadLimits())
        assert "most_places" in await refused(roads)
        await roads.close()


async def test_a_warning_that_takes_nothing_away_is_no_fault() -> None:
    """Codes 1xx tell of deprecated words in the question."""
    noted = matrix_of(warnings=[{"code": 100, "description": "deprecated"}, "odd", {"text": 201}])
    async with serving(valhalla_but({"/sources_to_targets": noted})) as web:
        roads = Roads(ValhallaServer(road_server(web.url), Costing()), RoadLimits())
        assert await drive(roads) == (300, round(METRES))
        await roads.close()


def valhalla_but(changed: dict[str, Reply]) -> Callable[[Request], Reply]:
    """A Valhalla whose places are all on a road, and which says this under these paths."""
    edge = {"correlated_lat": 45.0, "correlated_lon": 7.0}

    def handler(request: Request) -> Reply:
        if request.path in changed:
            return changed[request.path]
        if request.path == "/status":
            return Reply(200, {"version": "3.9.1", "tileset_last_modified": 1})
        located = [
            {"edges": [edge | {"correlated_lat": at["lat"], "correlated_lon": at["lon"]}]}
            for at in request.json()["locations"]
        ]
        return Reply(200, located)

    return handler
