"""The tables as declared and as migrated."""

import psycopg

from geo.storage import tables, travel_tables, zone_tables
from kit.testing.databases import Databases


def test_tables_and_migrations_agree(make_database: Databases) -> None:
    assert travel_tables.metadata is zone_tables.metadata is tables.metadata
    assert make_database.differences("geo", tables.metadata) == []


def test_every_index_of_the_ledger_is_a_b_tree(make_database: Databases) -> None:
    """A GiST index lost rows under concurrent writers, and the planner took it for look-ups (ADR 0013)."""
    with psycopg.connect(make_database(["geo"]).admin) as connection:
        methods = connection.execute(
            "SELECT DISTINCT m.amname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
            " JOIN pg_am m ON m.oid = c.relam JOIN pg_class t ON t.oid = i.indrelid"
            " WHERE t.relnamespace = 'geo'::regnamespace"
        ).fetchall()
    assert methods == [("btree",)]
