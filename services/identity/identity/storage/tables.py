"""The tables of schema identity, as all migrations together leave them; and the sandbox's, written from here.

Row-level security is forced on each. `tenants`, `branches`, `users`, `grants` and `parameters` show a
transaction the rows of its tenant. Sign-in knows an e-mail address and no tenant yet, so `logins` and
`sign_in_failures` have a policy of their own: a transaction sees the one row whose digest it has put into the
setting `giro.login`, and nothing without it. So the application's role can check an address that it was given
and cannot list any. A SECURITY DEFINER function would have needed an owner whom FORCE does not bind.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    func,
)

from kit.db.tables import kit_tables

SCHEMA = "identity"

metadata = MetaData()
kit = kit_tables(metadata, SCHEMA)

tenants = Table(
    "tenants",
    metadata,
    Column("tenant_id", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("time_zone", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    PrimaryKeyConstraint("tenant_id", name="tenants_pkey"),
    schema=SCHEMA,
)

branches = Table(
    "branches",
    metadata,
    Column("tenant_id", Text, nullable=False),
    Column("branch_id", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    PrimaryKeyConstraint("tenant_id", "branch_id", name="branches_pkey"),
    ForeignKeyConstraint(["tenant_id"], [f"{SCHEMA}.tenants.tenant_id"], name="branches_tenant_fkey"),
    schema=SCHEMA,
)

users = Table(
    "users",
    metadata,
    Column("tenant_id", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    # byte order, so that pages are the same whatever the cluster's locale
    Column("email", Text(collation="C"), nullable=False),
    Column("display_name", Text, nullable=False),
    Column("agent_id", Text, nullable=False, server_default=""),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    PrimaryKeyConstraint("tenant_id", "user_id", name="users_pkey"),
    UniqueConstraint("tenant_id", "email", name="users_email_key"),
    CheckConstraint("email = lower(email)", name="users_email_lower"),
    ForeignKeyConstraint(["tenant_id"], [f"{SCHEMA}.tenants.tenant_id"], name="users_tenant_fkey"),
    schema=SCHEMA,
)

grants = Table(
    "grants",
    metadata,
    Column("tenant_id", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("scope_id", Text, nullable=False, server_default=""),
    PrimaryKeyConstraint("tenant_id", "user_id", "role", "scope_id", name="grants_pkey"),
    ForeignKeyConstraint(
        ["tenant_id", "user_id"],
        [f"{SCHEMA}.users.tenant_id", f"{SCHEMA}.users.user_id"],
        name="grants_user_fkey",
    ),
    schema=SCHEMA,
)

parameters = Table(
    "parameters",
    metadata,
    Column("tenant_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("value", Text, nullable=False),
    PrimaryKeyConstraint("tenant_id", "name", name="parameters_pkey"),
    ForeignKeyConstraint(["tenant_id"], [f"{SCHEMA}.tenants.tenant_id"], name="parameters_tenant_fkey"),
    schema=SCHEMA,
)

logins = Table(
    "logins",
    metadata,
    # SHA-256 of the address, in hex: one login per address over all tenants
    Column("digest", Text, nullable=False),
    Column("tenant_id", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    PrimaryKeyConstraint("digest", name="logins_pkey"),
    UniqueConstraint("tenant_id", "user_id", name="logins_user_key"),
    ForeignKeyConstraint(
        ["tenant_id", "user_id"],
        [f"{SCHEMA}.users.tenant_id", f"{SCHEMA}.users.user_id"],
        name="logins_user_fkey",
    ),
    schema=SCHEMA,
)

sign_in_failures = Table(
    "sign_in_failures",
    metadata,
    # no tenant: unknown addresses are counted like known ones
    Column("digest", Text, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("since", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("digest", name="sign_in_failures_pkey"),
    schema=SCHEMA,
)

test_clocks = Table(
    "test_clocks",
    MetaData(),  # the kit's bootstrap makes it
    Column("tenant_id", Text, nullable=False, primary_key=True),
    Column("offset_seconds", BigInteger, nullable=False),
    schema="sandbox",
)
