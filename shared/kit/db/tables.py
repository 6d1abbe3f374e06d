"""The tables that every service's schema has: claims, outbox, dead letters; and the sandbox's test clocks."""

from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB


@dataclass(frozen=True, slots=True)
class KitTables:
    """The kit's tables in one schema."""

    claims: Table
    """One row per `request_id` or event that took effect, with the first answer."""
    outbox: Table
    """Events that are committed and not yet with NATS, in the order they were written."""
    dead_letters: Table
    """Events that a consumer gave up on, with their bytes."""


def kit_tables(metadata: MetaData, schema: str) -> KitTables:
    """Adds the kit's tables to a service's metadata; its `tables.py` calls this once."""
    return KitTables(_claims(metadata, schema), _outbox(metadata, schema), _dead_letters(metadata, schema))


def _claims(metadata: MetaData, schema: str) -> Table:
    return Table(
        "claims",
        metadata,
        Column("tenant_id", Text, nullable=False),
        Column("key", Text, nullable=False),
        Column("body_hash", LargeBinary, nullable=False),
        Column("ref", Text),
        Column("answer", LargeBinary),
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        PrimaryKeyConstraint("tenant_id", "key", name="claims_pkey"),
        Index("claims_created_at", "created_at"),
        schema=schema,
    )


def _outbox(metadata: MetaData, schema: str) -> Table:
    return Table(
        "outbox",
        metadata,
        Column("id", BigInteger, Identity(always=True), nullable=False),
        Column("tenant_id", Text, nullable=False),
        Column("event_id", Text, nullable=False),
        Column("subject", Text, nullable=False),
        Column("entity_id", Text, nullable=False),
        Column("headers", JSONB, nullable=False),
        Column("payload", LargeBinary, nullable=False),
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        PrimaryKeyConstraint("id", name="outbox_pkey"),
        schema=schema,
    )


def _dead_letters(metadata: MetaData, schema: str) -> Table:
    return Table(
        "dead_letters",
        metadata,
        Column("tenant_id", Text, nullable=False),
        Column("durable", Text, nullable=False),
        Column("event_id", Text, nullable=False),
        Column("subject", Text, nullable=False),
        Column("headers", JSONB, nullable=False),
        Column("payload", LargeBinary, nullable=False),
        Column("reason", Text, nullable=False),
        Column("deliveries", Integer, nullable=False),
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        PrimaryKeyConstraint("tenant_id", "durable", "event_id", name="dead_letters_pkey"),
        schema=schema,
    )
