"""Valhalla over HTTP, for its costing models and its speeds by time of day.

Seen by running 3.9.1: one place without a road, or on an island of its own, makes a whole question fail
(error 170 or 171), and so does one pair that is too far apart (154). So places are located first, which also
tells how far the road is, and a question that fails is halved until the culprits are alone: they have no way.

By its documentation the time-distance matrix counts a departure only where sources do not outnumber targets;
else it answers for no time at all and says so in a warning. So there are never more sources, and an answer
with that warning is none.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from geo.domain.modes import TravelMode
from geo.domain.places import Floats, Places, degrees, great_circle_m
from geo.travel.answers import LARGEST, grid
from geo.travel.modes import COSTINGS
from geo.travel.roads import Table, credible
from kit.values.latlng import LatLng
from kit.web.json_server import Answer, JsonServer, Nonsense, Question

NO_WAY: Final = frozenset({154, 170, 171, 441, 442})
"""Error codes of a question with a pair that no way leads between, or none within the server's reach."""

TIME_LEFT_OUT: Final = frozenset({201, 202, 206})
"""Codes of the warnings that the time asked for was not counted."""

_TOO_MANY: Final = 150
_LOCATED: Final = 100_000
_AT_ONCE: Final = 50
_BYTES_A_CELL: Final = 64
_BYTES_A_PLACE: Final = 65_536


class _NoWay(Exception):
    """The server refuses the question as a whole for what some pair of it is."""


@dataclass(frozen=True, slots=True)
class Costing:
    """Valhalla's costing model, and the wall time ("2026-11-24T08:00") whose speeds count; empty: none."""

    model: str = "auto"
    departure: str = ""

    @property
    def name(self) -> str:
        """As it stands in versions."""
        return f"{self.model}@{self.departure}" if self.departure else self.model


class ValhallaServer:
    """A Valhalla service; `most_places` squared is at most four times its `max_matrix_location_pairs`."""

    at_once: Final = 4

    def __init__(self, server: JsonServer, costing: Costing, *, most_places: int = 100) -> None:
        self.server, self._costing, self.most_places = server, costing, most_places
        self.mode = COSTINGS.get(costing.model, TravelMode.CAR)
        self.version = ""
        self._roads: OrderedDict[int, float] = OrderedDict()

    async def heard(self) -> None:
        """Asks which program and which tiles answer. Raises Unavailable."""
        version = await self.server.ask(Question("/status", most_bytes=_BYTES_A_PLACE), _version)
        named = f"valhalla-{version}-{self._costing.name}"
        if named != self.version:
            self._roads.clear()
        self.version = named

    async def table(self, froms: Sequence[int], tos: Sequence[int]) -> Table:
        """The drives. Raises Unavailable."""
        await self._locate([place for place in {*froms, *tos} if place not in self._roads])
        gaps = [np.array([self._roads.get(place, np.inf) for place in side]) for side in (froms, tos)]
        near = [[at for at, gap in enumerate(side) if np.isfinite(gap)] for side in gaps]
        seconds, metres = (np.full((len(froms), len(tos)), np.nan) for _ in range(2))
        if near[0] and near[1]:
            found = await self._matrix([froms[at] for at in near[0]], [tos[at] for at in near[1]])
            seconds[np.ix_(*near)], metres[np.ix_(*near)] = found
        await self.heard()  # its answers do not name the tiles: what was replaced meanwhile is noticed here
        return Table(seconds, metres, *gaps)

    async def close(self) -> None:
        """Ends the connections."""
        await self.server.close()

    async def _locate(self, places: Sequence[int]) -> None:
        """Notes how far the nearest road is from each place."""
        for at in range(0, len(places), _AT_ONCE):
            some = places[at : at + _AT_ONCE]
            body = {"locations": _locations(some), "costing": self._costing.model, "verbose": False}
            question = Question("/locate", len(some) * _BYTES_A_PLACE, body=body)
            gaps = await self.server.ask(question, _gaps_of(some))
            self._roads.update(zip(some, gaps, strict=True))
        while len(self._roads) > _LOCATED:
            self._roads.popitem(last=False)

    async def _matrix(self, froms: Sequence[int], tos: Sequence[int]) -> tuple[Floats, Floats]:
        if self._costing.departure and len(froms) > len(tos):
            some = [froms[at : at + len(tos)] for at in range(0, len(froms), len(tos))]
            tables = [await self._matrix(each, tos) for each in some]
            return np.vstack([table[0] for table in tables]), np.vstack([table[1] for table in tables])
        try:
            return await self._ask(froms, tos)
        except _NoWay:
            if len(froms) == len(tos) == 1:
                return np.full((1, 1), np.nan), np.full((1, 1), np.nan)
        if len(froms) >= len(tos):
            half = len(froms) // 2
            parts = [await self._matrix(froms[:half], tos), await self._matrix(froms[half:], tos)]
            return np.vstack([parts[0][0], parts[1][0]]), np.vstack([parts[0][1], parts[1][1]])
        half = len(tos) // 2
        parts = [await self._matrix(froms, tos[:half]), await self._matrix(froms, tos[half:])]
        return np.hstack([parts[0][0], parts[1][0]]), np.hstack([parts[0][1], parts[1][1]])

    async def _ask(self, froms: Sequence[int], tos: Sequence[int]) -> tuple[Floats, Floats]:
        body: dict[str, Any] = {
            "sources": _locations(froms),
            "targets": _locations(tos),
            "costing": self._costing.model,
            "units": "kilometers",
            "verbose": False,
        }
        if self._costing.departure:
            body["date_time"] = {"type": 1, "value": self._costing.departure}
        most = len(froms) * len(tos) * _BYTES_A_CELL + _BYTES_A_PLACE

        def read(answer: Answer) -> Table | None:
            found = _matrix_of(answer, (len(froms), len(tos)))
            gaps = [np.array([self._roads[place] for place in side]) for side in (froms, tos)]
            return None if found is None else credible(Table(*found, *gaps), froms, tos)

        table = await self.server.ask(Question("/sources_to_targets", most, body=body), read)
        if table is None:
            raise _NoWay
        return table.seconds, table.metres


