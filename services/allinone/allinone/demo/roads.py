"""The demo on a real road map: which part of the world it shows, and which points lie on its roads.

Only the head of an OpenStreetMap extract is read: it states the rectangle that the file covers.
"""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from allinone.demo.region import Bounds
from allinone.errors import StartFailed
from kit.values.latlng import LatLng, haversine_m

NANO = 1e-9
FARTHEST_SNAP_M = 250.0
VARINT, LENGTH_DELIMITED = 0, 2
HEADER_BBOX, BLOB_RAW, BLOB_ZLIB, BLOB_HEADER_SIZE = 1, 1, 3, 3
LARGEST_HEADER = 64 * 1024


class RoadIndex(Protocol):
    """The road engine's answer to "which road is nearest"."""

    def nearest(self, place: LatLng) -> LatLng | None:
        """The nearest point of a road; None when there is none."""
        ...


class OsrmIndex:
    """Nearest roads from a prepared OSRM base (the path without `.osrm`)."""

    def __init__(self, base: str) -> None:
        import osrm  # no wheel for Python 3.11, and not needed for the estimate

        self._osrm = osrm
        self._engine = osrm.OSRM(algorithm="CH", storage_config=base, use_shared_memory=False)

    def nearest(self, place: LatLng) -> LatLng | None:
        """The nearest point of a road; None when there is none."""
        parameters = self._osrm.NearestParameters(coordinates=[(place.lng, place.lat)])
        try:
            waypoint = self._engine.Nearest(parameters)["waypoints"][0]
        except RuntimeError:
            return None
        lng, lat = waypoint["location"]
        return LatLng(float(lat), float(lng))


def snap_onto(index: RoadIndex, place: LatLng) -> LatLng | None:
    """The point of a road that is at most 250 m away, else None."""
    found = index.nearest(place)
    return found if found is not None and haversine_m(place, found) <= FARTHEST_SNAP_M else None


def bounds_of(extract: Path) -> Bounds:
    """The rectangle that an `.osm.pbf` says it covers. Raises StartFailed when it does not say."""
    try:
        with extract.open("rb") as file:
            (size,) = struct.unpack(">I", file.read(4))
            head = dict(_fields(file.read(min(size, LARGEST_HEADER))))
            block = dict(_fields(_unpacked(dict(_fields(file.read(_number(head[BLOB_HEADER_SIZE])))))))
        box = {key: _zigzag(_number(value)) * NANO for key, value in _fields(_bytes(block[HEADER_BBOX]))}
        return Bounds(west=box[1], east=box[2], north=box[3], south=box[4])
    except (OSError, struct.error, zlib.error, KeyError, IndexError, TypeError) as unreadable:
        raise StartFailed(
            "demo places",
            f"{extract} does not say which part of the world it covers ({unreadable}).",
            "Use an extract whose head has a bounding box, as those of Geofabrik and of osmium have.",
        ) from unreadable


def grid(bounds: Bounds, across: int) -> Iterator[LatLng]:
    """Places spread evenly over a rectangle, `across` squared of them."""
    for row in range(across):
        for column in range(across):
            north = bounds.south + (bounds.north - bounds.south) * (row + 0.5) / across
            yield LatLng(north, bounds.west + (bounds.east - bounds.west) * (column + 0.5) / across)


def _unpacked(blob: dict[int, int | bytes]) -> bytes:
    return _bytes(blob[BLOB_RAW]) if BLOB_RAW in blob else zlib.decompress(_bytes(blob[BLOB_ZLIB]))


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each field of a protobuf message of varints and byte strings."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        value, position = _varint(message, position)
        if tag & 7 == VARINT:
            yield tag >> 3, value
        elif tag & 7 == LENGTH_DELIMITED:
            yield tag >> 3, message[position : position + value]
            position += value
        else:
            raise TypeError(f"field {tag >> 3} is of no kind used here")


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7


def _zigzag(value: int) -> int:
    return (value >> 1) ^ -(value & 1)


def _number(value: int | bytes) -> int:
    if isinstance(value, bytes):
        raise TypeError("a number was expected")
    return value


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise TypeError("bytes were expected")
    return value
