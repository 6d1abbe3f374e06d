"""Road travel times from OSRM, in process, on a road graph prepared with contraction hierarchies.

Facts this relies on, seen by running it: a table costs about 0.1 ms a target and holds the interpreter lock,
so long questions are cut into pieces between which other calls get their turn; a coordinate off the map is
snapped to the nearest road however far, so the snap is judged here.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from itertools import groupby
from math import ceil
from pathlib import Path
from typing import Any, Final

import numpy as np

from geo.domain.drives import UNREACHABLE, standing
from geo.domain.places import Ints, Places, degrees_of, great_circle_m
from geo.domain.stop import TravelSource
from kit.errors import Reason, Unavailable
from kit.settings import SettingsError

SUFFIXES: Final = (
    *("cnbg", "cnbg_to_ebg", "datasource_names", "ebg", "ebg_nodes", "edges", "enw", "fileIndex", "geometry"),
    *("hsgr", "icd", "maneuver_overrides", "names", "nbg_nodes", "properties", "ramIndex", "restrictions"),
    *("timestamp", "tld", "tls", "turn_duration_penalties", "turn_penalties_index", "turn_weight_penalties"),
)
"""What a prepared graph consists of: files `<base>.osrm.<suffix>`."""

NEEDED: Final = ("hsgr", "geometry", "properties", "ramIndex", "fileIndex", "nbg_nodes", "ebg_nodes")

TOP_SPEED_M_S: Final = 200 / 3.6
"""Faster than any edge of the car profile: signed limits are cut by a fifth there, and 250 km/h is no limit
anywhere. Only the lower bound relies on it."""

GEODESIC_ERROR: Final = 0.994
"""The great circle on a sphere is at most 0.6 % longer than on the ellipsoid."""

_PIECE: Final = 128
_Pair = tuple[int, int]
_Drive = tuple[int, int]
_NO_WAY: Final[_Drive] = (UNREACHABLE, 0)
_NOWHERE: Final[_Pair] = (0, 0)
_NO_DRIVE: Final[_Drive] = (0, 0)


class Osrm:
    """One prepared road graph.

    Places farther than `snap_limit_m` metres from any road are unreachable. `cache_pairs` bounds the memory
    of answers. Raises SettingsError at once when the graph cannot be used.
    """

    source: Final = TravelSource.ROAD
    symmetric: Final = False
    instant: Final = False

    def __init__(self, base: Path, *, snap_limit_m: float = 1000.0, cache_pairs: int = 1_000_000) -> None:
        self.version = f"osrm-{graph_hash(base)}-car"
        self._graph = _open(base)
        self._snap_limit = snap_limit_m
        self._capacity = cache_pairs
        self._known: OrderedDict[_Pair, _Drive] = OrderedDict()

    async def measure(self, froms: Places, tos: Places) -> tuple[Ints, Ints]:
        """Seconds, rounded up, and metres of each drive by car at free flow."""
        pairs = _pairs(froms, tos)
        found = {pair: self._known[pair] for pair in pairs if pair in self._known}
        found[_NOWHERE] = _NO_DRIVE
        await self._ask([pair for pair in dict.fromkeys(pairs) if pair not in found], found)
        self._remember(found)
        answers = np.array([found[pair] for pair in pairs], dtype=np.int64).reshape(-1, 2)
        return answers[:, 0], answers[:, 1]

    def floor(self, froms: Places, tos: Places) -> Ints:
        """The straight line between the closest roads at the top speed."""
        metres = great_circle_m(froms, tos) * GEODESIC_ERROR
        return (np.maximum(0.0, metres - 2 * self._snap_limit) / TOP_SPEED_M_S).astype(np.int64)

    async def _ask(self, pairs: list[_Pair], found: dict[_Pair, _Drive]) -> None:
        for piece in _pieces(pairs):
            found.update(self._table(piece))
            await asyncio.sleep(0)

    def _table(self, piece: Sequence[_Pair]) -> dict[_Pair, _Drive]:
        """One question to the graph: all pairs of a piece begin, or all end, at the same place."""
        froms = list(dict.fromkeys(origin for origin, _ in piece))
        tos = list(dict.fromkeys(target for _, target in piece))
        answer = self._query(froms, tos)
        row, column = {p: i for i, p in enumerate(froms)}, {p: i for i, p in enumerate(tos)}
        off_road = {p for p, i in row.items() if answer["sources"][i]["distance"] > self._snap_limit}
        off_road |= {p for p, i in column.items() if answer["destinations"][i]["distance"] > self._snap_limit}
        durations, distances = answer["durations"], answer["distances"]
        return {
            (a, b): _NO_WAY if a in off_road or b in off_road
            else _drive(durations[row[a]][column[b]], distances[row[a]][column[b]])
            for a, b in piece
        }  # fmt: skip

    def _query(self, froms: list[int], tos: list[int]) -> Any:
        import osrm

        latitudes, longitudes = degrees_of(np.array(froms + tos, dtype=np.int64))
        places = list(zip(longitudes.tolist(), latitudes.tolist(), strict=True))
        first = len(_ANCHORS)
        question = osrm.TableParameters(
            coordinates=[*_ANCHORS, *places],
            sources=list(range(first, first + len(froms))),
            destinations=list(range(first + len(froms), first + len(places))),
            annotations=["duration", "distance"],
            generate_hints=False,
        )
        try:
            return self._graph.Table(question)
        except RuntimeError as failure:
            message = f"the road engine gave no answer: {failure}"
            raise Unavailable(
                Reason.TRAVEL_UNAVAILABLE, message, metadata={"engine": self.version}
            ) from failure

    def _remember(self, found: dict[_Pair, _Drive]) -> None:
        for pair, drive in found.items():
            self._known[pair] = drive
            self._known.move_to_end(pair)
        while len(self._known) > self._capacity:
            self._known.popitem(last=False)


_ANCHORS: Final = [(0.0, 89.0), (0.0, -89.0), (-90.0, 0.0), (90.0, 0.0)]
"""Coordinates that are part of every question and of no answer. OSRM snaps places to a road of a cut-off
fragment when *all* places of a question lie on it, and to the main network otherwise; with the corners of the
map always in the question a pair's answer does not depend on what else was asked."""


