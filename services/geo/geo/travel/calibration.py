"""How fast a road network is along the straight line: what makes the lower bound on drives tight.

The bound holds whatever this finds: an engine raises the rare answer below it (see `travel.roads`). A bound
that is too low would make many drives a little longer; one that is too high would discard few gaps.
"""

from collections.abc import Callable, Sequence
from math import ceil
from typing import Final

import numpy as np

from geo.domain.modes import TravelMode
from geo.domain.places import Ints, Places, great_circle_m
from geo.travel.estimate import PACES
from geo.travel.roads import Table

SLOWEST_KMH: Final = {mode: 3600 / pace.s_per_km + 1 for mode, pace in PACES.items()}
"""Below it the bound would exceed the straight-line estimate of the mode."""

MARGIN: Final = 1.1
_LEAST_S: Final = 60.0
"""Drives shorter than this are mostly rounding."""

_TILE: Final = 60


Compute = Callable[[Sequence[int], Sequence[int]], Table]


def bound_kmh(compute: Compute, places: Ints, mode: TravelMode = TravelMode.CAR) -> float:
    """A tenth above the fastest drive of a mode between these places, in whole km/h."""
    return float(ceil(max(SLOWEST_KMH[mode], MARGIN * fastest_kmh(compute, places))))


def fastest_kmh(compute: Compute, places: Ints) -> float:
    """The greatest speed along the straight line, of drives of a minute and more; 0 without any."""
    fastest = 0.0
    keys: list[int] = places.tolist()
    for top in range(0, len(keys), _TILE):
        for left in range(0, len(keys), _TILE):
            froms, tos = keys[top : top + _TILE], keys[left : left + _TILE]
            table = compute(froms, tos)
            targets = Places.of(np.array(tos, dtype=np.int64))
            straight = np.stack([great_circle_m(Places.single(place), targets) for place in froms])
            long = table.seconds >= _LEAST_S  # NaN is not
            speeds = straight[long] / table.seconds[long] * 3.6
            fastest = max(fastest, *speeds.tolist())
    return fastest
