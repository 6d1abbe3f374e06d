"""The tables of travel data: the tenants' own matrices, and the pairs they put at risk (R-089)."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from geo.storage.tables import metadata

matrix_versions: Final = Table(
    "matrix_versions",
    metadata,
    Column("tenant_id", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("entries", Integer, nullable=False),
    Column("profile", JSONB(none_as_null=True)),
    PrimaryKeyConstraint("tenant_id", "version", name="matrix_versions_pkey"),
    schema="geo",
)
"""The highest version is in force. `profile` are the cars' speeds of the week, if there are any. Rows stay,
since legs name them."""

matrix_entries: Final = Table(
    "matrix_entries",
    metadata,
    Column("tenant_id", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("travel_mode", Text, nullable=False, server_default=text("'car'")),
    Column("from_place", BigInteger, nullable=False),
    Column("to_place", BigInteger, nullable=False),
    Column("seconds", Integer),
    Column("metres", Integer, nullable=False),
    PrimaryKeyConstraint(
        "tenant_id", "version", "travel_mode", "from_place", "to_place", name="matrix_entries_pkey"
    ),
    ForeignKeyConstraint(
        ["tenant_id", "version"],
        ["geo.matrix_versions.tenant_id", "geo.matrix_versions.version"],
        name="matrix_entries_version",
    ),
    CheckConstraint("seconds >= 0 AND metres >= 0", name="matrix_entries_amounts"),
    CheckConstraint("travel_mode IN ('car', 'bicycle', 'foot')", name="matrix_entries_travel_mode"),
    schema="geo",
)
"""Entries of the version in force, of each way to travel; older ones are deleted. No seconds: no way."""

checked_versions: Final = Table(
    "checked_versions",
    metadata,
    Column("tenant_id", Text, nullable=False),
    Column("travel_mode", Text, nullable=False, server_default=text("'car'")),
    Column("travel_version", Text, nullable=False),
    PrimaryKeyConstraint("tenant_id", "travel_mode", name="checked_versions_pkey"),
    schema="geo",
)
"""The version of each mode's travel data, of roads and matrix together, that all promises were held against
last; those of `unheld_agendas` have to be held against it once more."""

unheld_agendas: Final = Table(
    "unheld_agendas",
    metadata,
    Column("tenant_id", Text, nullable=False),
    Column("agent_id", Text, nullable=False),
    PrimaryKeyConstraint("tenant_id", "agent_id", name="unheld_agendas_pkey"),
    ForeignKeyConstraint(
        ["tenant_id", "agent_id"],
        ["geo.agents.tenant_id", "geo.agents.agent_id"],
        name="unheld_agendas_agent",
    ),
    schema="geo",
)
"""Agendas written since by other data than the version that their mode's promises were held against."""

parameters: Final = Table(
    "parameters",
    metadata,
    Column("tenant_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("value", Text, nullable=False),
    PrimaryKeyConstraint("tenant_id", "name", name="parameters_pkey"),
    schema="geo",
)
"""What a tenant has set of `geo.domain.parameters`, as JSON text."""

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
