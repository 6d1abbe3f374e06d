"""Many places at once, by their keys, with their positions on the globe worked out once."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from kit.values.latlng import EARTH_RADIUS_M

Ints = npt.NDArray[np.int64]
"""Places, seconds or metres."""
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

BLOCK: Final = 8192
"""As many values as are worked on at once where there are hundreds of thousands: what comes out in between
stays in the cache of the processor, and memory is not asked for anew each time."""

_LAT_SHIFT: Final = 90_000_000
_LNG_SHIFT: Final = 180_000_000
_LOW: Final = 0xFFFF_FFFF
_ROUNDING: Final = 1e-14
"""Of the square of a chord; 0.6 m where the chord is shorter than that."""


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Places as keys, and as unit vectors from the earth's centre (three rows)."""

    keys: Ints
    units: Floats

    @classmethod
    def of(cls, keys: Ints) -> "Places":
        """Places by their keys; what stands for no place gets some position or other."""
        lat, lng = (np.radians(degrees) for degrees in degrees_of(keys))
        return cls(keys, np.stack([np.cos(lat) * np.cos(lng), np.cos(lat) * np.sin(lng), np.sin(lat)]))

    @classmethod
    def single(cls, key: int) -> "Places":
        """One place."""
        return cls(np.array([key]), np.array(_unit(key)).reshape(3, 1))

    def __len__(self) -> int:
        return len(self.keys)

    def part(self, at: int) -> "Places":
        """A block of them from one on; views."""
        return Places(self.keys[at : at + BLOCK], self.units[:, at : at + BLOCK])

    def take(self, which: Ints) -> "Places":
        """The places at these positions."""
        return Places(self.keys.take(which), self.units.take(which, axis=1))


def degrees_of(places: Ints) -> tuple[Floats, Floats]:
    """Latitudes and longitudes, in degrees, of places by their keys."""
    return ((places >> 32) - _LAT_SHIFT) / 1e6, ((places & _LOW) - _LNG_SHIFT) / 1e6


def degrees(place: int) -> tuple[float, float]:
    """Latitude and longitude of one place."""
    return ((place >> 32) - _LAT_SHIFT) / 1e6, ((place & _LOW) - _LNG_SHIFT) / 1e6


def great_circle_m(froms: Places, tos: Places) -> Floats:
    """Metres along the great circle, pair by pair; one side may be a single place."""
    apart = froms.units - tos.units
    apart *= apart
    half_chord = np.sqrt(apart[0] + apart[1] + apart[2]) / 2
    metres: Floats = 2 * EARTH_RADIUS_M * np.arcsin(np.minimum(1.0, half_chord))
    return metres


def least_m(there: Places, here: Places) -> Floats:
    """Metres from each place to a single one that are never more than `great_circle_m`, at a tenth of its
    cost: along the chord, less what rounding may have added."""
    chord = here.units[:, 0] @ there.units
    chord *= -2.0
    chord += 2.0 - _ROUNDING
    np.maximum(chord, 0.0, out=chord)
    metres: Floats = np.sqrt(chord, out=chord)
    metres *= EARTH_RADIUS_M
    return metres


def distance_m(from_place: int, to_place: int) -> float:
    """Metres along the great circle between two places, in the very steps of `great_circle_m`."""
    here, there = _unit(from_place), _unit(to_place)
    apart = sum((a - b) * (a - b) for a, b in zip(here, there, strict=True))
    return 2 * EARTH_RADIUS_M * math.asin(min(1.0, math.sqrt(apart) / 2))


def _unit(place: int) -> tuple[float, float, float]:
    lat, lng = map(math.radians, degrees(place))
    return math.cos(lat) * math.cos(lng), math.cos(lat) * math.sin(lng), math.sin(lat)
