"""The table of zones (R-090)."""

from typing import Final

from geoalchemy2 import Geometry
from sqlalchemy import CheckConstraint, Column, Integer, PrimaryKeyConstraint, Table, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import ARRAY

from geo.storage.tables import metadata

zones: Final = Table(
    "zones",
    metadata,
    Column("tenant_id", Text, nullable=False),
    Column("zone_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("revision", Text, nullable=False),
    # no spatial index: zones are judged in memory, and every index of geo is a B-tree (ADR 0013)
    Column("area", Geometry("MULTIPOLYGON", srid=4326, spatial_index=False)),
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
