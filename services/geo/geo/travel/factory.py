"""Which engines are in use: what GIRO_ROADS, GIRO_ROADS_BICYCLE and GIRO_ROADS_FOOT may say."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, parse_qsl, urlsplit

from geo.domain.modes import TravelMode
from geo.travel.engine import Engine
from geo.travel.estimate import Estimate
from geo.travel.failures import road_server
from geo.travel.fixed import FixedMatrix, read_matrix
from geo.travel.osrm_graph import osrm_in_process
from geo.travel.osrm_server import OsrmServer
from geo.travel.roads import TOP_SPEED_KMH, Network, RoadLimits, Roads
from geo.travel.valhalla_server import Costing, ValhallaServer
from kit.settings import SettingsError

FORMS: Final = (
    "a prepared graph's path, osrm+http://HOST:PORT, valhalla+http://HOST:PORT, matrix:FILE.csv, estimate or"
    " nothing"
)

ESTIMATE: Final = "estimate"
VARIABLES: Final = {
    TravelMode.CAR: "GIRO_ROADS",
    TravelMode.BICYCLE: "GIRO_ROADS_BICYCLE",
    TravelMode.FOOT: "GIRO_ROADS_FOOT",
}

_OPTIONS: Final = {
    "osrm": {"most_places", "top_speed_kmh", "timeout_s", "mode"},
    "valhalla": {"most_places", "top_speed_kmh", "timeout_s", "costing", "departure"},
}


def make_engines(
    roads: Mapping[TravelMode, str], *, snap_limit_m: float = 1000.0
) -> dict[TravelMode, Engine]:
    """The engine of each mode. Without any roads all modes are estimated; where cars have roads, a mode
    without its own has no engine, and no agent travels so.

    Raises SettingsError for what cannot be used, and for roads of another mode than the variable's.
    """
    said = dict(roads)
    if not said.get(TravelMode.CAR):
        said = {mode: said.get(mode) or ESTIMATE for mode in TravelMode}
    return {
        mode: make_engine(said[mode], mode, snap_limit_m=snap_limit_m)
        for mode in TravelMode
        if said.get(mode)
    }


def make_engine(roads: str, mode: TravelMode = TravelMode.CAR, *, snap_limit_m: float = 1000.0) -> Engine:
    """The engine of a mode that `roads` names; nothing, or `estimate`: the flagged estimate.

    - a path without suffixes: OSRM in process on that prepared graph;
    - `osrm+http://HOST:PORT` or `osrm+https://`: `osrm-routed`;
    - `valhalla+http://HOST:PORT?costing=auto&departure=2026-11-24T08:00`: Valhalla;
    - `matrix:FILE.csv`: a fixed matrix.

    `osrm-routed` is told with `mode` what its graph was made for: car, bicycle or foot. Servers take
    `most_places`, `top_speed_kmh` (as `giro roads build` printed it) and `timeout_s` as options.
    Raises SettingsError for what cannot be used: never the estimate in its place, nor roads of another mode.
    """
    engine = _named(roads, mode, snap_limit_m)
    if engine.mode is not mode:
        message = f"{VARIABLES[mode]}: these are roads for {engine.mode}; name them in"
        raise SettingsError(f"{message} {VARIABLES[engine.mode]}")
    return engine


def _named(roads: str, mode: TravelMode, snap_limit_m: float) -> Engine:
    if roads in {"", ESTIMATE}:
        return Estimate(mode)
    if roads.startswith("matrix:"):
        return FixedMatrix(read_matrix(Path(roads.removeprefix("matrix:"))), mode)
    if "://" in roads:
        return _remote(urlsplit(roads), snap_limit_m)
    return osrm_in_process(Path(roads), snap_m=snap_limit_m)


def _remote(url: SplitResult, snap_m: float) -> Roads:
    kind, _, scheme = url.scheme.partition("+")
    if kind not in _OPTIONS or scheme not in {"http", "https"} or not url.netloc:
        raise SettingsError(f"GIRO_ROADS: {url.geturl()} is not {FORMS}")
    options = dict(parse_qsl(url.query, keep_blank_values=True))
    unknown = sorted(options.keys() - _OPTIONS[kind])
    if unknown:
        raise SettingsError(f"GIRO_ROADS: {unknown[0]} is no option of {kind}")
    server = road_server(
        f"{scheme}://{url.netloc}{url.path}", timeout=_number(options, "timeout_s", 3.0, (0.05, 60))
    )
    most = int(_number(options, "most_places", 100, (8, 10_000)))
    network: Network
    if kind == "osrm":
        network = OsrmServer(server, most_places=most, mode=_mode(options))
    else:
        costing = Costing(options.get("costing", "auto"), options.get("departure", ""))
        network = ValhallaServer(server, costing, most_places=most)
    top = _number(options, "top_speed_kmh", TOP_SPEED_KMH, (1, 400))
    return Roads(network, RoadLimits(snap_m, top))


def _mode(options: dict[str, str]) -> TravelMode:
    try:
        return TravelMode(options.get("mode", TravelMode.CAR))
    except ValueError:
        raise SettingsError(f"GIRO_ROADS: mode is none of {', '.join(TravelMode)}") from None


def _number(options: dict[str, str], name: str, default: float, bounds: tuple[float, float]) -> float:
    try:
        value = float(options.get(name, default))
    except ValueError:
        value = float("nan")
    if not bounds[0] <= value <= bounds[1]:
        raise SettingsError(f"GIRO_ROADS: {name} is not a number from {bounds[0]:g} to {bounds[1]:g}")
    return value
