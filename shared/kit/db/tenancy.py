"""Helpers for migrations: tables that only show a tenant its own rows, and the kit's own tables.

def upgrade() -> None:
    create_kit_tables(op, "booking")
    op.create_table("appointments", ..., schema="booking")
    enable_tenancy(op, "booking", "appointments")
    show_to_worker(op, "booking", "appointments", ["tenant_id", "id", "state", "due_at"])
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import MetaData

from kit.db.roles import TENANT_IS_MINE, roles_of
from kit.db.tables import kit_tables

_OUTBOX_COLUMNS = ("id", "tenant_id", "event_id", "subject", "entity_id", "headers", "payload", "created_at")


def enable_tenancy(op: Any, schema: str, table: str, *, append_only: bool = False) -> None:
    """Forces row-level security by tenant on a table and lets the application's role use it.

    With `append_only` the application may read and insert, not update or delete.
    """
    app = roles_of(schema).app
    rights = "SELECT, INSERT" if append_only else "SELECT, INSERT, UPDATE, DELETE"
    op.execute(f"ALTER TABLE {schema}.{table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {schema}.{table} FORCE ROW LEVEL SECURITY")
    mine = f"USING ({TENANT_IS_MINE}) WITH CHECK ({TENANT_IS_MINE})"
    op.execute(f"CREATE POLICY tenant ON {schema}.{table} TO {app} {mine}")
    op.execute(f"GRANT {rights} ON {schema}.{table} TO {app}")


def show_to_worker(op: Any, schema: str, table: str, columns: Sequence[str]) -> None:
    """Lets the worker's role read these columns of all tenants' rows, to find what is due."""
    worker = roles_of(schema).worker
    op.execute(f"CREATE POLICY worker_reads ON {schema}.{table} FOR SELECT TO {worker} USING (true)")
    op.execute(f"GRANT SELECT ({', '.join(columns)}) ON {schema}.{table} TO {worker}")


def let_worker_delete(op: Any, schema: str, table: str) -> None:
    """Lets the worker's role delete rows of all tenants; for queues and what is past its retention."""
    worker = roles_of(schema).worker
    op.execute(f"CREATE POLICY worker_deletes ON {schema}.{table} FOR DELETE TO {worker} USING (true)")
    op.execute(f"GRANT DELETE ON {schema}.{table} TO {worker}")


def create_kit_tables(op: Any, schema: str) -> None:
    """Creates claims, outbox and dead_letters with their rights; a service's first migration calls it."""
    roles = roles_of(schema)
    metadata = MetaData()
    kit_tables(metadata, schema)
    metadata.create_all(op.get_bind())
    op.execute(f"GRANT USAGE ON SCHEMA {schema} TO {roles.app}, {roles.worker}")
    for table in ("claims", "outbox", "dead_letters"):
        enable_tenancy(op, schema, table)
    show_to_worker(op, schema, "claims", ["tenant_id", "key", "created_at"])
    let_worker_delete(op, schema, "claims")
    show_to_worker(op, schema, "outbox", _OUTBOX_COLUMNS)
    let_worker_delete(op, schema, "outbox")
    show_to_worker(op, schema, "dead_letters", ["tenant_id", "durable", "event_id", "created_at"])
