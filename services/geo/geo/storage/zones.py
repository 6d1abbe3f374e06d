"""Zones: written as told, read as told, and the grounds that judge places, kept in memory by revision."""

from asyncio import to_thread
from collections import OrderedDict
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final

import numpy as np
import shapely
from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert

from geo.domain.areas import Area, Polygons, Ring
from geo.domain.zones import NOTHING, Ground, Zone
from geo.storage.sql import fetch, fetch_one
from geo.storage.zone_tables import zones
from kit.db.uow import Tx
from kit.errors import InvalidInput, Reason
from kit.values.ids import new_id
from kit.values.latlng import LatLng

_MOST_CORNERS: Final = 2_000_000
_MILLION: Final = 1e6

_REVISIONS: Final = """
    SELECT zone_id, revision FROM geo.zones WHERE tenant_id = %(tenant)s AND zone_id = ANY(%(ids)s)"""
_WEIGHT: Final = "coalesce(ST_NPoints(area), 0) + coalesce(cardinality(postcodes), 0) + 4 AS weight"
_SIZES: Final = (
    f"SELECT zone_id, {_WEIGHT} FROM geo.zones"  # noqa: S608 - put together from constants
    " WHERE tenant_id = %(tenant)s AND zone_id > %(after)s ORDER BY zone_id LIMIT %(rows)s"
)
_SIZES_NEAR: Final = (
    f"SELECT zone_id, {_WEIGHT} FROM geo.zones"  # noqa: S608 - put together from constants
    " WHERE tenant_id = %(tenant)s AND (%(postcode)s = ANY (postcodes)"
    " OR area && ST_SetSRID(ST_MakePoint(%(lng)s, %(lat)s), 4326)) ORDER BY zone_id"
)
_COLUMNS: Final = "zone_id, name, revision, ST_AsBinary(area) AS area, postcodes, band_seconds"
_READ: Final = (
    f"SELECT {_COLUMNS} FROM geo.zones"  # noqa: S608 - put together from constants
    " WHERE tenant_id = %(tenant)s AND zone_id = ANY(%(ids)s)"
)
_LOCK: Final = """
    SELECT zone_id FROM geo.zones WHERE tenant_id = %(tenant)s AND zone_id = ANY(%(ids)s)
    ORDER BY zone_id FOR UPDATE"""
_FAULT: Final = """
    SELECT given.number, d.reason, ST_Y(d.location) AS latitude, ST_X(d.location) AS longitude
    FROM unnest(%(texts)s::text[]) WITH ORDINALITY AS given(text, number),
         ST_IsValidDetail(ST_GeomFromText(given.text, 4326)) AS d
    WHERE NOT d.valid ORDER BY given.number LIMIT 1"""
_PUT_IN: Final = insert(zones)
_PUT: Final = _PUT_IN.on_conflict_do_update(
    constraint="zones_pkey",
    set_={name: _PUT_IN.excluded[name] for name in ("name", "revision", "area", "postcodes", "band_seconds")},
)


class Grounds:
    """Grounds by revision, those used last; at most so many corners in all."""

    def __init__(self, most_corners: int = _MOST_CORNERS) -> None:
        self._known: OrderedDict[str, Ground] = OrderedDict()
        self._most, self._corners = most_corners, 0

    def get(self, revision: str) -> Ground | None:
        """What judges for this revision, if it is known."""
        found = self._known.get(revision)
        if found is not None:
            self._known.move_to_end(revision)
        return found

    def put(self, revision: str, ground: Ground) -> None:
        """Keeps it, and forgets what was used longest ago where there is no room."""
        if revision not in self._known:
            self._known[revision] = ground
            self._corners += _size(ground)
        while self._corners > self._most and len(self._known) > 1:
            _, oldest = self._known.popitem(last=False)
            self._corners -= _size(oldest)


_grounds: Final = Grounds()


async def grounds(tx: Tx, zone_ids: Collection[str]) -> dict[str, Ground]:
    """What judges for these zones. One that is not there any more holds nothing, so that nobody's limits ever
    fall away unseen."""
    if not zone_ids:
        return {}
    ids = sorted(set(zone_ids))
    revisions = {row.zone_id: row.revision for row in await fetch(tx, _REVISIONS, _named(tx, ids))}
    missing = [zone_id for zone_id, revision in revisions.items() if _grounds.get(revision) is None]
    fresh = {}
    for zone_id, revision, ground in await _parsed(tx, missing) if missing else ():
        fresh[zone_id] = ground
        _grounds.put(revision, ground)
    known = {zone_id: _grounds.get(revision) or fresh.get(zone_id) for zone_id, revision in revisions.items()}
    return {zone_id: known.get(zone_id) or NOTHING for zone_id in ids}


async def _parsed(tx: Tx, zone_ids: Collection[str]) -> list[tuple[str, str, Ground]]:
    """Id, revision and ground of these zones. A large area takes milliseconds, in which others go on."""
    rows = await fetch(tx, _READ, _named(tx, zone_ids))
    return await to_thread(lambda: [(row.zone_id, row.revision, _ground(row)) for row in rows])


