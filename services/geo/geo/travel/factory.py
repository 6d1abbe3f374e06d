"""Which engine is in use: what GIRO_ROADS may say."""

from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, parse_qsl, urlsplit

from geo.travel.engine import Engine
from geo.travel.estimate import Estimate
from geo.travel.failures import road_server
from geo.travel.fixed import FixedMatrix, read_matrix
from geo.travel.modes import TravelMode
from geo.travel.osrm_graph import osrm_in_process
from geo.travel.osrm_server import OsrmServer
from geo.travel.roads import TOP_SPEED_KMH, Network, RoadLimits, Roads
from geo.travel.valhalla_server import Costing, ValhallaServer
from kit.settings import SettingsError

FORMS: Final = (
    "a prepared graph's path, osrm+http://HOST:PORT, valhalla+http://HOST:PORT, matrix:FILE.csv or nothing"
)

_OPTIONS: Final = {
    "osrm": {"most_places", "top_speed_kmh", "timeout_s", "mode"},
    "valhalla": {"most_places", "top_speed_kmh", "timeout_s", "costing", "departure"},
}


def make_engine(roads: str, *, snap_limit_m: float = 1000.0) -> Engine:
    """The engine that `roads` names; nothing: the flagged estimate.

    - a path without suffixes: OSRM in process on that prepared graph;
    - `osrm+http://HOST:PORT` or `osrm+https://`: `osrm-routed`;
    - `valhalla+http://HOST:PORT?costing=auto&departure=2026-11-24T08:00`: Valhalla;
    - `matrix:FILE.csv`: a fixed matrix.

    `osrm-routed` is told with `mode` what its graph was made for: car, bicycle or foot. Servers take
    `most_places`, `top_speed_kmh` (as `giro roads build` printed it) and `timeout_s` as options.
    Raises SettingsError for what cannot be used: never the estimate in its place.
    """
    if not roads:
        return Estimate()
    if roads.startswith("matrix:"):
        return FixedMatrix(read_matrix(Path(roads.removeprefix("matrix:"))))
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
