"""Many drives at once, as parallel arrays: the form in which travel times are computed and searched.

A place is its key (see `geo.domain.stop`). All arrays of one `Drives` have the same length.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from geo.domain.legs import NO_TRAVEL
from geo.domain.stop import NOWHERE, Leg, TravelSource

Ints = npt.NDArray[np.int64]
"""Places, seconds or metres."""
Floats = npt.NDArray[np.float64]

UNREACHABLE: Final = -1
"""Seconds of a drive that no road makes possible."""

SOURCES: Final = (TravelSource.NONE, TravelSource.ESTIMATE, TravelSource.ROAD, TravelSource.MATRIX)
"""Sources by the code that `Drives.sources` holds."""

_LAT_SHIFT: Final = 90_000_000
_LNG_SHIFT: Final = 180_000_000
_LOW: Final = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class Drives:
    """Drives from `froms[i]` to `tos[i]`, with one version of the travel data.

    `seconds[i]` is UNREACHABLE where there is no way; `metres[i]` is 0 there. `sources` are codes of SOURCES.
    """

    froms: Ints
    tos: Ints
    seconds: Ints
    metres: Ints
    sources: Ints
    version: str

    def leg(self, index: int) -> Leg | None:
        """One drive; None where there is no way."""
        seconds = int(self.seconds[index])
        if seconds == UNREACHABLE:
            return None
        source = SOURCES[int(self.sources[index])]
        version = NO_TRAVEL if source is TravelSource.NONE else self.version
        places = int(self.froms[index]), int(self.tos[index])
        return Leg(*places, seconds, int(self.metres[index]), source, version)

    def __iter__(self) -> Iterator[Leg | None]:
        return (self.leg(index) for index in range(len(self.seconds)))


def source_code(source: TravelSource) -> int:
    """The code of a source in `Drives.sources`."""
    return SOURCES.index(source)


def degrees_of(places: Ints) -> tuple[Floats, Floats]:
    """Latitudes and longitudes, in degrees, of places by their keys."""
    return ((places >> 32) - _LAT_SHIFT) / 1e6, ((places & _LOW) - _LNG_SHIFT) / 1e6


def standing(froms: Ints, tos: Ints) -> npt.NDArray[np.bool_]:
    """Which pairs are no drive at all: both ends the same, or one of them no place."""
    still: npt.NDArray[np.bool_] = (froms == tos) | (froms == NOWHERE) | (tos == NOWHERE)
    return still
