"""The tables that `tables.py` declares are the ones that the migrations make."""

from typing import TYPE_CHECKING

from identity.storage.tables import metadata

if TYPE_CHECKING:
    from kit.testing.databases import Databases


def test_tables_and_migrations_agree(make_database: "Databases") -> None:
    assert make_database.differences("identity", metadata) == []
