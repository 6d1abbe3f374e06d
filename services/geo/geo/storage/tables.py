"""The tables of geo. Every key begins with the tenant; a migration makes the same, and a test compares both.

`stops` holds what occupies time and nothing else; history lives with the owners. Its constraints alone keep
the travel guarantee (R-087): each stop has at most one successor, each agent one head, the copied figures of
the stop before and of the leg are tied to their rows, and a start leaves time for the drive.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP

from kit.db.tables import kit_tables

metadata: Final = MetaData()
kit: Final = kit_tables(metadata, "geo")

_SECONDS: Final = TIMESTAMP(timezone=True, precision=0)

agents: Final = Table(
    "agents",
    metadata,
    Column("tenant_id", Text, nullable=False),
    Column("agent_id", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("skills", ARRAY(Text), nullable=False),
    Column("buffer_seconds", Integer, nullable=False),
    Column("time_zone", Text, nullable=False),
    Column("calendar", JSONB, nullable=False),
    Column("agenda_version", BigInteger, nullable=False, server_default=text("0")),
    Column("zone_ids", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("limits", JSONB, nullable=False, server_default=text("'{}'")),
    Column("travel_mode", Text, nullable=False, server_default=text("'car'")),
    PrimaryKeyConstraint("tenant_id", "agent_id", name="agents_pkey"),
    CheckConstraint("buffer_seconds >= 0", name="agents_buffer"),
    CheckConstraint("travel_mode IN ('car', 'bicycle', 'foot')", name="agents_travel_mode"),
    schema="geo",
)
"""`agenda_version` counts the writes of the agenda; its row is the lock that serialises them.

