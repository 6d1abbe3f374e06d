"""A service's database: its pools, and the checks that a login must pass before it is used."""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from sqlalchemy import event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from kit.db import failures
from kit.db.claims import Claim, ClaimStatements
from kit.db.failures import Constraints
from kit.db.outbox import insert_statement
from kit.db.uow import Source, Timeouts, UnitOfWork
from kit.db.worker import WorkerTx, worker_transaction
from kit.errors import Reason, Unavailable
from kit.settings import SettingsError

_SCHEMA: Final = re.compile(r"^[a-z][a-z0-9_]{0,62}$")

_LOGIN: Final = text(
    """
    SELECT r.rolname, r.rolsuper, r.rolbypassrls,
           to_regnamespace(:schema) IS NOT NULL AS has_schema,
           EXISTS (SELECT FROM pg_class c
                   WHERE c.relnamespace = to_regnamespace(:schema)
                     AND pg_has_role(r.oid, c.relowner, 'MEMBER')) AS owns
    FROM pg_roles r WHERE r.rolname = current_user
    """
)


class Database:
    """The pools of one service. `constraints` names the error that each database constraint stands for."""

    def __init__(  # noqa: PLR0913 - the composition root names each
        self,
        url: str,
        *,
        service: str,
        schema: str,
        sandbox: bool,
        worker_url: str | None = None,
        pool_size: int = 10,
        constraints: Constraints | None = None,
    ) -> None:
        if not _SCHEMA.match(schema):
            raise ValueError(f"{schema!r} is no name of a schema")
        self.service, self.schema, self.sandbox = service, schema, sandbox
        self.constraints = dict(constraints or {})
        self._engine = make_engine(url, f"giro-{service}", pool_size)
        self._worker = make_engine(worker_url, f"giro-{service}-worker", 3) if worker_url else None
        self._wakers: list[Callable[[], None]] = []
        self._source = Source(
            engine=self._engine,
            service=service,
            constraints=self.constraints,
            claims=ClaimStatements(schema),
            insert_events=insert_statement(schema),
            sandbox=sandbox,
            events_committed=self._wake,
        )

    async def start(self) -> None:
        """Checks the logins. Raises SettingsError for one that row-level security would not bind.

        Raises Unavailable when the database does not answer.
        """
        await _check_login(self._engine, self.schema)
        if self._worker is not None:
            await _check_login(self._worker, self.schema)

    async def stop(self) -> None:
        """Closes all connections."""
        await self._engine.dispose()
        if self._worker is not None:
            await self._worker.dispose()

    def uow(self, tenant_id: str, claim: Claim | None = None, timeouts: Timeouts | None = None) -> UnitOfWork:
        """`async with db.uow(tenant) as tx:` one transaction that sees this tenant alone.

        It commits once on leaving normally and rolls back on an exception. With a `claim` it takes effect
        once.
        """
        return UnitOfWork(self._source, tenant_id, claim, timeouts or Timeouts())

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[WorkerTx]:
        """One transaction of the worker role, which finds due work of all tenants.

        It sees only what policies show to that role; acting on what it finds goes through `uow(tenant)`.
        """
        async with worker_transaction(self.worker_engine, sandbox=self.sandbox) as tx:
            yield tx

    @property
    def worker_engine(self) -> AsyncEngine:
        """The worker role's pool. Raises SettingsError when the service was given none."""
        if self._worker is None:
            raise SettingsError(f"GIRO_{self.service.upper()}_WORKER_DATABASE_URL is not set")
        return self._worker

    def when_events_commit(self, wake: Callable[[], None]) -> None:
        """Calls `wake()` after each commit that left events in the outbox."""
        self._wakers.append(wake)

    def _wake(self) -> None:
        for wake in self._wakers:
            wake()


def make_engine(url: str, application: str, pool_size: int) -> AsyncEngine:
    """A pool whose transactions are begun by hand (see `kit.db.uow`), with prepared statements.

    There is no ping per checkout: a connection that died is found by its first statement and replaced.
    """
    engine = create_async_engine(
        driver_url(url),
        isolation_level="AUTOCOMMIT",
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=2.0,
        pool_use_lifo=True,
        connect_args={
            "application_name": application,
            "connect_timeout": 3,
            "options": "-c timezone=UTC",
            "prepare_threshold": 2,
        },
    )
    event.listen(engine.sync_engine, "connect", _keep_more_statements)
    return engine


def _keep_more_statements(connection: Any, _: object) -> None:
    connection.driver_connection.prepared_max = 500


def driver_url(url: str) -> URL:
    """The URL with the driver's name. Raises SettingsError for what is no URL of PostgreSQL."""
    try:
        parsed = make_url(url)
    except Exception as refused:
        raise SettingsError("the database URL cannot be read") from refused
    if parsed.get_backend_name() not in {"postgresql", "postgres"}:
        raise SettingsError("the database URL does not begin with postgresql://")
    return parsed.set(drivername="postgresql+psycopg")


async def _check_login(engine: AsyncEngine, schema: str) -> None:
    try:
        async with engine.connect() as connection:
            login = (await connection.execute(_LOGIN, {"schema": schema})).one()
    except failures.DRIVER_ERRORS as error:
        message = f"the database cannot be reached: {failures.root(error)}"
        raise Unavailable(Reason.DATABASE_UNAVAILABLE, message) from error
    if login.rolsuper or login.rolbypassrls:
        raise SettingsError(f"login {login.rolname} is superuser or BYPASSRLS: it would see all tenants")
    if not login.has_schema:
        raise SettingsError(f"the database has no schema {schema}: run its migrations first")
    if login.owns:
        raise SettingsError(f"login {login.rolname} owns tables of {schema}: use the application's role")
