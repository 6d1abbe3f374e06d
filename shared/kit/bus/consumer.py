"""Takes events from a stream, one entity's in order, and gives up on those that nobody can digest.

Delivery is at least once; the handler's claim (`event.claim`) makes the effect exactly once. What fails
because something is away is tried again for as long as it takes; what fails by itself is a dead letter after
`max_deliver` tries, and events of other entities do not wait for it.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from google.protobuf.message import DecodeError
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from prometheus_client import Counter

from kit import telemetry
from kit.bus.connect import Bus
from kit.bus.dead_letters import NO_TENANT, DeadLetter, bury
from kit.bus.events import Event, read
from kit.db import failures
from kit.db.engine import Database
from kit.errors import Conflict, Exhausted, Unavailable

Handler = Callable[[Event], Awaitable[None]]

BACKOFF: Final = (0.1, 0.5, 2.0, 5.0, 15.0)
"""Seconds until a failed delivery is tried again: after the first, the second …; the last one repeats."""

_BATCH: Final = 64
_ACK_WAIT: Final = 30
_GRACE_SECONDS: Final = 3
_HANDLER_SECONDS: Final = 20
_FETCH_SECONDS: Final = 2
_ROOM: Final = 256
"""Messages held at once; the rest waits at the server."""
_MAX_PENDING: Final = 5000

consumed: Final = Counter(
    "giro_bus_consumed_total", "Deliveries of events, by outcome", ["durable", "outcome"]
)

_log = telemetry.logger("kit.bus.consumer")


class Consumer:
    """One durable pull consumer; `run()` is a background task. Several processes may run the same durable."""

    def __init__(  # noqa: PLR0913, PLR0917 - the composition root names each
        self,
        bus: Bus,
        durable: str,
        stream: str,
        subjects: Sequence[str],
        handler: Handler,
        max_deliver: int = 5,
        backoff: Sequence[float] = BACKOFF,
        *,
        db: Database | None = None,
        concurrency: int = 8,
    ) -> None:
        """`db` keeps the dead letters; without one they are on their subject alone."""
        self._bus, self._durable, self._stream, self._subjects = bus, durable, stream, list(subjects)
        self._handler, self._db = handler, db
        self._max_deliver, self._backoff = max_deliver, tuple(backoff)
        self._slots, self._room = asyncio.Semaphore(concurrency), asyncio.Semaphore(_ROOM)
        self._lanes: dict[str, deque[Msg]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._attempts: dict[int, int] = {}
        self._waiting: dict[str, tuple[int, float]] = {}

    async def run(self) -> None:
        """Consumes for ever. Survives the loss of NATS, and of all that NATS stored."""
        while True:
            try:
                await self._consume()
            except (NatsError, OSError, TimeoutError) as error:
                _log.info("consumer starts over", durable=self._durable, error=repr(error))
                await self._bus.ensure_streams()
                await asyncio.sleep(0.5)

    async def _consume(self) -> None:
        await self._bus.wait_connected()
        epoch = self._bus.epoch
        config = ConsumerConfig(
            durable_name=self._durable,
            filter_subjects=self._subjects,
            deliver_policy=DeliverPolicy.ALL,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=_ACK_WAIT,
            max_deliver=-1,  # counted here: what fails because something is away does not count
            max_ack_pending=_MAX_PENDING,
        )
        await self._bus.jetstream.add_consumer(self._stream, config)
        subscription = await self._bus.jetstream.pull_subscribe_bind(self._durable, stream=self._stream)
        try:
            while epoch == self._bus.epoch:
                await self._batch(subscription)
        finally:
            await self._finish()
            with contextlib.suppress(NatsError, OSError):
                await subscription.unsubscribe()

    async def _batch(self, subscription: Any) -> None:
        try:
            messages = await subscription.fetch(_BATCH, timeout=_FETCH_SECONDS)
        except TimeoutError:
            return
        for message in messages:
            await self._room.acquire()
            self._queue(message)

    def _queue(self, message: Msg) -> None:
        """Puts a message in the lane of its entity; lanes run side by side, each in order."""
        name = _entity(message) or f"#{message.metadata.sequence.stream}"
        if name in self._lanes:
            self._lanes[name].append(message)
            return
        self._lanes[name] = deque([message])
        task = asyncio.create_task(self._run_lane(name))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run_lane(self, name: str) -> None:
        lane = self._lanes[name]
        try:
            while lane:
                async with self._slots:
                    await self._one(name, lane[0])
                lane.popleft()
                self._room.release()
        except (NatsError, OSError, TimeoutError) as error:
            _log.info("lane dropped: its events will come again", durable=self._durable, error=repr(error))
        finally:
            del self._lanes[name]
            for _ in lane:
                self._room.release()

    async def _finish(self) -> None:
        """Lets handlers that run come to their end, and drops what has not begun."""
        for lane in self._lanes.values():
            while len(lane) > 1:
                lane.pop()
                self._room.release()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=_GRACE_SECONDS)
            for task in late:
                task.cancel()

    async def _one(self, entity: str, message: Msg) -> None:
        sequence = message.metadata.sequence.stream
        held = self._waiting.get(entity)
        if held is not None and held[0] < sequence and held[1] > time.monotonic():
            # an earlier event of this entity waits to be tried again: this one comes after it
            await self._again(message, held[1] - time.monotonic() + 0.05)
            return
        event = read(message.subject, _headers(message), message.data, self._durable)
        if event is None:
            await self._give_up(message, None, "no event of Giro: its subject or its id is missing")
            return
        await self._handle(event, message, sequence)

    async def _handle(self, event: Event, message: Msg, sequence: int) -> None:
        work = telemetry.enter(event.traceparent, event.request_id or None, event.tenant)
        started = time.perf_counter()
        try:
            async with asyncio.timeout(_HANDLER_SECONDS):
                await self._handler(event)
        except Exception as error:
            await self._failed(event, message, sequence, error)
        else:
            self._forget(event, sequence)
            await message.ack()
            self._log(event, "ok", started)
        finally:
            telemetry.leave(work)

    async def _failed(self, event: Event, message: Msg, sequence: int, error: Exception) -> None:
        if isinstance(error, DecodeError):
            await self._give_up(message, event, f"cannot be decoded: {error!r}")
            return
        if _something_is_away(error):
            await self._retry(event, message, message.metadata.num_delivered, error)
            return
        attempts = self._attempts[sequence] = self._attempts.get(sequence, 0) + 1
        if attempts >= self._max_deliver:
            _log.error("event failed for good", subject=event.subject, event_id=event.id, exc_info=error)
            await self._give_up(message, event, f"failed {attempts} times: {error!r}")
            return
        await self._retry(event, message, attempts, error)

    async def _retry(self, event: Event, message: Msg, attempt: int, error: Exception) -> None:
        delay = self._backoff[min(attempt, len(self._backoff)) - 1]
        if event.entity_id:
            self._waiting[event.entity_id] = (message.metadata.sequence.stream, time.monotonic() + delay)
        _log.warning("event is tried again", subject=event.subject, event_id=event.id, error=repr(error))
        await self._again(message, delay)

    async def _again(self, message: Msg, delay: float) -> None:
        consumed.labels(self._durable, "retry").inc()
        await message.nak(delay=delay)

    async def _give_up(self, message: Msg, event: Event | None, reason: str) -> None:
        sequence = message.metadata.sequence.stream
        letter = DeadLetter(
            durable=self._durable,
            event_id=event.id if event else f"{self._stream}:{sequence}",
            tenant=event.tenant if event else NO_TENANT,
            subject=message.subject,
            headers=_headers(message),
            data=message.data,
            reason=reason,
            deliveries=message.metadata.num_delivered,
        )
        try:
            await bury(letter, self._bus, self._db)
        except Exception as error:
            _log.error("dead letter not kept", event_id=letter.event_id, error=repr(error))
            await self._again(message, self._backoff[-1])
            return
        if event is not None:
            self._forget(event, sequence)
        consumed.labels(self._durable, "dead").inc()
        await message.term()

    def _forget(self, event: Event, sequence: int) -> None:
        self._attempts.pop(sequence, None)
        held = self._waiting.get(event.entity_id)
        if held is not None and held[0] <= sequence:
            del self._waiting[event.entity_id]

    def _log(self, event: Event, outcome: str, started: float) -> None:
        consumed.labels(self._durable, outcome).inc()
        milliseconds = round((time.perf_counter() - started) * 1000, 2)
        _log.info("event", durable=self._durable, subject=event.subject, event_id=event.id, ms=milliseconds)


def _something_is_away(error: Exception) -> bool:
    if isinstance(error, failures.DRIVER_ERRORS):
        return isinstance(failures.translate(error, {}), Conflict | Unavailable)
    return isinstance(error, Conflict | Unavailable | Exhausted | OSError | TimeoutError | NatsError)


def _headers(message: Msg) -> dict[str, str]:
    return dict(message.headers or {})


def _entity(message: Msg) -> str:
    return _headers(message).get("giro-entity", "")
