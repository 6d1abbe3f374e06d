"""Sends what is in the outbox to NATS, in commit order per entity, until NATS has it.

One process per service leads, by an advisory lock of its session. An event is deleted when NATS has
acknowledged it; what is sent twice after a crash in between carries the same message id, and consumers count
it once.

An event that NATS refuses (too long, a subject or header that it cannot have) is set aside with all later
events of its entity, which never overtake it; all other entities go on. It stays in the outbox, is counted,
and is tried again each minute: once what NATS takes was mended, it goes by itself, those behind it in order.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterable, Sequence
from typing import Any, Final

from nats.errors import BadSubjectError, MaxPayloadError
from nats.errors import Error as NatsError
from nats.js.errors import APIError, NoStreamResponseError, ServerError, ServiceUnavailableError
from prometheus_client import Gauge
from psycopg.rows import namedtuple_row

from kit import telemetry
from kit.bus.connect import Bus
from kit.db import failures
from kit.db.claims import RETENTION_DAYS
from kit.db.engine import Database
from kit.db.pool import Connection
from kit.errors import Unavailable
from kit.failpoints import failpoint

POLL_SECONDS: Final = 0.25
"""How often the outbox is looked at when no commit of this process woke the relay."""
BATCH: Final = 200
ENTITY_HEADER: Final = "giro-entity"
MESSAGE_ID: Final = "Nats-Msg-Id"

REFUSED_SECONDS: Final = 60.0
"""How long an entity whose event was refused is set aside before it is tried again."""

_NOT_NOW: Final = (NoStreamResponseError, ServiceUnavailableError, ServerError)
_REFUSED: Final = (BadSubjectError, MaxPayloadError, APIError, ValueError, TypeError, AttributeError)
"""NATS, or its client before it sent anything, says no to this event, and will say no again."""

_PRUNE_SECONDS: Final = 3600
_LONGEST_PAUSE: Final = 5.0

pending: Final = Gauge("giro_outbox_pending", "Events committed and not yet with NATS", ["service"])
age: Final = Gauge("giro_outbox_age_seconds", "Age of the oldest event not yet with NATS", ["service"])
refused: Final = Gauge("giro_outbox_refused", "Entities that wait behind an event refused", ["service"])

_log = telemetry.logger("kit.bus.relay")


class Relay:
    """Empties one service's outbox; `run()` is a background task."""

    def __init__(self, db: Database, bus: Bus, service: str) -> None:
        self._db, self._bus, self._service = db, bus, service
        self._wake = asyncio.Event()
        self._statements = _Statements(db.schema)
        self._failures = 0
        self._pruned = 0.0
        self._trouble = ""
        self._aside: dict[str, float] = {}
        db.when_events_commit(self._wake.set)

    async def run(self) -> None:
        """Leads whenever nobody else does, for ever. Survives the loss of NATS and of the database."""
        while True:
            try:
                await self._session()
            except (*failures.DRIVER_ERRORS, Unavailable) as error:
                _log.warning("relay lost the database", error=repr(error))
                await self._pause()

    async def _session(self) -> None:
        connection = await self._db.worker_pool.acquire()
        try:
            await self._take_lead(connection)
            while True:
                self._wake.clear()
                if not await self._round(connection):
                    await self._rest()
        finally:
            self._lead_no_more()
            # the lock is the session's: it ends with the connection, which must not go back into the pool
            await self._db.worker_pool.discard(connection)

    async def _take_lead(self, connection: Connection) -> None:
        lock = f"giro relay {self._db.schema}"
        while True:
            cursor = await connection.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", (lock,))
            found = await cursor.fetchone()
            if found and found[0]:
                _log.info("relay leads", outbox=self._service)
                return
            await asyncio.sleep(1)

    def _lead_no_more(self) -> None:
        """From here on the next leader tells what waits, and tries what was refused."""
        self._aside.clear()
        refused.labels(self._service).set(0)
        self._count(0, 0.0)

    async def _round(self, connection: Connection) -> bool:
        """Sends one batch; True when there may be more to send at once."""
        await self._prune(connection)
        rows = await self._read(connection)
        if not rows:
            await self._measure(connection)
            return False
        sent = await self._send(rows) if self._bus.is_connected else []
        await failpoint("relay.before_delete")
        if sent:
            await connection.execute(self._statements.delete, (sent,))
        if self._waiting(rows, sent):
            _log.warning("events not sent", count=len(rows) - len(sent), error=self._trouble)
            await self._measure(connection)
            await self._pause()
        else:
            self._failures = 0
        return True

    async def _read(self, connection: Connection) -> list[Any]:
        cursor = connection.cursor(row_factory=namedtuple_row)
        await cursor.execute(self._statements.read, (self._set_aside(), BATCH))
        return await cursor.fetchall()

    def _set_aside(self) -> list[str]:
        """The entities that are left out of this round."""
        now = time.monotonic()
        self._aside = {entity: until for entity, until in self._aside.items() if until > now}
        refused.labels(self._service).set(len(self._aside))
        return list(self._aside)

    def _waiting(self, rows: Sequence[Any], sent: Sequence[int]) -> bool:
        """Whether events were not sent though nothing is wrong with them."""
        done = set(sent)
        return any(row.id not in done and row.entity_id not in self._aside for row in rows)

    async def _send(self, rows: Sequence[Any]) -> list[int]:
        """Ids of the rows that NATS has. One event of an entity at a time, many entities at once."""
        sent: list[int] = []
        waves = _by_entity(rows)
        while waves:
            heads = [queue[0] for queue in waves]
            kept = await asyncio.gather(*[self._publish(row) for row in heads])
            sent += [row.id for row, ok in zip(heads, kept, strict=True) if ok]
            # an entity whose event was not kept waits whole, so that its order holds
            waves = [queue[1:] for queue, ok in zip(waves, kept, strict=True) if ok and len(queue) > 1]
        return sent

    async def _publish(self, row: Any) -> bool:
        headers = {**row.headers, MESSAGE_ID: row.event_id, ENTITY_HEADER: row.entity_id}
        try:
            await self._bus.jetstream.publish(row.subject, bytes(row.payload), headers=headers)
        except _NOT_NOW as error:
            self._trouble = repr(error)
            await self._bus.ensure_streams()
            return False
        except _REFUSED as error:
            self._refuse(row, error)
            return False
        except (NatsError, OSError, TimeoutError) as error:
            self._trouble = repr(error)
            return False
        return True

    def _refuse(self, row: Any, error: Exception) -> None:
        self._aside[row.entity_id] = time.monotonic() + REFUSED_SECONDS
        refused.labels(self._service).set(len(self._aside))
        _log.error(
            "NATS refuses an event; it is kept, and all later events of its entity wait behind it",
            outbox=self._service,
            event_id=row.event_id,
            entity_id=row.entity_id,
            subject=row.subject,
            bytes=len(row.payload),
            error=repr(error),
            do="mend what NATS takes (max_payload, the stream's limits) or the row in the table outbox;"
            f" it is tried again every {REFUSED_SECONDS:.0f} s",
        )

    async def _measure(self, connection: Connection) -> None:
        found = await (await connection.execute(self._statements.measure)).fetchone()
        if found:
            self._count(found[0], float(found[1]))

    def _count(self, events: int, oldest: float) -> None:
        pending.labels(self._service).set(events)
        age.labels(self._service).set(oldest)

    async def _prune(self, connection: Connection) -> None:
        now = time.monotonic()
        if self._pruned and now - self._pruned < _PRUNE_SECONDS:
            return
        self._pruned = now
        await connection.execute(self._statements.prune)

    async def _rest(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), POLL_SECONDS)

    async def _pause(self) -> None:
        self._failures += 1
        await asyncio.sleep(min(_LONGEST_PAUSE, 0.1 * 2 ** min(self._failures, 10)))


class _Statements:
    """The SQL on one schema's outbox and claims."""

    def __init__(self, schema: str) -> None:
        columns = "id, event_id, subject, entity_id, headers, payload"
        self.read = f"SELECT {columns} FROM {schema}.outbox WHERE entity_id <> ALL(%s) ORDER BY id LIMIT %s"  # noqa: S608
        self.delete = f"DELETE FROM {schema}.outbox WHERE id = ANY(%s)"  # noqa: S608
        oldest = "coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)"
        self.measure = f"SELECT count(*), {oldest} FROM {schema}.outbox"  # noqa: S608
        too_old = f"created_at < clock_timestamp() - interval '{RETENTION_DAYS} days'"
        self.prune = f"DELETE FROM {schema}.claims WHERE {too_old}"  # noqa: S608


def _by_entity(rows: Iterable[Any]) -> list[list[Any]]:
    queues: dict[str, list[Any]] = {}
    for row in rows:
        queues.setdefault(row.entity_id, []).append(row)
    return list(queues.values())
