"""Transactions of the worker role, which looks across tenants for work that is due."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import Executable, TextClause, text

from kit.db import failures
from kit.db.execution import Rows, execute
from kit.db.pool import Connection, Pool

_BEGIN = (
    "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = 2000; "
    "SET LOCAL statement_timeout = 10000; SET LOCAL idle_in_transaction_session_timeout = 10000"
)
_NOW = text("SELECT clock_timestamp()")
_OFFSETS = text("SELECT tenant_id, offset_seconds FROM sandbox.test_clocks")


def by_tenants_clocks(statement: str, tenant: str) -> Mapping[bool, TextClause]:
    """A look over all tenants by the clock of each, by whether test clocks count.

    In the statement `{now}` is a tenant's instant, and `{ahead}`, at the end of FROM, is what tells it;
    `tenant` is the column of the table looked at, as "r.tenant_id".
    """
    clocks = f"LEFT JOIN sandbox.test_clocks ahead ON ahead.tenant_id = {tenant}"
    moved = "(clock_timestamp() + make_interval(secs => coalesce(ahead.offset_seconds, 0)))"
    return {
        False: text(statement.format(ahead="", now="clock_timestamp()")),
        True: text(statement.format(ahead=clocks, now=moved)),
    }


class WorkerTx:
    """A transaction without a tenant: it reads what policies show to the worker role."""

    def __init__(self, connection: Connection, *, sandbox: bool) -> None:
        self._connection = connection
        self._sandbox = sandbox

    async def run(self, statement: Executable, params: Mapping[str, Any] | None = None) -> Rows:
        """Runs one statement. Driver errors come as `kit.errors`."""
        try:
            return await execute(self._connection, statement, params)
        except failures.DRIVER_ERRORS as error:
            raise failures.translate(error, {}) or error from error

    async def now(self) -> datetime:
        """The database's clock, without any tenant's test clock."""
        moment: datetime = (await self.run(_NOW)).scalar_one()
        return moment

    async def clock_offsets(self) -> dict[str, int]:
        """Seconds by which each tenant's test clock is ahead; empty outside sandbox mode."""
        if not self._sandbox:
            return {}
        return {row.tenant_id: row.offset_seconds for row in await self.run(_OFFSETS)}


@asynccontextmanager
async def worker_transaction(pool: Pool, *, sandbox: bool) -> AsyncIterator[WorkerTx]:
    """One READ COMMITTED transaction; commits on leaving normally."""
    try:
        connection = await _begun(pool)
        try:
            yield WorkerTx(connection, sandbox=sandbox)
            await connection.commit()
        except BaseException:
            await _roll_back(connection)
            raise
        finally:
            await pool.release(connection)
    except failures.DRIVER_ERRORS as error:
        raise failures.translate(error, {}) or error from error


async def _begun(pool: Pool) -> Connection:
    for last in (False, True):
        connection = await pool.acquire()
        try:
            await connection.execute(_BEGIN)
        except BaseException as error:
            broken = failures.broke_connection(error)
            await (pool.discard if broken else pool.drop)(connection)
            if last or not broken:
                raise
            continue
        return connection
    raise AssertionError("unreachable")


async def _roll_back(connection: Connection) -> None:
    try:
        await connection.rollback()
    except failures.DRIVER_ERRORS:
        await connection.close()
