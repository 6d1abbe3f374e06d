"""The straight-line estimate, always flagged as such: a bound that roads keep, and a best guess."""

from math import ceil
from typing import Final

import numpy as np

from geo.domain.places import Floats, Ints, Places, distance_m, great_circle_m, least_m
from geo.domain.stop import TravelSource
from geo.travel.engine import Settled

BASE_SECONDS: Final = 600
SECONDS_PER_KM: Final = 120

GUESS_KMH: Final = 36.0
"""Along the great circle, as real drives do at the median (33 to 46 km/h, by the map)."""


class Estimate(Settled):
    """600 s plus 120 s a kilometre of the great circle, rounded up: real roads keep it in 99.9 % of pairs.

    Symmetric, never unreachable, and without data: its version is fixed. `guess` is its other face, right at
    the median and below the road's time in two pairs of five: for ranking and showing, never for a promise.
    """

    version = "estimate-1"
    source: Final = TravelSource.ESTIMATE
    symmetric: Final = True

    async def measure(self, froms: Places, tos: Places) -> tuple[Ints, Ints]:
        """Seconds and great-circle metres of each drive."""
        metres = great_circle_m(froms, tos)
        return _bound(metres), np.rint(metres).astype(np.int64)

    def bound(self, froms: Places, tos: Places) -> Ints:
        """Seconds that real roads keep."""
        return _bound(great_circle_m(froms, tos))

    def drive(self, from_place: int, to_place: int) -> tuple[int, int]:
        """Seconds and great-circle metres of one drive."""
        metres = distance_m(from_place, to_place)
        return ceil(BASE_SECONDS + SECONDS_PER_KM / 1000 * metres), round(metres)

    def floor(self, froms: Places, tos: Places) -> Ints:
        """Within seconds of the drives themselves, at less than half their cost."""
        metres = least_m(froms, tos) if len(tos) == 1 else least_m(tos, froms)
        return (BASE_SECONDS + SECONDS_PER_KM / 1000 * metres).astype(np.int64)

    def guess(self, froms: Places, tos: Places) -> Ints:
        """Seconds at an even speed along the great circle."""
        return np.rint(great_circle_m(froms, tos) / (GUESS_KMH / 3.6)).astype(np.int64)


def _bound(metres: Floats) -> Ints:
    return np.ceil(BASE_SECONDS + SECONDS_PER_KM / 1000 * metres).astype(np.int64)
