"""Packages in steps: what was bought when, what waits to be made up, and how full it is."""

from alembic import op

from kit.db.tenancy import enable_tenancy, show_to_worker

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What is there is in its first step."""
    op.execute(
        "ALTER TABLE booking.campaigns ADD COLUMN step integer NOT NULL DEFAULT 1,"
        " ADD COLUMN to_recover integer NOT NULL DEFAULT 0,"
        " ADD COLUMN recovered integer NOT NULL DEFAULT 0,"
        " ADD COLUMN recovered_on date,"
        " ADD COLUMN level text NOT NULL DEFAULT 'OPEN',"
        " ADD COLUMN package_revision bigint NOT NULL DEFAULT 0,"
        " DROP CONSTRAINT campaigns_package,"
        " ADD CONSTRAINT campaigns_package CHECK (taken + cancelled_in_step + to_recover <= purchased),"
        " ADD CONSTRAINT campaigns_steps CHECK (step >= 1 AND to_recover >= 0 AND recovered >= 0),"
        " ADD CONSTRAINT campaigns_level CHECK (level IN ('OPEN', 'NEARLY_FULL', 'FULL'))"
    )
    op.execute(
        """
        CREATE TABLE booking.package_steps (
            tenant_id text NOT NULL,
            campaign_id text NOT NULL,
            step integer NOT NULL,
            units integer NOT NULL,
            bought_by text NOT NULL DEFAULT '',
            bought_at timestamptz,
            CONSTRAINT package_steps_pkey PRIMARY KEY (tenant_id, campaign_id, step),
            CONSTRAINT package_steps_campaign
                FOREIGN KEY (tenant_id, campaign_id) REFERENCES booking.campaigns,
            CONSTRAINT package_steps_units CHECK (units >= 0)
        )
        """
    )
    op.execute(
        "INSERT INTO booking.package_steps (tenant_id, campaign_id, step, units)"
        " SELECT tenant_id, campaign_id, 1, purchased FROM booking.campaigns"
    )
    enable_tenancy(op, "booking", "package_steps", append_only=True)
    show_to_worker(
        op,
        "booking",
        "campaigns",
        ["tenant_id", "campaign_id", "purchased", "taken", "cancelled_in_step", "to_recover"],
    )
