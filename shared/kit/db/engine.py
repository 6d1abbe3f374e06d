"""A service's database: its pools, and the checks that a login must pass before it is used."""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from sqlalchemy import text

from kit.db import failures
from kit.db.claims import Claim, ClaimStatements
from kit.db.execution import execute
from kit.db.failures import Constraints
from kit.db.outbox import OutboxStatements
from kit.db.pool import Pool
from kit.db.uow import Source, Timeouts, UnitOfWork
from kit.db.worker import WorkerTx, worker_transaction
from kit.errors import Reason, Unavailable
from kit.settings import SettingsError

_SCHEMA: Final = re.compile(r"^[a-z][a-z0-9_]{0,62}$")

_WORKER_POOL: Final = 3

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
        self._pool = Pool(url, f"giro-{service}", pool_size)
        self._worker = Pool(worker_url, f"giro-{service}-worker", _WORKER_POOL) if worker_url else None
        self._wakers: list[Callable[[], None]] = []
        statements = ClaimStatements(schema)
        self._source = Source(
            pool=self._pool,
            service=service,
            constraints=self.constraints,
            claims=statements,
            outbox=OutboxStatements(schema, statements.settle),
            sandbox=sandbox,
            events_committed=self._wake,
        )

    async def start(self) -> None:
        """Checks the logins. Raises SettingsError for one that row-level security would not bind.

        Raises Unavailable when the database does not answer.
        """
        await _check_login(self._pool, self.schema)
        if self._worker is not None:
            await _check_login(self._worker, self.schema)

    async def stop(self) -> None:
        """Closes all connections."""
        await self._pool.close()
        if self._worker is not None:
            await self._worker.close()

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
        async with worker_transaction(self.worker_pool, sandbox=self.sandbox) as tx:
            yield tx

    @property
    def worker_pool(self) -> Pool:
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


async def _check_login(pool: Pool, schema: str) -> None:
    try:
        connection = await pool.acquire()
        login = (await execute(connection, _LOGIN, {"schema": schema})).one()
        await pool.release(connection)
    except failures.DRIVER_ERRORS as error:
        message = f"the database cannot be reached: {failures.root(error)}"
        raise Unavailable(Reason.DATABASE_UNAVAILABLE, message) from error
    if login.rolsuper or login.rolbypassrls:
        raise SettingsError(f"login {login.rolname} is superuser or BYPASSRLS: it would see all tenants")
    if not login.has_schema:
        raise SettingsError(f"the database has no schema {schema}: run its migrations first")
    if login.owns:
        raise SettingsError(f"login {login.rolname} owns tables of {schema}: use the application's role")
