"""What OSRM says, in process and over HTTP, read strictly: an answer that makes no sense is none."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from geo.domain.places import Floats, degrees_of
from geo.travel.answers import METRES_ROUNDING, amounts, grid
from geo.travel.roads import Table
from kit.web.json_server import Nonsense

ANCHORS: Final = ((0.0, 89.0), (0.0, -89.0), (-90.0, 0.0), (90.0, 0.0))
"""Coordinates (longitude, latitude) that are part of every question and of no answer. OSRM snaps places to a
road of a cut-off fragment when *all* places of a question lie on it, and to the main network otherwise; with
the corners of the map always in the question a pair's answer does not depend on what else was asked."""


def lng_lat(places: Sequence[int]) -> list[tuple[float, float]]:
    """Longitude and latitude of places by their keys."""
    latitudes, longitudes = degrees_of(np.array(places, dtype=np.int64))
    return list(zip(longitudes.tolist(), latitudes.tolist(), strict=True))


def table_of(answer: Mapping[str, Any], shape: tuple[int, int]) -> Table:
    """The table in an answer of OSRM's table service. Raises Nonsense."""
    seconds, metres = grid(answer, "durations", shape), grid(answer, "distances", shape, METRES_ROUNDING)
    if (np.isnan(seconds) != np.isnan(metres)).any():
        raise Nonsense("some drives have only one of duration and distance")
    return Table(seconds, metres, _gaps(answer, "sources", shape[0]), _gaps(answer, "destinations", shape[1]))


def _gaps(answer: Mapping[str, Any], name: str, count: int) -> Floats:
    try:
        found = [place["distance"] for place in answer[name]]
    except (KeyError, TypeError) as missing:
        raise Nonsense(f"{name} do not say how far the road is") from missing
    return amounts(found, name, count)
