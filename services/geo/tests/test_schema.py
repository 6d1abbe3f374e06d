"""The tables as declared and as migrated."""

from geo.storage import tables
from kit.testing.databases import Databases


def test_tables_and_migrations_agree(make_database: Databases) -> None:
    assert make_database.differences("geo", tables.metadata) == []
