"""Road servers for the tests: OSRM's own `osrm-routed`, and a peer that behaves by Valhalla's API."""

import asyncio
import re
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from geo.travel.osrm_graph import OsrmGraph
from geo.travel.roads import Table
from kit.testing.ports import free_port
from kit.values.latlng import LatLng
from services.geo.tests.support.web import Reply, Request, Web, serving

LARGEST_TABLE = 24
RUSH_HOUR = 2.0
"""What the peer makes of a drive that departs between 7 and 9."""


@asynccontextmanager
async def routed(base: Path) -> AsyncIterator[str]:
    """The URL of an `osrm-routed` on a prepared graph, with a small limit on the size of tables."""
    import osrm

    program = Path(osrm.__file__).parent / "bin" / "osrm-routed"
    port = free_port()
    words = ["--algorithm", "ch", "-i", "127.0.0.1", "-p", str(port), "-t", "1"]
    process = subprocess.Popen(
        [str(program), *words, "--max-table-size", str(LARGEST_TABLE), str(base)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        await _listening(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


async def _listening(port: int) -> None:
    async with asyncio.timeout(20):
        while True:
            with suppress(ConnectionError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                await writer.wait_closed()
                return
            await asyncio.sleep(0.02)


class ValhallaPeer:
    """`/status`, `/locate` and `/sources_to_targets` as Valhalla 3.9.1 answers them, on a graph of OSRM's.

    Strict: what Valhalla refuses is refused, with its error codes as they were seen.
    """

    most_pairs = 144
    cutoff_m = 35_000.0

    def __init__(self, graph: OsrmGraph) -> None:
        self._graph = graph
        self.tiles = 1_795_330_730

    async def __call__(self, request: Request) -> Reply:
        if request.path == "/status":
            return Reply(200, {"version": "3.9.1", "tileset_last_modified": self.tiles})
        try:
            asked = request.json()
            return await {"/locate": self._locate, "/sources_to_targets": self._matrix}[request.path](asked)
        except KeyError:
            return _refused(106, "Try any of: /locate /sources_to_targets /status")
        except (ValueError, TypeError):
            return _refused(100, "Failed to parse json request")

    async def _locate(self, asked: Any) -> Reply:
        places = _places(asked.get("locations"))
        if places is None or asked.get("costing") != "auto":
            return _refused(112, "Insufficiently specified required parameter 'locations'")
        found = [self._located(place) for place in places]
        return Reply(200, found)

    def _located(self, place: int) -> dict[str, Any]:
        here = LatLng.from_key(place)
        road, gap = self._nearest(here)
        edge = {"way_id": 1, "correlated_lat": road.lat, "correlated_lon": road.lng, "percent_along": 0.5}
        edges = [edge] if gap <= self.cutoff_m else []
        return {"input_lat": here.lat, "input_lon": here.lng, "edges": edges, "nodes": []}

    async def _matrix(self, asked: Any) -> Reply:
        froms, tos = _places(asked.get("sources")), _places(asked.get("targets"))
        if not froms or not tos or asked.get("costing") != "auto":
            return _refused(
                112, "Insufficiently specified required parameter 'locations' or 'sources & targets'"
            )
        if len(froms) * len(tos) > self.most_pairs:
            return _refused(150, f"Exceeded max locations: {self.most_pairs}")
        if any(self._nearest(LatLng.from_key(place))[1] > self.cutoff_m for place in (*froms, *tos)):
            return _refused(171, "No suitable edges near location")
        table = await self._graph.table(froms, tos)
        if np.isnan(table.seconds).any():
            return _refused(170, "Locations are in unconnected regions. Go check/edit the map at osm.org")
        when = asked.get("date_time")
        if when is not None and len(froms) > len(tos):  # as the documentation of its matrices says
            left_out = {"warnings": [{"code": 201, "description": "Sources have date_time set"}]}
            return Reply(200, _compact(table, _factor(None)) | left_out)
        return Reply(200, _compact(table, _factor(when)))

    def _nearest(self, place: LatLng) -> tuple[LatLng, float]:
        import osrm

        answer = self._graph._graph.Nearest(osrm.NearestParameters(coordinates=[(place.lng, place.lat)]))
        found = answer["waypoints"][0]
        lng, lat = found["location"]
        return LatLng(float(lat), float(lng)), float(found["distance"])


def _compact(table: Table, factor: float) -> dict[str, Any]:
    durations = np.rint(table.seconds * factor).astype(int).tolist()
    distances = np.round(table.metres / 1000, 3).tolist()
    compact = {"durations": durations, "distances": distances}
    return {"sources_to_targets": compact, "units": "kilometers", "algorithm": "timedistancematrix"}


def _factor(when: Any) -> float:
    if when is None:
        return 1.0
    if when.get("type") != 1 or not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d", when.get("value", "")):
        raise ValueError(when)
    return RUSH_HOUR if 7 <= int(when["value"][11:13]) < 9 else 1.0


def _places(listed: Any) -> Sequence[int] | None:
    if not isinstance(listed, list):
        return None
    return [LatLng(each["lat"], each["lon"]).key for each in listed]


def _refused(code: int, why: str) -> Reply:
    return Reply(400, {"error_code": code, "error": why, "status_code": 400, "status": "Bad Request"})


@asynccontextmanager
async def valhalla(graph: OsrmGraph) -> AsyncIterator[tuple[Web, ValhallaPeer]]:
    peer = ValhallaPeer(graph)
    async with serving(peer) as web:
        yield web, peer
