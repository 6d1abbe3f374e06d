"""The table of zones (R-090)."""

from typing import Any, Final

from sqlalchemy import (
    BindParameter,
    CheckConstraint,
    Column,
    ColumnElement,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    func,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import UserDefinedType

from geo.storage.tables import metadata


class Polygons(UserDefinedType[str]):
    """PostGIS's polygons in degrees, written as extended well-known text.

    GeoAlchemy says this too, and has every process that imports it make a class for each of PostGIS's
    functions and load the dialects of other databases: a sixth of what geo takes to start.
    """

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """The column's type."""
        return "geometry(MULTIPOLYGON,4326)"

    def bind_expression(self, bindvalue: BindParameter[str]) -> ColumnElement[str]:
        """A value is text that PostGIS reads."""
        return func.ST_GeomFromEWKT(bindvalue, type_=self)


zones: Final = Table(
    "zones",
    metadata,
    Column("tenant_id", Text, nullable=False),
    Column("zone_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("revision", Text, nullable=False),
    # no spatial index: zones are judged in memory, and every index of geo is a B-tree (ADR 0013)
    Column("area", Polygons),
    Column("postcodes", ARRAY(Text)),
    Column("band_seconds", Integer),
    PrimaryKeyConstraint("tenant_id", "zone_id", name="zones_pkey"),
    UniqueConstraint("tenant_id", "name", name="zones_name"),
    CheckConstraint("num_nonnulls(area, postcodes, band_seconds) = 1", name="zones_one_kind"),
    CheckConstraint(
        "ST_IsValid(area) AND NOT ST_IsEmpty(area) AND cardinality(postcodes) > 0 AND band_seconds > 0",
        name="zones_valid",
    ),
    schema="geo",
)
"""`revision` is another one after every change: what is kept in memory goes by it."""
