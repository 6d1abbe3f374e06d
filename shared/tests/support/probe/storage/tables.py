"""The probe's tables."""

from sqlalchemy import CheckConstraint, Column, Integer, MetaData, PrimaryKeyConstraint, Table, Text

from kit.db.tables import kit_tables

metadata = MetaData()
kit = kit_tables(metadata, "probe")

things = Table(
    "things",
    metadata,
    Column("tenant_id", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("n", Integer, nullable=False, server_default="0"),
    PrimaryKeyConstraint("tenant_id", "id", name="things_pkey"),
    CheckConstraint("n >= 0", name="things_n_not_negative"),
    schema="probe",
)