`limits` are the parameters set for this agent alone, JSON texts by name.
"""

legs: Final = Table(
    "legs",
    metadata,
    Column("tenant_id", Text, nullable=False),
    Column("from_place", BigInteger, nullable=False),
    Column("to_place", BigInteger, nullable=False),
    Column("version", Text, nullable=False),
    Column("via", Boolean, nullable=False),
    Column("seconds", Integer, nullable=False),
    Column("free_seconds", Integer, nullable=False),
    Column("metres", Integer, nullable=False),
    Column("source", Text, nullable=False),
    PrimaryKeyConstraint(
        "tenant_id", "from_place", "to_place", "version", "via", "seconds", "free_seconds", name="legs_pkey"
    ),
    CheckConstraint("seconds >= 0 AND metres >= 0 AND free_seconds >= 0", name="legs_amounts"),
    schema="geo",
)
"""Every drive that was ever promised; the application may add rows and never change them. `free_seconds` are
those at free flow: others than `seconds` where a profile of the week makes it another time at each hour."""

stops: Final = Table(
    "stops",
    metadata,
    Column("tenant_id", Text, nullable=False),
    Column("agent_id", Text, nullable=False),
    Column("stop_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("starts_at", _SECONDS, nullable=False),
    Column("ends_at", _SECONDS, nullable=False),
    Column("place", BigInteger, nullable=False),
    Column("buffer_seconds", Integer, nullable=False),
    Column("owner_id", Text),
    Column("expires_at", _SECONDS),
    Column("context", Text, nullable=False, server_default=text("''")),
    Column("prev_id", Text),
    Column("prev_ends_at", _SECONDS),
    Column("prev_place", BigInteger),
    Column("leg_seconds", Integer),
    Column("leg_free_seconds", Integer),
    Column("leg_version", Text),
    Column("leg_via", Boolean),
    Column("arrives_from", _SECONDS),
    Column("arrives_until", _SECONDS),
    PrimaryKeyConstraint("tenant_id", "agent_id", "stop_id", name="stops_pkey"),
    ForeignKeyConstraint(
        ["tenant_id", "agent_id"], ["geo.agents.tenant_id", "geo.agents.agent_id"], name="stops_agent"
    ),
    UniqueConstraint("tenant_id", "agent_id", "stop_id", "ends_at", "place", name="stops_linkable"),
    UniqueConstraint(
        "tenant_id",
        "agent_id",
        "prev_id",
        name="stops_one_successor",
        postgresql_nulls_not_distinct=True,
        deferrable=True,
        initially="DEFERRED",
    ),
    ForeignKeyConstraint(
        ["tenant_id", "agent_id", "prev_id", "prev_ends_at", "prev_place"],
        [
            "geo.stops.tenant_id",
            "geo.stops.agent_id",
            "geo.stops.stop_id",
            "geo.stops.ends_at",
            "geo.stops.place",
        ],
        name="stops_previous",
        deferrable=True,
        initially="DEFERRED",
    ),
    ForeignKeyConstraint(
        ["tenant_id", "prev_place", "place", "leg_version", "leg_via", "leg_seconds", "leg_free_seconds"],
        [
            "geo.legs.tenant_id",
            "geo.legs.from_place",
            "geo.legs.to_place",
            "geo.legs.version",
            "geo.legs.via",
            "geo.legs.seconds",
            "geo.legs.free_seconds",
        ],
        name="stops_leg",
    ),
    UniqueConstraint("tenant_id", "owner_id", name="stops_owner", deferrable=True, initially="DEFERRED"),
    CheckConstraint("ends_at > starts_at", name="stops_last"),
    CheckConstraint(
        "num_nulls(prev_id, prev_ends_at, prev_place, leg_seconds, leg_free_seconds, leg_version, leg_via)"
        " IN (0, 7)",
        name="stops_link_whole",
    ),
    CheckConstraint(
        "prev_id IS NULL OR "
        "extract(epoch FROM starts_at - prev_ends_at) >= (leg_seconds + buffer_seconds)::numeric",
        name="stops_reachable",
    ),
    CheckConstraint("buffer_seconds >= 0", name="stops_buffer"),
    CheckConstraint("kind NOT IN ('APPOINTMENT', 'HOLD') OR place >= 0", name="stops_visit_place"),
    CheckConstraint(
        "(kind IN ('APPOINTMENT', 'HOLD', 'ABSENCE')) = (owner_id IS NOT NULL)", name="stops_owned"
    ),
    CheckConstraint(
        "(arrives_from IS NULL) = (arrives_until IS NULL)"
        " AND (arrives_from IS NULL OR starts_at BETWEEN arrives_from AND arrives_until)",
        name="stops_arrival",
    ),
    CheckConstraint("(kind = 'HOLD') = (expires_at IS NOT NULL)", name="stops_expiry"),
    Index("stops_time", "tenant_id", "agent_id", "starts_at"),
    Index("stops_due", "expires_at", postgresql_where=text("expires_at IS NOT NULL")),
    schema="geo",
)

owners: Final = Table(
    "owners",
    metadata,
    Column("tenant_id", Text, nullable=False),
    Column("owner_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("outcome", Text),
    Column("agent_id", Text),
    Column("request", JSONB),
    Column("plan", JSONB),
    Column("answer", JSONB),
    PrimaryKeyConstraint("tenant_id", "owner_id", name="owners_pkey"),
    CheckConstraint("state IN ('ACTIVE', 'SETTLED')", name="owners_state"),
    CheckConstraint("kind IN ('APPOINTMENT', 'HOLD', 'ABSENCE')", name="owners_kind"),
    CheckConstraint("state = 'SETTLED' OR agent_id IS NOT NULL", name="owners_agent"),
    schema="geo",
)
"""Who took time, for ever: a settled row is the tombstone that refuses what comes late.

`request` and `answer` are the first call and what it was told; `plan` is what is taken now.
"""

moves: Final = Table(
    "moves",
    metadata,
    Column("tenant_id", Text, nullable=False),
    Column("move_id", Text, nullable=False),
    Column("appointment_id", Text),
    Column("outcome", Text, nullable=False),
    Column("request", JSONB),
    Column("answer", JSONB),
    PrimaryKeyConstraint("tenant_id", "move_id", name="moves_pkey"),
    CheckConstraint("outcome IN ('APPLIED', 'ABANDONED')", name="moves_outcome"),
    schema="geo",
)