def _locations(places: Iterable[int]) -> list[dict[str, float]]:
    return [{"lat": lat, "lon": lng} for lat, lng in map(degrees, places)]


def _version(answer: Answer) -> str:
    document = _good(answer)
    program, tiles = document.get("version"), document.get("tileset_last_modified")
    if not isinstance(program, str) or type(tiles) is not int:
        raise Nonsense("its status names no version and no date of the tiles")
    return f"{program[:32]}.{tiles}"


def _gaps_of(places: Sequence[int]) -> Any:
    def read(answer: Answer) -> list[float]:
        found = answer.document
        if answer.status == 400 and isinstance(found, dict) and found.get("error_code") in NO_WAY:
            return [np.inf] * len(places)  # no road near any of them
        if answer.status != 200 or not isinstance(found, list) or len(found) != len(places):
            raise Nonsense(f"status {answer.status}, not one location for each place")
        return [_gap(place, each) for place, each in zip(places, found, strict=True)]

    return read


def _gap(place: int, located: Any) -> float:
    """Metres to the nearest of the roads that a place could be on."""
    edges = located.get("edges") if isinstance(located, Mapping) else None
    if not isinstance(edges, list | None):
        raise Nonsense("a location without a list of roads")
    try:
        roads = [LatLng(edge["correlated_lat"], edge["correlated_lon"]).key for edge in edges or ()]
    except (KeyError, TypeError, ValueError) as wrong:
        raise Nonsense("a road without a place on it") from wrong
    if not roads:
        return float("inf")
    gaps = great_circle_m(Places.single(place), Places.of(np.array(roads)))
    return min(float(gap) for gap in gaps)


def _matrix_of(answer: Answer, shape: tuple[int, int]) -> tuple[Floats, Floats] | None:
    """Seconds and metres; None where some pair without a way makes the server refuse all of them."""
    document = answer.document
    if answer.status == 400 and isinstance(document, dict) and document.get("error_code") in NO_WAY:
        return None
    good = _good(answer)
    found = good.get("sources_to_targets")
    if not isinstance(found, dict):
        raise Nonsense("no sources_to_targets")
    if good.get("units", "kilometers") != "kilometers":
        raise Nonsense("its distances are not in the unit asked for")
    if TIME_LEFT_OUT & set(_warned(good)):
        raise Nonsense("the departure asked for was not counted")
    seconds, kilometres = grid(found, "durations", shape), grid(found, "distances", shape)
    if (np.isnan(seconds) != np.isnan(kilometres)).any() or (kilometres * 1000 > LARGEST).any():
        raise Nonsense("durations and distances do not fit")
    return seconds, kilometres * 1000


def _warned(document: Mapping[str, Any]) -> Iterator[int]:
    """Codes of the warnings in an answer."""
    listed = document.get("warnings", [])
    for each in listed if isinstance(listed, list) else []:
        code = each.get("code") if isinstance(each, Mapping) else None
        if isinstance(code, int):
            yield code


def _good(answer: Answer) -> Mapping[str, Any]:
    if answer.status != 200 or not isinstance(answer.document, dict):
        code = answer.document.get("error_code") if isinstance(answer.document, dict) else None
        if code == _TOO_MANY:
            raise Nonsense("takes fewer places (service_limits, max_matrix_location_pairs): set most_places")
        raise Nonsense(f"status {answer.status}, error code {code!r}")
    return answer.document
