"""Places on the earth as WGS 84 degrees, rounded to a millionth (about 11 cm)."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

EARTH_RADIUS_M: Final = 6_371_008.8

_LAT_SHIFT = 90_000_000
_LNG_SHIFT = 180_000_000


@dataclass(frozen=True, slots=True, order=True)
class LatLng:
    """A latitude in [-90, 90] and a longitude in [-180, 180], in degrees.

    Raises ValueError for NaN, infinity and anything out of range.
    """

    lat: float
    lng: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "lat", _degrees(self.lat, 90.0, "lat"))
        object.__setattr__(self, "lng", _degrees(self.lng, 180.0, "lng"))

    @property
    def key(self) -> int:
        """The place as one non-negative 64-bit integer; equal places have equal keys."""
        return (round(self.lat * 1e6) + _LAT_SHIFT) << 32 | (round(self.lng * 1e6) + _LNG_SHIFT)

    @classmethod
    def from_key(cls, key: int) -> "LatLng":
        """The place of a key made by `key`. Raises ValueError for a number that is no key."""
        return cls(((key >> 32) - _LAT_SHIFT) / 1e6, ((key & 0xFFFF_FFFF) - _LNG_SHIFT) / 1e6)


def haversine_m(a: LatLng, b: LatLng) -> float:
    """Metres between two places along the great circle; at most 0.6 % off the ellipsoid."""
    lat1, lat2 = math.radians(a.lat), math.radians(b.lat)
    half_lat = math.sin((lat2 - lat1) / 2)
    half_lng = math.sin(math.radians(b.lng - a.lng) / 2)
    chord = half_lat * half_lat + math.cos(lat1) * math.cos(lat2) * half_lng * half_lng
    return 2 * EARTH_RADIUS_M * math.asin(math.sqrt(min(1.0, chord)))


def haversine_m_many(
    lat1: "npt.ArrayLike", lng1: "npt.ArrayLike", lat2s: "npt.ArrayLike", lng2s: "npt.ArrayLike"
) -> "npt.NDArray[np.float64]":
    """Metres from one place (or many) to many, in degrees; numpy broadcasting decides the shape."""
    import numpy as np  # a fifth of a second, which processes that compute nothing need not spend

    phi1, phi2 = np.radians(lat1), np.radians(lat2s)
    half_lat = np.sin((phi2 - phi1) / 2)
    half_lng = np.sin(np.radians(np.subtract(lng2s, lng1)) / 2)
    chord = half_lat**2 + np.cos(phi1) * np.cos(phi2) * half_lng**2
    metres: npt.NDArray[np.float64] = 2 * EARTH_RADIUS_M * np.arcsin(np.sqrt(np.minimum(1.0, chord)))
    return metres


def _degrees(value: float, limit: float, name: str) -> float:
    if not -limit <= value <= limit:  # NaN fails every comparison, so it is refused here too
        raise ValueError(f"{name} {value} is not between {-limit:g} and {limit:g} degrees")
    return round(value, 6) + 0.0  # turns -0.0 into 0.0, so that equal places print alike
