"""Connections to one database as one login: few, kept, the last used first."""

import asyncio
from typing import Any, Final

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy.engine import URL, make_url

from kit.errors import Reason, Unavailable
from kit.settings import SettingsError

Connection = psycopg.AsyncConnection[Any]

WAIT_SECONDS: Final = 2.0
"""How long to wait for a connection when all are in use."""
_CONNECT_SECONDS: Final = 3
_PREPARE_AFTER: Final = 2
_PREPARED_MAX: Final = 500


class Pool:
    """At most `size` connections, made when first needed.

    There is no ping: a connection that died is found by its first statement, and then `discard` throws the
    idle ones away with it, since what broke one (a restart, a failover) broke the others too.
    """

    def __init__(self, url: str, application: str, size: int) -> None:
        """Raises SettingsError for what is no URL of PostgreSQL."""
        plain = driver_url(url).set(drivername="postgresql")
        self._url = plain.render_as_string(hide_password=False)
        self._application = application
        self._free = asyncio.Semaphore(size)
        self._idle: list[Connection] = []
        self._closed = False
        self.wait_seconds = WAIT_SECONDS

    async def acquire(self) -> Connection:
        """A connection outside any transaction; give it back with `release` or `discard`.

        Raises Unavailable when all stay in use, and the driver's error when there is no connecting.
        """
        await self._take_slot()
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed:
                return connection
        try:
            return await self._connect()
        except BaseException:
            self._free.release()
            raise

    async def release(self, connection: Connection) -> None:
        """Takes a connection back; one that is broken or in a transaction is closed instead of kept."""
        if not self._closed and connection.pgconn.transaction_status == TransactionStatus.IDLE:
            self._idle.append(connection)
            self._free.release()
        else:
            await self._close(connection)

    async def discard(self, connection: Connection) -> None:
        """Closes a connection that failed, and all idle ones."""
        idle, self._idle = self._idle, []
        for other in idle:
            await other.close()
        await self._close(connection)

    async def drop(self, connection: Connection) -> None:
        """Closes one connection whose state is not known, and no other."""
        await self._close(connection)

    async def roll_back(self, connection: Connection) -> None:
        """Rolls back and keeps the prepared statements. Raises the driver's errors.

        The driver's own `rollback()` forgets them all, for the sake of tables made in the transaction; ours
        make none, and every refusal would have each statement planned anew.
        """
        if connection.pgconn.transaction_status == TransactionStatus.IDLE:
            return
        async with connection.lock:
            await connection.wait(connection._exec_command(b"ROLLBACK"))

    async def close(self) -> None:
        """Closes the idle connections, and those in use when they come back."""
        self._closed = True
        idle, self._idle = self._idle, []
        for connection in idle:
            await connection.close()

    async def _take_slot(self) -> None:
        if not self._free.locked():
            await self._free.acquire()
            return
        try:
            await asyncio.wait_for(self._free.acquire(), self.wait_seconds)
        except TimeoutError:
            message = "all connections to the database are in use"
            raise Unavailable(Reason.DATABASE_UNAVAILABLE, message) from None

    async def _connect(self) -> Connection:
        connection: Connection = await psycopg.AsyncConnection.connect(
            self._url,
            autocommit=True,  # transactions are begun by hand, together with their settings
            prepare_threshold=_PREPARE_AFTER,
            application_name=self._application,
            connect_timeout=_CONNECT_SECONDS,
            options="-c timezone=UTC",
        )
        connection.prepared_max = _PREPARED_MAX
        return connection

    async def _close(self, connection: Connection) -> None:
        try:
            await connection.close()
        finally:
            self._free.release()


def driver_url(url: str) -> URL:
    """The URL with the driver's name, as SQLAlchemy takes it. Raises SettingsError for other URLs."""
    try:
        parsed = make_url(url)
    except Exception as refused:
        raise SettingsError("the database URL cannot be read") from refused
    if parsed.get_backend_name() not in {"postgresql", "postgres"}:
        raise SettingsError("the database URL does not begin with postgresql://")
    return parsed.set(drivername="postgresql+psycopg")