def graph_hash(base: Path) -> str:
    """Twelve hex digits over the prepared files. Raises SettingsError when they are not all there."""
    missing = [suffix for suffix in NEEDED if not _file(base, suffix).is_file()]
    if missing:
        raise SettingsError(
            f"GIRO_ROADS: {base}.osrm.{missing[0]} is missing; prepare the extract with"
            " `python -m osrm extract -p car.lua X.osm.pbf` and `python -m osrm contract X`"
        )
    digest = hashlib.sha256()
    for suffix in SUFFIXES:
        path = _file(base, suffix)
        if path.is_file():
            digest.update(suffix.encode() + _digest(path))
    return digest.hexdigest()[:12]


def _digest(path: Path) -> bytes:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").digest()


def _file(base: Path, suffix: str) -> Path:
    return base.with_name(f"{base.name}.osrm.{suffix}")


def _open(base: Path) -> Any:
    try:
        import osrm
    except ImportError as absent:
        raise SettingsError("GIRO_ROADS needs the package osrm-bindings, on Python 3.12 or later") from absent
    try:
        return osrm.OSRM(algorithm="CH", storage_config=str(base), use_shared_memory=False)
    except RuntimeError as failure:
        raise SettingsError(f"GIRO_ROADS: the road graph {base} cannot be read: {failure}") from failure


def _drive(seconds: float | None, metres: float | None) -> _Drive:
    if seconds is None or metres is None:
        return _NO_WAY
    return ceil(seconds), round(metres)


def _pairs(froms: Places, tos: Places) -> list[_Pair]:
    """The pairs, with `_NOWHERE` for those that are no drive."""
    still = standing(froms, tos)
    ends = (np.where(still, 0, side.keys).tolist() for side in (froms, tos))
    return list(zip(*ends, strict=True))


def _pieces(pairs: list[_Pair]) -> Iterator[list[_Pair]]:
    """The pairs by their common end, the end that makes for fewer questions, at most `_PIECE` at a time."""
    end = 0 if len({a for a, _ in pairs}) <= len({b for _, b in pairs}) else 1
    for _, group in groupby(sorted(pairs, key=lambda pair: pair[end]), key=lambda pair: pair[end]):
        same = list(group)
        yield from (same[at : at + _PIECE] for at in range(0, len(same), _PIECE))
