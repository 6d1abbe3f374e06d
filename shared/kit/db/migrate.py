"""Makes and upgrades the database: roles and schemas once, then each service's own migrations.

Each service has its schema and, in it, its own version table; its migrations lie in
`<package>/storage/migrations/versions` and run as the schema's owner.
"""

import importlib.util
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from kit.db.bootstrap import bootstrap
from kit.db.pool import driver_url
from kit.settings import SettingsError

__all__ = ["at_head", "bootstrap", "describe", "upgrade"]


def upgrade(url: str, package: str, schema: str | None = None) -> None:
    """Brings the schema of a service up to its newest migration; does nothing when it is there.

    `url` logs in as the owner's role. Two upgrades at once wait for each other. The schema has the package's
    name unless given.
    """
    target = schema or package.rpartition(".")[2]
    with _connected(url) as connection:
        connection.execute(
            text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": f"migrate {target}"}
        )
        command.upgrade(_config(connection, package, target), "head")


def at_head(url: str, package: str, schema: str | None = None) -> bool:
    """Whether the schema has the newest migration of the service."""
    target = schema or package.rpartition(".")[2]
    newest = set(ScriptDirectory.from_config(_config(None, package, target)).get_heads())
    with _connected(url) as connection:
        if (
            connection.scalar(text("SELECT to_regclass(:name)"), {"name": f"{target}.alembic_version"})
            is None
        ):
            return not newest
        found = connection.scalars(text(f"SELECT version_num FROM {target}.alembic_version"))  # noqa: S608
        return set(found) == newest


def describe(url: str, schema: str) -> list[str]:
    """What a schema consists of, one line a column, constraint and index: equal lines mean equal schemas.

    For the test that a service's `tables.py` says the same as all its migrations together.
    """
    with _connected(url) as connection:
        lines = connection.scalars(_DESCRIPTION, {"schema": schema})
        return sorted(line for line in lines if "alembic_version" not in line)


def _config(connection: Connection | None, package: str, schema: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("alembic_env")))
    config.set_main_option("version_locations", str(_versions(package)))
    config.set_main_option("path_separator", "os")
    config.attributes.update(connection=connection, schema=schema)
    return config


def _versions(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise SettingsError(f"there is no package {package}")
    return Path(next(iter(spec.submodule_search_locations))) / "storage" / "migrations" / "versions"


@contextmanager
def _connected(url: str) -> Iterator[Connection]:
    engine = create_engine(driver_url(url), poolclass=NullPool)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def upgrade_all(urls: Iterable[tuple[str, str]]) -> None:
    """Upgrades several services: pairs of the owner's URL and the package."""
    for url, package in urls:
        upgrade(url, package)


_DESCRIPTION = text(
    """
    SELECT format('column %s.%s %s%s default %s identity %s', c.relname, a.attname,
                  format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN ' not null' ELSE '' END,
                  coalesce(pg_get_expr(d.adbin, d.adrelid), '-'), a.attidentity)
    FROM pg_attribute a
    JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p', 'v')
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relnamespace = to_regnamespace(:schema) AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT format('constraint %s.%s %s', c.relname, k.conname, pg_get_constraintdef(k.oid))
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
    WHERE k.connamespace = to_regnamespace(:schema)
    UNION ALL
    SELECT format('index %s', indexdef) FROM pg_indexes WHERE schemaname = :schema
    """
)
