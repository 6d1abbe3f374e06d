"""An offer is written before the ledger is asked, and one entry a person waits in a campaign.

`held`: the ledger may still keep the offer's hold; an opening has one such offer at most, in whatever state.
What stood before keeps its hold until that expires, so it counts as held while it stands.
"""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_TABLES = ("offers", "waitlist_entries")


def upgrade() -> None:
    """Who joined more than once stays with one entry: the one with an offer, else the first."""
    for table in _TABLES:
        op.execute(f"ALTER TABLE booking.{table} NO FORCE ROW LEVEL SECURITY")
    op.execute(
        """
        ALTER TABLE booking.offers
            ADD COLUMN tries integer NOT NULL DEFAULT 1,
            ADD COLUMN held boolean NOT NULL DEFAULT false,
            DROP CONSTRAINT offers_once,
            DROP CONSTRAINT offers_state,
            ADD CONSTRAINT offers_state
                CHECK (state IN ('HOLDING', 'OFFERED', 'ACCEPTED', 'PASSED', 'UNFIT', 'REFUSED')),
            ADD CONSTRAINT offers_claimed CHECK (claim_key IS NULL OR state <> 'HOLDING')
        """
    )
    op.execute(
        "CREATE UNIQUE INDEX offers_once ON booking.offers (tenant_id, opening_id, entry_id)"
        " WHERE state <> 'REFUSED'"
    )
    op.execute("UPDATE booking.offers SET held = true WHERE state = 'OFFERED'")
    op.execute("UPDATE booking.offers SET state = 'UNFIT' WHERE state = 'PASSED' AND hold_id = ''")
    op.execute(
        "ALTER TABLE booking.offers ADD CONSTRAINT offers_standing_held"
        " CHECK (held OR state NOT IN ('HOLDING', 'OFFERED'))"
    )
    for column, standing in (("opening_id", "held"), ("entry_id", "state IN ('HOLDING', 'OFFERED')")):
        op.execute(f"DROP INDEX booking.offers_one_standing_{column}")
        op.execute(
            f"CREATE UNIQUE INDEX offers_one_standing_{column} ON booking.offers (tenant_id, {column})"
            f" WHERE {standing}"
        )
    _keep_one_entry_a_person()
    for table in _TABLES:
        op.execute(f"ALTER TABLE booking.{table} FORCE ROW LEVEL SECURITY")


def _keep_one_entry_a_person() -> None:
    op.execute(
        """
        UPDATE booking.waitlist_entries e SET state = 'LEFT'
        FROM (SELECT tenant_id, entry_id,
                     row_number() OVER (PARTITION BY tenant_id, campaign_id, contact_id
                                        ORDER BY state = 'OFFERED' DESC, joined_at, entry_id) AS place
              FROM booking.waitlist_entries WHERE state IN ('WAITING', 'OFFERED')) ranked
        WHERE ranked.place > 1 AND e.tenant_id = ranked.tenant_id AND e.entry_id = ranked.entry_id
        """
    )
    op.execute(
        "CREATE UNIQUE INDEX waitlist_entries_one_a_person ON booking.waitlist_entries"
        " (tenant_id, campaign_id, contact_id) WHERE state IN ('WAITING', 'OFFERED')"
    )
