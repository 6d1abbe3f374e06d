"""Databases for tests: clones of a template that was migrated once."""

import uuid
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import psycopg
from sqlalchemy import MetaData, create_engine
from sqlalchemy.pool import NullPool

from kit.db import migrate
from kit.db.pool import driver_url
from kit.db.roles import roles_of
from kit.testing.cluster import Cluster


@dataclass(frozen=True, slots=True)
class DatabaseUrls:
    """One database and how each role of each service reaches it."""

    cluster: Cluster
    name: str

    @property
    def admin(self) -> str:
        """As superuser: for looking at everything and for tampering."""
        return self.cluster.url("postgres", self.name)

    def owner(self, service: str) -> str:
        """As the owner of the service's schema: for migrations."""
        return self.cluster.url(roles_of(service).owner, self.name)

    def app(self, service: str) -> str:
        """As the service itself."""
        return self.cluster.url(roles_of(service).app, self.name)

    def worker(self, service: str) -> str:
        """As the service's finder of due work."""
        return self.cluster.url(roles_of(service).worker, self.name)


class Databases:
    """`make_database(["booking", "geo"])` gives a fresh database, migrated for these services.

    A service's package has the service's name. Cloning takes about 0.2 s.
    """

    def __init__(self, cluster: Cluster, locked: Callable[[], AbstractContextManager[None]]) -> None:
        self._cluster = cluster
        self._locked = locked

    def __call__(self, services: Sequence[str]) -> DatabaseUrls:
        with self._locked():
            template = self._template(services, migrated=True)
        return self._clone(template)

    def bare(self, services: Sequence[str]) -> DatabaseUrls:
        """A database with roles and schemas and no migration run."""
        with self._locked():
            template = self._template(services, migrated=False)
        return self._clone(template)

    def differences(self, package: str, metadata: MetaData) -> list[str]:
        """Where a service's `tables.py` and its migrations disagree; empty when they agree."""
        scratch = self.bare([package])
        engine = create_engine(driver_url(scratch.owner(package)), poolclass=NullPool)
        metadata.create_all(engine)
        engine.dispose()
        declared = migrate.describe(scratch.admin, package)
        migrated = migrate.describe(self([package]).admin, package)
        return [f"only in tables.py: {line}" for line in declared if line not in migrated] + [
            f"only in migrations: {line}" for line in migrated if line not in declared
        ]

    def _template(self, services: Sequence[str], *, migrated: bool) -> str:
        kind = "migrated" if migrated else "bare"
        name = f"template_{kind}_{'_'.join(sorted(services))}"
        if self._exists(name):
            return name
        building = self._clone(self._extended())
        migrate.bootstrap(building.admin, services, {})
        for service in services if migrated else ():
            migrate.upgrade(building.owner(service), service)
        self._admin(f'ALTER DATABASE "{building.name}" RENAME TO "{name}"')
        return name

    def _extended(self) -> str:
        """The template of templates: PostGIS takes longer to create than all the rest."""
        name = "template_extended"
        if not self._exists(name):
            building = DatabaseUrls(self._cluster, f"{name}_{uuid.uuid4().hex[:8]}")
            migrate.bootstrap(building.admin, [], {})
            self._admin(f'ALTER DATABASE "{building.name}" RENAME TO "{name}"')
        return name

    def _clone(self, template: str) -> DatabaseUrls:
        name = f"test_{uuid.uuid4().hex[:12]}"
        self._admin(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return DatabaseUrls(self._cluster, name)

    def _exists(self, name: str) -> bool:
        query = "SELECT count(*) FROM pg_database WHERE datname = %s"
        with psycopg.connect(self._cluster.admin_url, autocommit=True) as connection:
            found = connection.execute(query, (name,)).fetchone()
        return bool(found and found[0])

    def _admin(self, statement: str) -> None:
        with psycopg.connect(self._cluster.admin_url, autocommit=True) as connection:
            connection.execute(statement)
