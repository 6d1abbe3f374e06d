"""Transactions of the worker role, which looks across tenants for work that is due."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import Executable, text
from sqlalchemy.engine import Result
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kit.db import failures

_BEGIN = text(
    "SELECT set_config('lock_timeout', '2s', true), set_config('statement_timeout', '10s', true),"
    " set_config('idle_in_transaction_session_timeout', '10s', true)"
)
_NOW = text("SELECT clock_timestamp()")
_OFFSETS = text("SELECT tenant_id, offset_seconds FROM sandbox.test_clocks")


class WorkerTx:
    """A transaction without a tenant: it reads what policies show to the worker role."""

    def __init__(self, connection: AsyncConnection, *, sandbox: bool) -> None:
        self._connection = connection
        self._sandbox = sandbox

    async def run(self, statement: Executable, params: Mapping[str, Any] | None = None) -> Result[Any]:
        """Runs one statement. Driver errors come as `kit.errors`."""
        try:
            return await self._connection.execute(statement, params)
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
async def worker_transaction(engine: AsyncEngine, *, sandbox: bool) -> AsyncIterator[WorkerTx]:
    """One READ COMMITTED transaction on `engine`; commits on leaving normally."""
    try:
        async with engine.connect() as pooled:
            connection = await pooled.execution_options(isolation_level="READ COMMITTED")
            async with connection.begin():
                await connection.execute(_BEGIN)
                yield WorkerTx(connection, sandbox=sandbox)
    except failures.DRIVER_ERRORS as error:
        raise failures.translate(error, {}) or error from error
