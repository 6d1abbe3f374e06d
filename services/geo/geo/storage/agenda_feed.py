"""What keeps memory up to date with other processes' commits.

Commits notify `giro_geo_agenda` with `tenant:agent:version` (and `tenant:*:version` for a matrix). While the
listening connection is up, that is all it takes. While it is down, the versions are polled, and once it is
back nothing that was in memory is relied on.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

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
_ALIVE_SECONDS: Final = 20.0
_MATRIX: Final = "*"
_VERSIONS: Final = "SELECT agent_id, agenda_version FROM geo.agents WHERE tenant_id = %(tenant)s"

_staleness = Gauge(
    "giro_geo_agenda_staleness_seconds",
    "How far what slot search reads may be behind the database; 0 while notifications arrive",
)


class AgendaFeed:
    """Listens to commits and tells the agendas and matrices in memory."""

    def __init__(self, db: Database, url: str, agendas: Agendas, matrices: Matrices) -> None:
        self._db = db
        self._url = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        self._agendas, self._matrices = agendas, matrices
        self._log = telemetry.logger("geo.agenda_feed")
        self._in_step = time.monotonic()

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
            await connection.execute(f"LISTEN {CHANNEL}")
            # what happened before LISTEN took effect was told to nobody here
            self._forget_everything()
            while True:
                async for note in connection.notifies(timeout=_ALIVE_SECONDS):
                    self.told(note.payload)
                await connection.execute("SELECT 1")
                self._now_in_step()

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
            _staleness.set(time.monotonic() - self._in_step)
            self._log.warning("agendas could not be polled", error=str(unanswered))
            return
        self._matrices.forget_all()
        self._now_in_step()

    def _forget_everything(self) -> None:
        self._agendas.mark_all_dirty()
        self._matrices.forget_all()
        self._now_in_step()

    def _now_in_step(self) -> None:
        self._in_step = time.monotonic()
        _staleness.set(0)


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    connection = await psycopg.AsyncConnection.connect(url, autocommit=True, connect_timeout=3)
    try:
        yield connection
    finally:
        await connection.close()
