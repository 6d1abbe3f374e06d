"""Roles, schemas and migrations: made once, made again without harm, and refused with words."""

import psycopg
import pytest

from kit.db import migrate
from kit.db.pool import driver_url
from kit.settings import SettingsError
from kit.testing.databases import Databases


def test_bootstrap_and_upgrade_can_be_repeated(make_database: Databases) -> None:
    urls = make_database(["probe"])
    before = migrate.describe(urls.admin, "probe")
    migrate.bootstrap(urls.admin, ["probe"], {"giro_probe": "it's a secret"})
    migrate.upgrade(urls.owner("probe"), "probe")
    assert migrate.describe(urls.admin, "probe") == before
    assert migrate.at_head(urls.owner("probe"), "probe")


def test_a_bare_schema_is_not_at_head(make_database: Databases) -> None:
    urls = make_database.bare(["probe"])
    assert not migrate.at_head(urls.owner("probe"), "probe")
    assert migrate.describe(urls.admin, "probe") == []


def test_no_role_of_a_service_has_power_over_the_cluster(make_database: Databases) -> None:
    urls = make_database(["probe"])
    powers = "rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb"
    query = f"SELECT count(*) FROM pg_roles WHERE rolname LIKE 'giro%' AND ({powers})"
    with psycopg.connect(urls.admin) as connection:
        assert connection.execute(query).fetchone() == (0,)


def test_every_table_of_a_tenant_has_forced_row_security(make_database: Databases) -> None:
    urls = make_database(["probe"])
    query = (
        "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
        " WHERE a.attname = 'tenant_id' AND c.relkind = 'r'"
        " AND c.relnamespace IN ('probe'::regnamespace, 'sandbox'::regnamespace)"
        " AND NOT (c.relrowsecurity AND c.relforcerowsecurity)"
    )
    with psycopg.connect(urls.admin) as connection:
        assert connection.execute(query).fetchall() == []


def test_differences_are_named(make_database: Databases) -> None:
    from probe.storage.tables import metadata
    from sqlalchemy import Column, MetaData, Text

    changed = MetaData()
    for table in metadata.tables.values():
        table.to_metadata(changed)
    changed.tables["probe.things"].append_column(Column("colour", Text))
    found = make_database.differences("probe", changed)
    assert [line.split(" ", 3)[:3] for line in found] == [["only", "in", "tables.py:"]]
    assert "things.colour" in found[0]


def test_a_package_that_is_not_there_is_named(make_database: Databases) -> None:
    urls = make_database(["probe"])
    with pytest.raises(SettingsError, match="no package nothing"):
        migrate.upgrade(urls.owner("probe"), "nothing")


@pytest.mark.parametrize("url", ["", "mysql://x/y", "not a url"])
def test_what_is_no_database_url(url: str) -> None:
    with pytest.raises(SettingsError, match="database URL"):
        driver_url(url)
