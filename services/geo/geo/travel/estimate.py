"""The straight-line estimate: a bound that real roads keep in 99.9 % of pairs, always flagged as such."""

from typing import Final

import numpy as np

from geo.domain.places import Ints, Places, great_circle_m
from geo.domain.stop import TravelSource

BASE_SECONDS: Final = 600
SECONDS_PER_KM: Final = 120


class Estimate:
    """600 s plus 120 s a kilometre of the great circle, rounded up to whole seconds.

    Symmetric, never unreachable, and without data: its version is fixed.
    """

    version: Final = "estimate-1"
    source: Final = TravelSource.ESTIMATE
    symmetric: Final = True
    instant: Final = True

    async def measure(self, froms: Places, tos: Places) -> tuple[Ints, Ints]:
        """Seconds and great-circle metres of each drive."""
        metres = great_circle_m(froms, tos)
        seconds = np.ceil(BASE_SECONDS + SECONDS_PER_KM / 1000 * metres)
        return seconds.astype(np.int64), np.rint(metres).astype(np.int64)

    def floor(self, froms: Places, tos: Places) -> Ints:
        """What every drive costs at least."""
        return np.full(max(len(froms), len(tos)), BASE_SECONDS, dtype=np.int64)