async def read(tx: Tx, zone_ids: Collection[str]) -> dict[str, Zone]:
    """Those of these ids that there are, as told."""
    rows = await fetch(tx, _READ, _named(tx, zone_ids))
    return await to_thread(lambda: {row.zone_id: _zone(row) for row in rows})


async def sizes(tx: Tx, after: str, rows: int) -> dict[str, int]:
    """Ids of at most `rows` zones greater than `after`, in order, with their corners or postcodes."""
    params = {"tenant": tx.tenant, "after": after, "rows": rows}
    return {row.zone_id: row.weight for row in await fetch(tx, _SIZES, params)}


async def sizes_near(tx: Tx, place: int, postcode: str) -> dict[str, int]:
    """The same of all zones that may hold a place: by its postcode, or since it lies in the area's box."""
    point = LatLng.from_key(place)
    params = {"tenant": tx.tenant, "postcode": postcode, "lat": point.lat, "lng": point.lng}
    return {row.zone_id: row.weight for row in await fetch(tx, _SIZES_NEAR, params)}


async def lock(tx: Tx, zone_ids: Collection[str]) -> set[str]:
    """Those of these ids that there are; nobody changes, assigns or deletes them meanwhile."""
    return {row.zone_id for row in await fetch(tx, _LOCK, _named(tx, zone_ids))}


async def put(tx: Tx, zone: Zone) -> None:
    """Makes or replaces it. Raises InvalidInput naming the polygon whose rings cross, AlreadyExists for the
    name of another zone."""
    texts = await to_thread(lambda: [_rings(polygon) for polygon in zone.polygons])
    await _check(tx, texts)
    values = {
        "tenant_id": tx.tenant,
        "zone_id": zone.zone_id,
        "name": zone.name,
        "revision": new_id("rev"),
        "area": f"SRID=4326;MULTIPOLYGON({','.join(texts)})" if texts else None,
        "postcodes": list(zone.postcodes) or None,
        "band_seconds": zone.band,
    }
    await tx.run(_PUT, values)


async def remove(tx: Tx, zone_id: str) -> None:
    """Takes it away; it is locked, and no agent has it."""
    await tx.run(delete(zones).where(zones.c.tenant_id == tx.tenant, zones.c.zone_id == zone_id))


async def _check(tx: Tx, polygons: Sequence[str]) -> None:
    """Raises InvalidInput naming the polygon at fault, or all of them where two overlap."""
    if not polygons:
        return
    whole = f"MULTIPOLYGON({','.join(polygons)})"
    texts = [*(f"POLYGON{rings}" for rings in polygons), whole]
    fault = await fetch_one(tx, _FAULT, {"texts": texts})
    if fault is None:
        return
    where = f" at latitude {fault.latitude:.6f}, longitude {fault.longitude:.6f}"
    message = f"is no valid area: {fault.reason.lower()}{where if fault.latitude is not None else ''}"
    alone = f"polygons[{fault.number - 1}]" if fault.number <= len(polygons) else "polygons"
    raise InvalidInput(Reason.INVALID_FIELD, message, field=f"area.{alone}")


def _rings(polygon: Sequence[Ring]) -> str:
    """ "((lng lat, …), …)" of a polygon."""
    return f"({','.join('(' + ','.join(map(_corner, ring)) + ')' for ring in polygon)})"


def _corner(corner: tuple[int, int]) -> str:
    return f"{corner[0] / _MILLION:.6f} {corner[1] / _MILLION:.6f}"


def _zone(row: Any) -> Zone:
    return Zone(
        zone_id=row.zone_id,
        name=row.name,
        polygons=() if row.area is None else _polygons(row.area),
        postcodes=tuple(row.postcodes or ()),
        band=row.band_seconds,
    )


def _ground(row: Any) -> Ground:
    return Ground(
        area=None if row.area is None else Area.of(_polygons(row.area)),
        postcodes=frozenset(row.postcodes or ()),
        band=row.band_seconds,
    )


def _polygons(binary: bytes) -> Polygons:
    return tuple(tuple(_read_rings(polygon)) for polygon in shapely.from_wkb(bytes(binary)).geoms)


def _read_rings(polygon: Any) -> Iterator[Ring]:
    for ring in (polygon.exterior, *polygon.interiors):
        corners = np.rint(shapely.get_coordinates(ring) * _MILLION).astype(np.int64)
        yield tuple(zip(corners[:, 0].tolist(), corners[:, 1].tolist(), strict=True))


def _size(ground: Ground) -> int:
    return (ground.area.corners if ground.area else 0) + len(ground.postcodes) + 1


def _named(tx: Tx, zone_ids: Collection[str]) -> dict[str, Any]:
    return {"tenant": tx.tenant, "ids": list(zone_ids)}
