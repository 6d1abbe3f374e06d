"""The tables as declared and as migrated."""

from geo.storage import tables, travel_tables
from kit.testing.databases import Databases


def test_tables_and_migrations_agree(make_database: Databases) -> None:
    assert travel_tables.metadata is tables.metadata
    assert make_database.differences("geo", tables.metadata) == []
