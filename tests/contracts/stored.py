"""All that the services' databases have of one tenant: every table there is, found from the catalog."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import psycopg
from psycopg import sql

OF_NOBODY = {
    "alembic_version": "which migrations ran",
    "sign_in_failures": "attempts by digests of addresses, before anybody is known to be anybody",
}
"""Tables without a tenant, and what is in them."""

PASSING = {
    "outbox": "events leave it by themselves",
    "claims": "consumers note there which events they have heard",
}
"""Tables of every service that are written while nobody asks for anything."""

_TABLES = """
    SELECT n.nspname, c.relname,
           EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id')
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname = ANY (%s)
    ORDER BY 1, 2
"""


@dataclass(frozen=True)
class Snapshot:
    """What a tenant is told that it has, and a digest of its rows by table."""

    told: list[str]
    rows: Mapping[str, str]

    def changed(self, after: "Snapshot") -> list[str]:
        """The tables that are not what they were, and what is told where that is something else."""
        tables = [table for table, digest in after.rows.items() if digest != self.rows[table]]
        return tables if after.told == self.told else [*tables, "what it is told"]


class Stored:
    """The tables of these services' schemas, read as an administrator of the database."""

    def __init__(self, database: str, services: Iterable[str]) -> None:
        self._connection = psycopg.connect(database, autocommit=True)
        found = self._connection.execute(_TABLES, [sorted(services)]).fetchall()
        self.tables = {(schema, table): owned for schema, table, owned in found}
        mine = [name for name, owned in self.tables.items() if owned and name[1] not in PASSING]
        self._all = sql.SQL(" UNION ALL ").join(map(_digest, mine))
        waiting = [_outbox(schema) for schema, table in self.tables if table == "outbox"]
        self._outboxes = sql.SQL(" UNION ALL ").join(waiting)

    def of(self, tenant: str) -> Mapping[str, str]:
        """A digest of the tenant's rows, by table."""
        return dict(self._connection.execute(self._all, {"tenant": tenant}).fetchall())

    def has_left(self, tenant: str) -> bool:
        """Whether all events of the tenant are on their way."""
        return not self._connection.execute(self._outboxes, {"tenant": tenant}).fetchall()

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()


def _digest(name: tuple[str, str]) -> sql.Composed:
    statement = (
        "SELECT {name}, md5(string_agg(md5(CAST(t AS text)), '' ORDER BY md5(CAST(t AS text))))"
        " FROM {table} AS t WHERE tenant_id = %(tenant)s"
    )
    return sql.SQL(statement).format(name=sql.Literal(".".join(name)), table=sql.Identifier(*name))


def _outbox(schema: str) -> sql.Composed:
    statement = "(SELECT 1 FROM {table} WHERE tenant_id = %(tenant)s LIMIT 1)"
    return sql.SQL(statement).format(table=sql.Identifier(schema, "outbox"))
