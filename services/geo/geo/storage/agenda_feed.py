"""What keeps memory up to date with other processes' commits.

Commits notify `giro_geo_agenda` with `tenant:agent:version` (and `tenant:*:version` for a matrix). While the
listening connection answers, that is all it takes. While it does not, the versions are polled, and once it
does again nothing that was in memory is relied on.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, LiteralString

import psycopg
from prometheus_client import Gauge
from sqlalchemy.engine import make_url

from geo.storage.agendas import Agendas
from geo.storage.matrices import Matrices
from geo.storage.rewrite import CHANNEL
from geo.storage.sql import fetch
from kit import telemetry
from kit.db.engine import Database
from kit.errors import GiroError

_POLL_SECONDS: Final = 2.0
_ALIVE_SECONDS: Final = 10.0
"""How often the server is asked whether it is still there."""
_ANSWER_SECONDS: Final = 5.0
"""How long it may take to say so."""
_LOOKS: Final = 10
"""In how many parts that time is waited for: it is the server that is silent, not this process that is busy,
only when each of them has gone by."""
LISTENER: Final = "giro geo agenda feed"
"""What the listening connection is called in pg_stat_activity."""
_MATRIX: Final = "*"
_VERSIONS: Final = "SELECT agent_id, agenda_version FROM geo.agents WHERE tenant_id = %(tenant)s"

_staleness = Gauge(
    "giro_geo_agenda_staleness_seconds",
    "How far what slot search reads may be behind the database; 0 while the server says that it notifies",
)


class AgendaFeed:
    """Listens to commits and tells the agendas and matrices in memory."""

    def __init__(self, db: Database, url: str, agendas: Agendas, matrices: Matrices) -> None:
        self._db = db
        self._url = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        self._agendas, self._matrices = agendas, matrices
        self._log = telemetry.logger("geo.agenda_feed")
        self._in_step = time.monotonic()
        _staleness.set_function(self._staleness_seconds)

    async def run(self) -> None:
        """Listens for ever; polls while it cannot."""
        while True:
            try:
                await self._listen()
            except (psycopg.Error, OSError) as lost:
                self._log.warning("agendas are polled: notifications do not arrive", error=str(lost))
                await self._poll_once()
                await asyncio.sleep(_POLL_SECONDS)

    async def _listen(self) -> None:
        async with _connected(self._url) as connection:
            await _say(connection, f"LISTEN {CHANNEL}")
            # what happened before LISTEN took effect was told to nobody here
            self._forget_everything()
            while True:
                async for note in connection.notifies(timeout=_ALIVE_SECONDS):
                    self.told(note.payload)
                await _say(connection, "SELECT 1")
                self._in_step = time.monotonic()

    def told(self, payload: str) -> None:
        """Takes one notification in."""
        tenant, _, rest = payload.partition(":")
        agent_id, _, _ = rest.partition(":")
        if agent_id == _MATRIX:
            self._matrices.forget(tenant)
        else:
            self._agendas.mark_dirty(tenant, agent_id)

    async def _poll_once(self) -> None:
        """Compares what is in memory with the database; without an answer, memory gets staler."""
        try:
            for tenant in self._agendas.tenants():
                async with self._db.uow(tenant) as tx:
                    rows = await fetch(tx, _VERSIONS, {"tenant": tenant})
                self._agendas.compare(tenant, {row.agent_id: row.agenda_version for row in rows})
        except GiroError as unanswered:
            self._log.warning("agendas could not be polled", error=str(unanswered))
            return
        self._matrices.forget_all()
        self._in_step = time.monotonic()

    def _forget_everything(self) -> None:
        self._agendas.mark_all_dirty()
        self._matrices.forget_all()
        self._in_step = time.monotonic()

    def _staleness_seconds(self) -> float:
        since = time.monotonic() - self._in_step
        return since if since > _ALIVE_SECONDS + _ANSWER_SECONDS else 0.0


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    connection = await psycopg.AsyncConnection.connect(
        url, autocommit=True, connect_timeout=3, application_name=LISTENER
    )
    try:
        yield connection
    finally:
        await connection.close()


async def _say(connection: psycopg.AsyncConnection[Any], statement: LiteralString) -> None:
    """Raises TimeoutError for a server that is frozen: its connection stays open, and tells nothing."""
    asked = asyncio.ensure_future(connection.execute(statement))
    try:
        for _ in range(_LOOKS):
            if (await asyncio.wait({asked}, timeout=_ANSWER_SECONDS / _LOOKS))[0]:
                await asked
                return
        raise TimeoutError(f"the server has not answered for {_ANSWER_SECONDS:g} s")
    finally:
        if not asked.done():
            # a cancelled statement waits for the server's word, unless there is no connection any more
            connection.pgconn.finish()
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)
