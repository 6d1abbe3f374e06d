"""A small road map of the tests' own, and its preparation with the road engine's tools."""

import importlib.util
from pathlib import Path

from geo.travel.build import NAME, build
from kit.values.latlng import LatLng

STEP = 0.005
"""Degrees between crossings: about 560 m north, 390 m east."""

SIDE = 5


def crossing(row: int, column: int) -> LatLng:
    """A crossing of the town's grid; row 0 is the one-way street, driven from column 0 to column 4."""
    return LatLng(45.0 + row * STEP, 7.0 + column * STEP)


ISLAND = (LatLng(45.5, 8.0), LatLng(45.505, 8.0))
"""The ends of a road that no other road leads to."""

FAR_FROM_ROADS = LatLng(45.2, 7.4)


def has_osrm() -> bool:
    """Whether the road engine can be imported here (its wheel needs Python 3.12)."""
    return importlib.util.find_spec("osrm") is not None


def write_map(directory: Path) -> Path:
    """Writes the map; gives its path."""
    extract = directory / "tiny.osm"
    extract.write_text(_osm())
    return extract


def prepared(directory: Path) -> Path:
    """Writes the map and prepares it; gives the graph's path."""
    return prepare(write_map(directory))


def prepare(extract: Path) -> Path:
    """A graph beside an extract; gives its path."""
    folder = extract.with_name("graph")
    build(extract, folder, lambda _: None)
    return folder / NAME


def _osm() -> str:
    nodes = {(row, column): crossing(row, column) for row in range(SIDE) for column in range(SIDE)}
    ids = {key: number for number, key in enumerate(nodes, start=1)}
    ways = [([ids[row, column] for column in range(SIDE)], row == 0) for row in range(SIDE)]
    ways += [([ids[row, column] for row in range(SIDE)], False) for column in range(SIDE)]
    lines = [_node(ids[key], place) for key, place in nodes.items()]
    lines += [_node(900 + number, place) for number, place in enumerate(ISLAND)]
    ways.append(([900, 901], False))
    lines += [_way(1000 + number, *way) for number, way in enumerate(ways)]
    return "\n".join(['<?xml version="1.0"?>', '<osm version="0.6">', *lines, "</osm>"])


def _node(number: int, place: LatLng) -> str:
    return f'<node id="{number}" version="1" lat="{place.lat}" lon="{place.lng}"/>'


def _way(number: int, nodes: list[int], one_way: bool) -> str:
    tags = '<tag k="highway" v="residential"/>' + ('<tag k="oneway" v="yes"/>' if one_way else "")
    return f'<way id="{number}" version="1">' + "".join(f'<nd ref="{n}"/>' for n in nodes) + tags + "</way>"
