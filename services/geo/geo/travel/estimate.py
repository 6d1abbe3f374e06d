"""The straight-line estimate, always flagged as such: a bound that roads keep, and a best guess."""

from dataclasses import dataclass
from math import ceil
from typing import Final

import numpy as np

from geo.domain.modes import TravelMode
from geo.domain.places import Floats, Ints, Places, distance_m, great_circle_m, least_m
from geo.domain.stop import TravelSource
from geo.travel.engine import Settled


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a drive takes along the great circle: at most `base_s` and `s_per_km` for each kilometre; and
    at `guess_kmh` at the median."""

    base_s: int
    s_per_km: int
    guess_kmh: float


PACES: Final = {
    TravelMode.CAR: Pace(600, 120, 36.0),
    TravelMode.BICYCLE: Pace(2400, 1500, 11.5),
    TravelMode.FOOT: Pace(4800, 1800, 4.2),
}
"""Real roads keep it in 99.9 % of pairs; those of bicycles and walkers in pairs up to 10 km, on Malta too,
whose ways round the harbours are long. Theirs is so long that real roads serve who has no car better."""


class Estimate(Settled):
    """For cars 600 s plus 120 s a kilometre of the great circle, rounded up; for others by their own pace.

    Symmetric, never unreachable, and without data: its version is fixed. `guess` is its other face, right at
    the median and below the road's time in two pairs of five: for ranking and showing, never for a promise.
    """

    source: Final = TravelSource.ESTIMATE
    symmetric: Final = True

    def __init__(self, mode: TravelMode = TravelMode.CAR) -> None:
        self.mode = mode
        self.version = "estimate-1" if mode is TravelMode.CAR else f"estimate-2-{mode}"
        self._pace = PACES[mode]

    async def measure(self, froms: Places, tos: Places) -> tuple[Ints, Ints]:
        """Seconds and great-circle metres of each drive."""
        metres = great_circle_m(froms, tos)
        return self._bound(metres), np.rint(metres).astype(np.int64)

    def bound(self, froms: Places, tos: Places) -> Ints:
        """Seconds that real roads keep."""
        return self._bound(great_circle_m(froms, tos))

    def drive(self, from_place: int, to_place: int) -> tuple[int, int]:
        """Seconds and great-circle metres of one drive."""
        metres = distance_m(from_place, to_place)
        return ceil(self._pace.base_s + self._pace.s_per_km / 1000 * metres), round(metres)

    def floor(self, froms: Places, tos: Places) -> Ints:
        """Within seconds of the drives themselves, at less than half their cost."""
        metres = least_m(froms, tos) if len(tos) == 1 else least_m(tos, froms)
        return (self._pace.base_s + self._pace.s_per_km / 1000 * metres).astype(np.int64)

    def guess(self, froms: Places, tos: Places) -> Ints:
        """Seconds at an even speed along the great circle."""
        return np.rint(great_circle_m(froms, tos) / (self._pace.guess_kmh / 3.6)).astype(np.int64)

    def _bound(self, metres: Floats) -> Ints:
        return np.ceil(self._pace.base_s + self._pace.s_per_km / 1000 * metres).astype(np.int64)
