"""The version that each mode's promises were held against last, and the agendas written by other data since.

Revision ID: 0008
"""

from alembic import op

from kit.db.tenancy import enable_tenancy

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# Whose mode a mark is of was not written: everything is held once more, which tells nothing twice.
FORGET = "TRUNCATE geo.checked_versions"

# A process of the release before goes on without the column, and without its marks of bicycles.
MARKS = """
ALTER TABLE geo.checked_versions
    ADD COLUMN travel_mode text NOT NULL DEFAULT 'car',
    DROP CONSTRAINT checked_versions_pkey,
    ADD CONSTRAINT checked_versions_pkey PRIMARY KEY (tenant_id, travel_mode)
"""

UNHELD = """
CREATE TABLE geo.unheld_agendas (
    tenant_id text NOT NULL,
    agent_id text NOT NULL,
    CONSTRAINT unheld_agendas_pkey PRIMARY KEY (tenant_id, agent_id),
    CONSTRAINT unheld_agendas_agent FOREIGN KEY (tenant_id, agent_id)
        REFERENCES geo.agents (tenant_id, agent_id)
)
"""


def upgrade() -> None:
    """One mark a mode, and the queue."""
    for statement in (FORGET, MARKS, UNHELD):
        op.execute(statement)
    enable_tenancy(op, "geo", "unheld_agendas")


def downgrade() -> None:
    """Everything is held once more."""
    op.execute("DROP TABLE geo.unheld_agendas")
    op.execute(FORGET)
    op.execute(
        "ALTER TABLE geo.checked_versions DROP CONSTRAINT checked_versions_pkey, DROP COLUMN travel_mode,"
        " ADD CONSTRAINT checked_versions_pkey PRIMARY KEY (tenant_id, travel_version)"
    )
