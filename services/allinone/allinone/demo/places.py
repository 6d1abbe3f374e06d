"""Chooses where the demo takes place: around Turin, or on the map that real roads were made of."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from allinone.demo import roads
from allinone.demo.people import Snap
from allinone.demo.region import TURIN, Bounds, Region, Town, around_turin, within
from allinone.errors import StartFailed
from kit.values.latlng import LatLng

FEWEST_TOWNS = 3
GRID_ACROSS = 12
ROADSIDE_PEOPLE = 1_000


def no_snap(place: LatLng) -> LatLng:
    """Leaves a place where it is: travel is estimated, so no road has to be near."""
    return place


def choose(
    extract: Path | None, base: str, index: Callable[[str], roads.RoadIndex] = roads.OsrmIndex
) -> "Places":
    """Towns near Turin with the estimate or on a map that shows Turin; otherwise the towns of that map.

    Where the gazetteer knows no town of the map, places beside its roads are taken, and they have no names.
    Raises StartFailed for a map that shows no roads.
    """
    if extract is None:
        return Places(around_turin(), no_snap)
    bounds, engine = roads.bounds_of(extract), index(base)

    def snap(place: LatLng) -> LatLng | None:
        return roads.snap_onto(engine, place)

    return _on_map(bounds, snap)


class Places:
    """A region, the way onto its roads, and what a person should know about its names (empty: nothing)."""

    def __init__(self, region: Region, snap: Snap, note: str = "") -> None:
        self.region, self.snap, self.note = region, snap, note


def _on_map(bounds: Bounds, snap: Snap) -> Places:
    region = around_turin() if bounds.contains(TURIN) else within(bounds)
    towns = tuple(town for town in region.towns if bounds.contains(town.centre) and snap(town.centre))
    if len(towns) >= FEWEST_TOWNS:
        return Places(replace(region, towns=towns), snap)
    nameless = _roadside(bounds, snap, region.time_zone)
    if len(nameless) < FEWEST_TOWNS:
        why = "The map shows hardly any roads."
        raise StartFailed("demo places", why, "Use an extract of at least a small town.")
    note = "the gazetteer knows no town on this map: places of the demo have made-up names"
    return Places(Region("the map", region.time_zone, nameless), snap, note)


def _roadside(bounds: Bounds, snap: Snap, time_zone: str) -> tuple[Town, ...]:
    found = [snap(place) for place in roads.grid(bounds, GRID_ACROSS)]
    on_roads = [place for place in found if place is not None]
    return tuple(Town(f"Place {n}", place, ROADSIDE_PEOPLE, time_zone) for n, place in enumerate(on_roads, 1))
