"""The waiting list: who waits, what has become free, what is offered to whom."""

from alembic import op

from kit.db.tenancy import enable_tenancy, show_to_worker

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_TABLES = (
    """
    CREATE TABLE booking.waitlist_entries (
        tenant_id text NOT NULL,
        entry_id text NOT NULL,
        campaign_id text NOT NULL,
        contact_id text NOT NULL,
        seconds integer NOT NULL,
        not_before timestamptz,
        not_after timestamptz,
        joined_at timestamptz NOT NULL,
        state text NOT NULL DEFAULT 'WAITING',
        CONSTRAINT waitlist_entries_pkey PRIMARY KEY (tenant_id, entry_id),
        CONSTRAINT waitlist_entries_contact FOREIGN KEY (tenant_id, campaign_id, contact_id)
            REFERENCES booking.contacts (tenant_id, campaign_id, contact_id),
        CONSTRAINT waitlist_entries_state CHECK (state IN ('WAITING', 'OFFERED', 'BOOKED', 'LEFT'))
    )
    """,
    """
    CREATE TABLE booking.openings (
        tenant_id text NOT NULL,
        opening_id text NOT NULL,
        campaign_id text NOT NULL,
        agent_id text NOT NULL,
        starts_at timestamptz NOT NULL,
        ends_at timestamptz NOT NULL,
        state text NOT NULL DEFAULT 'OPEN',
        CONSTRAINT openings_pkey PRIMARY KEY (tenant_id, opening_id),
        CONSTRAINT openings_campaign FOREIGN KEY (tenant_id, campaign_id) REFERENCES booking.campaigns,
        CONSTRAINT openings_state CHECK (state IN ('OPEN', 'CLOSED'))
    )
    """,
    """
    CREATE TABLE booking.offers (
        tenant_id text NOT NULL,
        offer_id text NOT NULL,
        opening_id text NOT NULL,
        entry_id text NOT NULL,
        agent_id text NOT NULL,
        starts_at timestamptz NOT NULL,
        ends_at timestamptz NOT NULL,
        hold_id text NOT NULL,
        expires_at timestamptz NOT NULL,
        state text NOT NULL,
        claim_key text,
        CONSTRAINT offers_pkey PRIMARY KEY (tenant_id, offer_id),
        CONSTRAINT offers_once UNIQUE (tenant_id, opening_id, entry_id),
        CONSTRAINT offers_opening FOREIGN KEY (tenant_id, opening_id) REFERENCES booking.openings,
        CONSTRAINT offers_entry FOREIGN KEY (tenant_id, entry_id) REFERENCES booking.waitlist_entries,
        CONSTRAINT offers_state CHECK (state IN ('OFFERED', 'ACCEPTED', 'PASSED'))
    )
    """,
)


def upgrade() -> None:
    """Makes the tables; the database itself keeps an opening, and an entry, to one standing offer."""
    for table in _TABLES:
        op.execute(table)
    op.execute(
        "CREATE INDEX waitlist_entries_in_order ON booking.waitlist_entries"
        " (tenant_id, campaign_id, joined_at, entry_id) WHERE state IN ('WAITING', 'OFFERED')"
    )
    for column in ("opening_id", "entry_id"):
        op.execute(
            f"CREATE UNIQUE INDEX offers_one_standing_{column} ON booking.offers (tenant_id, {column})"
            " WHERE state = 'OFFERED'"
        )
    for name in ("waitlist_entries", "openings", "offers"):
        enable_tenancy(op, "booking", name)
    show_to_worker(op, "booking", "openings", ["tenant_id", "opening_id", "state"])
