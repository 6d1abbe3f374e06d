"""What an administrator does once per installation: database, extensions, roles, schemas, test clocks."""

from collections.abc import Iterable, Mapping
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url

from kit.db.pool import driver_url
from kit.db.roles import TENANT_IS_MINE, roles_of

_LOCK = 4_867_001
"""Advisory lock that two bootstraps at once wait for; roles belong to the whole cluster."""

_EXTENSIONS = ("postgis",)


def bootstrap(admin_url: str, services: Iterable[str], passwords: Mapping[str, str]) -> None:
    """Makes the database that `admin_url` names and all that the services' migrations expect in it.

    `passwords` maps a role's name to its password; a role that is not named gets none, which suits servers
    that trust local logins. Does nothing twice: what is there stays, passwords are set anew.
    """
    names = list(services)
    _create_database(admin_url)
    with _connected(admin_url) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
        for extension in _EXTENSIONS:
            _run(connection, "CREATE EXTENSION IF NOT EXISTS {} WITH SCHEMA public", extension)
        for service in names:
            _create_service(connection, service, passwords)
        _create_sandbox(connection, names)


def _create_database(admin_url: str) -> None:
    url = make_url(admin_url)
    name = url.database or "giro"
    maintenance = url.set(database="postgres").render_as_string(hide_password=False)
    with _connected(maintenance) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
        if not _exists(connection, "SELECT FROM pg_database WHERE datname = %s", name):
            _run(connection, "CREATE DATABASE {} ENCODING 'UTF8' TEMPLATE template0", name)


def _create_service(connection: psycopg.Connection[Any], service: str, passwords: Mapping[str, str]) -> None:
    roles = roles_of(service)
    for role in (roles.owner, roles.app, roles.worker):
        _create_role(connection, role, passwords.get(role))
    _run(connection, "CREATE SCHEMA IF NOT EXISTS {} AUTHORIZATION {}", service, roles.owner)
    _run(connection, "GRANT USAGE ON SCHEMA {} TO {}, {}", service, roles.app, roles.worker)


def _create_role(connection: psycopg.Connection[Any], role: str, password: str | None) -> None:
    if not _exists(connection, "SELECT FROM pg_roles WHERE rolname = %s", role):
        _run(connection, "CREATE ROLE {} NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE", role)
    _run(connection, "ALTER ROLE {} LOGIN", role)
    if password is not None:
        statement = sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(password))
        connection.execute(statement)


def _create_sandbox(connection: psycopg.Connection[Any], services: list[str]) -> None:
    connection.execute("CREATE SCHEMA IF NOT EXISTS sandbox")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS sandbox.test_clocks ("
        " tenant_id text PRIMARY KEY, offset_seconds bigint NOT NULL DEFAULT 0 CHECK (offset_seconds >= 0))"
    )
    connection.execute("ALTER TABLE sandbox.test_clocks ENABLE ROW LEVEL SECURITY")
    connection.execute("ALTER TABLE sandbox.test_clocks FORCE ROW LEVEL SECURITY")
    for service in services:
        _open_sandbox(connection, service)


def _open_sandbox(connection: psycopg.Connection[Any], service: str) -> None:
    """The application reads and moves its tenant's clock; the worker reads all clocks."""
    roles = roles_of(service)
    _run(connection, "GRANT USAGE ON SCHEMA sandbox TO {}, {}", roles.app, roles.worker)
    _run(connection, "GRANT SELECT, INSERT, UPDATE ON sandbox.test_clocks TO {}", roles.app)
    _run(connection, "GRANT SELECT ON sandbox.test_clocks TO {}", roles.worker)
    mine = f"USING ({TENANT_IS_MINE}) WITH CHECK ({TENANT_IS_MINE})"
    _policy(connection, roles.app, f"TO {{}} {mine}")
    _policy(connection, roles.worker, "FOR SELECT TO {} USING (true)")


def _policy(connection: psycopg.Connection[Any], role: str, rest: str) -> None:
    _run(connection, "DROP POLICY IF EXISTS {} ON sandbox.test_clocks", role)
    _run(connection, "CREATE POLICY {} ON sandbox.test_clocks " + rest, role, role)


def _connected(url: str) -> psycopg.Connection[Any]:
    plain = driver_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(plain, autocommit=True)


def _exists(connection: psycopg.Connection[Any], query: str, name: str) -> bool:
    return connection.execute(query, (name,)).fetchone() is not None


def _run(connection: psycopg.Connection[Any], statement: str, *names: str) -> None:
    connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
