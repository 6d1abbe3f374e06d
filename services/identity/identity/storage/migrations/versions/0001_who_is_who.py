"""Tenants, branches, users, grants, logins, and how often sign-in failed."""

import sqlalchemy as sa
from alembic import op

from kit.db.roles import roles_of
from kit.db.tenancy import create_kit_tables, enable_tenancy

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SCHEMA = "identity"
APP = roles_of(SCHEMA).app
WORKER = roles_of(SCHEMA).worker
LOGIN_IS_NAMED = "digest = nullif(current_setting('giro.login', true), '')"
TENANT_IS_MINE = "tenant_id = nullif(current_setting('giro.tenant', true), '')"


def upgrade() -> None:
    create_kit_tables(op, SCHEMA)
    create_tenants()
    create_branches()
    create_users()
    create_grants()
    for table in ("tenants", "branches", "users", "grants"):
        enable_tenancy(op, SCHEMA, table)
    create_logins()
    create_sign_in_failures()
    protect_logins()
    protect_sign_in_failures()


def create_tenants() -> None:
    op.create_table(
        "tenants",
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("time_zone", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("tenant_id", name="tenants_pkey"),
        schema=SCHEMA,
    )


def create_branches() -> None:
    op.create_table(
        "branches",
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("branch_id", sa.Text, nullable=False),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "branch_id", name="branches_pkey"),
        sa.ForeignKeyConstraint(["tenant_id"], [f"{SCHEMA}.tenants.tenant_id"], name="branches_tenant_fkey"),
        schema=SCHEMA,
    )


def create_users() -> None:
    op.create_table(
        "users",
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("email", sa.Text(collation="C"), nullable=False),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("agent_id", sa.Text, nullable=False, server_default=""),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("tenant_id", "user_id", name="users_pkey"),
        sa.UniqueConstraint("tenant_id", "email", name="users_email_key"),
        sa.CheckConstraint("email = lower(email)", name="users_email_lower"),
        sa.ForeignKeyConstraint(["tenant_id"], [f"{SCHEMA}.tenants.tenant_id"], name="users_tenant_fkey"),
        schema=SCHEMA,
    )


def create_grants() -> None:
    op.create_table(
        "grants",
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("scope_id", sa.Text, nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("tenant_id", "user_id", "role", "scope_id", name="grants_pkey"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"],
            [f"{SCHEMA}.users.tenant_id", f"{SCHEMA}.users.user_id"],
            name="grants_user_fkey",
        ),
        schema=SCHEMA,
    )


def create_logins() -> None:
    op.create_table(
        "logins",
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("password_hash", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="logins_pkey"),
        sa.UniqueConstraint("tenant_id", "user_id", name="logins_user_key"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"],
            [f"{SCHEMA}.users.tenant_id", f"{SCHEMA}.users.user_id"],
            name="logins_user_fkey",
        ),
        schema=SCHEMA,
    )


def create_sign_in_failures() -> None:
    op.create_table(
        "sign_in_failures",
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="sign_in_failures_pkey"),
        schema=SCHEMA,
    )


def protect_logins() -> None:
    """Readable one at a time, by whoever names its address; written by its tenant."""
    force_row_level_security("logins")
    op.execute(f"CREATE POLICY named ON {SCHEMA}.logins FOR SELECT TO {APP} USING ({LOGIN_IS_NAMED})")
    op.execute(f"CREATE POLICY tenant ON {SCHEMA}.logins FOR INSERT TO {APP} WITH CHECK ({TENANT_IS_MINE})")
    op.execute(f"GRANT SELECT, INSERT ON {SCHEMA}.logins TO {APP}")


def protect_sign_in_failures() -> None:
    """Readable and writable one at a time, by whoever names the address; the worker clears old ones."""
    table = f"{SCHEMA}.sign_in_failures"
    force_row_level_security("sign_in_failures")
    op.execute(
        f"CREATE POLICY named ON {table} TO {APP} USING ({LOGIN_IS_NAMED}) WITH CHECK ({LOGIN_IS_NAMED})"
    )
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {APP}")
    op.execute(f"CREATE POLICY worker_clears ON {table} TO {WORKER} USING (true)")
    op.execute(f"GRANT SELECT (since), DELETE ON {table} TO {WORKER}")


def force_row_level_security(table: str) -> None:
    op.execute(f"ALTER TABLE {SCHEMA}.{table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {SCHEMA}.{table} FORCE ROW LEVEL SECURITY")
