"""OSRM in process, on a road graph prepared with contraction hierarchies.

Facts this relies on, seen by running it: a table costs about 0.1 ms a target and holds the interpreter lock,
so long questions are cut into pieces between which other calls get their turn; a coordinate off the map is
snapped to the nearest road however far, so the snap is judged by `travel.roads`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from geo.domain.modes import TravelMode
from geo.travel import failures
from geo.travel.graph_files import GraphStamp, graph_hash, stamp_of
from geo.travel.osrm_answers import ANCHORS, lng_lat, table_of
from geo.travel.roads import RoadLimits, Roads, Table
from kit.settings import SettingsError
from kit.web.json_server import Nonsense

_PIECE: Final = 129


class OsrmGraph:
    """One prepared road graph. Raises SettingsError at once when it cannot be used."""

    most_places: Final = _PIECE
    at_once: Final = 1

    def __init__(self, base: Path, stamp: GraphStamp | None) -> None:
        self.mode = stamp.mode if stamp else TravelMode.CAR
        self.version = f"osrm-{stamp.data_version if stamp else graph_hash(base)}-{self.mode}"
        self.base = base
        self._graph = _open(base)

    async def heard(self) -> None:
        """It is always there."""

    async def table(self, froms: Sequence[int], tos: Sequence[int]) -> Table:
        """The drives at free flow. Raises Unavailable."""
        return self.computed(froms, tos)

    def computed(self, froms: Sequence[int], tos: Sequence[int]) -> Table:
        """The same, for whoever has nothing else to do meanwhile."""
        try:
            answer = self._graph.Table(_parameters(froms, tos))
            return table_of(_plain(answer), (len(froms), len(tos)))
        except (RuntimeError, Nonsense) as failure:
            what = f"the road engine gave no answer: {failure}"
            raise failures.unavailable(what, self.version) from failure

    async def close(self) -> None:
        """There is nothing to end."""


def osrm_in_process(base: Path, *, snap_m: float = 1000.0, cache_pairs: int = 1_000_000) -> Roads:
    """The engine on a prepared graph. Raises SettingsError when the graph cannot be used."""
    stamp = stamp_of(base)
    limits = RoadLimits(snap_m, cache_pairs=cache_pairs)
    if stamp is not None:
        limits = RoadLimits(snap_m, stamp.top_speed_kmh, cache_pairs)
    return Roads(OsrmGraph(base, stamp), limits)


def _parameters(froms: Sequence[int], tos: Sequence[int]) -> Any:
    import osrm

    first, last = len(ANCHORS), len(ANCHORS) + len(froms)
    return osrm.TableParameters(
        coordinates=[*ANCHORS, *lng_lat([*froms, *tos])],
        sources=list(range(first, last)),
        destinations=list(range(last, last + len(tos))),
        annotations=["duration", "distance"],
        generate_hints=False,
    )


def _plain(answer: Any) -> dict[str, Any]:
    """The engine's own sequences as lists; they answer no question about their type."""
    grids = {name: [list(row) for row in answer[name]] for name in ("durations", "distances")}
    return {**grids, **{name: list(answer[name]) for name in ("sources", "destinations")}}


def _open(base: Path) -> Any:
    try:
        import osrm
    except ImportError as absent:
        raise SettingsError("GIRO_ROADS needs the package osrm-bindings, on Python 3.12 or later") from absent
    try:
        return osrm.OSRM(algorithm="CH", storage_config=str(base), use_shared_memory=False)
    except RuntimeError as failure:
        raise SettingsError(f"GIRO_ROADS: the road graph {base} cannot be read: {failure}") from failure
