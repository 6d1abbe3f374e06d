"""The tables of travel data: the tenants' own matrices, and the pairs they put at risk (R-089)."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)

from geo.storage.tables import metadata

matrix_versions: Final = Table(
    "matrix_versions",
    metadata,
    Column("tenant_id", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("entries", Integer, nullable=False),
    Column("checked", Boolean, nullable=False, server_default=text("false")),
    PrimaryKeyConstraint("tenant_id", "version", name="matrix_versions_pkey"),
    schema="geo",
)
"""The highest version is in force; `checked` once its at-risk pairs are written."""

matrix_entries: Final = Table(
    "matrix_entries",
    metadata,
    Column("tenant_id", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("from_place", BigInteger, nullable=False),
    Column("to_place", BigInteger, nullable=False),
    Column("seconds", Integer),
    Column("metres", Integer, nullable=False),
    PrimaryKeyConstraint("tenant_id", "version", "from_place", "to_place", name="matrix_entries_pkey"),
    ForeignKeyConstraint(
        ["tenant_id", "version"],
        ["geo.matrix_versions.tenant_id", "geo.matrix_versions.version"],
        name="matrix_entries_version",
    ),
    CheckConstraint("seconds >= 0 AND metres >= 0", name="matrix_entries_amounts"),
    schema="geo",
)
"""Entries of the version in force; older ones are deleted. No seconds: no way."""

at_risk: Final = Table(
    "at_risk",
    metadata,
    Column("tenant_id", Text, nullable=False),
    Column("travel_version", Text, nullable=False),
    Column("agent_id", Text, nullable=False),
    Column("earlier_stop_id", Text, nullable=False),
    Column("later_stop_id", Text, nullable=False),
    Column("seconds", Integer),
    Column("metres", Integer),
    Column("source", Text),
    Column("short_seconds", Integer, nullable=False),
    PrimaryKeyConstraint(
        "tenant_id", "travel_version", "agent_id", "earlier_stop_id", "later_stop_id", name="at_risk_pkey"
    ),
    CheckConstraint("num_nulls(seconds, metres, source) IN (0, 3)", name="at_risk_leg"),
    schema="geo",
)
"""One row a pair and version of the travel data, with what that version says of the drive."""
