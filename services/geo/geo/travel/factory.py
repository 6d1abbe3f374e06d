"""Which engine is in use."""

from pathlib import Path

from geo.travel.engine import Engine
from geo.travel.estimate import Estimate
from geo.travel.osrm import Osrm


def make_engine(roads: str, *, snap_limit_m: float = 1000.0) -> Engine:
    """Roads where a prepared graph is named, else the flagged estimate.

    `roads` is the graph's path without suffixes. Raises SettingsError for a graph that cannot be used: never
    the estimate in its place.
    """
    return Osrm(Path(roads), snap_limit_m=snap_limit_m) if roads else Estimate()
