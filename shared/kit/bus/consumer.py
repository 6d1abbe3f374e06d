"""Takes events from a stream, one entity's in order, and gives up on those that nobody can digest.

Delivery is at least once; the handler's claim (`event.claim`) makes the effect exactly once. What fails
because something is away is tried again for as long as it takes; what fails by itself is a dead letter after
`max_deliver` tries, and events of other entities do not wait for it. A failed event is tried again here,
ahead of the later events of its entity; the server is told meanwhile that it is in progress. (Several
processes on one durable share the entities' events between them, so that only versions in the events keep
order there.)

Where a handler can take many events at once (`together`), those that came together are handled in one go: of
each entity one at most, all of one tenant. What it leaves, and all when it fails, is handled one by one.
"""

import asyncio
import contextlib
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
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
from kit.bus.relay import ENTITY_HEADER
from kit.db import failures
from kit.db.engine import Database
from kit.errors import Conflict, Exhausted, Unavailable

Handler = Callable[[Event], Awaitable[None]]
Together = Callable[[Sequence[Event]], Awaitable[Collection[Event]]]
"""Handles events of one tenant, each of another entity; gives those that it leaves to the handler of one."""

BACKOFF: Final = (0.1, 0.5, 2.0, 5.0, 15.0)
"""Seconds until a failed delivery is tried again: after the first, the second …; the last one repeats."""

_BATCH: Final = 64
_ACK_WAIT: Final = 15
"""Seconds after which the server gives what a dead process held to another."""
_BEAT_SECONDS: Final = 5
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
    """One durable pull consumer; `run()` is a background task."""

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
        together: Together | None = None,
    ) -> None:
        """`db` keeps the dead letters; without one they are on their subject alone."""
        self._bus, self._durable, self._stream, self._subjects = bus, durable, stream, list(subjects)
        self._handler, self._together, self._db = handler, together, db
        self._max_deliver, self._backoff = max_deliver, tuple(backoff)
        self._slots, self._room = asyncio.Semaphore(concurrency), asyncio.Semaphore(_ROOM)
        self._lanes: dict[str, deque[Msg]] = {}
        self._held: dict[int, Msg] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._trouble = ""

    async def run(self) -> None:
        """Consumes for ever. Survives the loss of NATS, and of all that NATS stored."""
        beat = asyncio.create_task(self._beat())
        try:
            while True:
                await self._consume_until_lost()
        finally:
            beat.cancel()
            await self._finish()

    async def _consume_until_lost(self) -> None:
        try:
            await self._consume()
        except (NatsError, OSError, TimeoutError) as error:
            if repr(error) != self._trouble:  # the same again every half second helps nobody
                _log.info("consumer starts over", durable=self._durable, error=repr(error))
            self._trouble = repr(error)
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
                await self._fetch(subscription)
        finally:
            with contextlib.suppress(NatsError, OSError):
                await subscription.unsubscribe()

    async def _fetch(self, subscription: Any) -> None:
        begun: list[str] = []
        with contextlib.suppress(TimeoutError):
            for message in await subscription.fetch(_BATCH, timeout=_FETCH_SECONDS):
                begun += await self._take(message)
        if self._together is not None and len(begun) > 1:
            self._spawn(self._run_together(self._together, begun))
            return
        for name in begun:
            self._spawn(self._run_lane(name))

    async def _take(self, message: Msg) -> Sequence[str]:
        """Puts a message in the lane of its entity; the name of the lane when it is a new one, to be run."""
        sequence = message.metadata.sequence.stream
        if sequence in self._held:
            return ()  # it came again while it is being worked on
        await self._room.acquire()
        self._held[sequence] = message
        name = _entity(message) or f"#{sequence}"
        if name in self._lanes:
            self._lanes[name].append(message)
            return ()
        self._lanes[name] = deque([message])
        return (name,)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run_together(self, together: Together, names: Sequence[str]) -> None:
        """The first events of the lanes at once, as far as that goes; then each lane by itself."""
        for events in self._by_tenant(names).values():
            for name in await self._attempt_together(together, events):
                self._let_go(self._lanes[name].popleft())
        left = [name for name in names if self._lanes[name]]
        for name in set(names).difference(left):
            del self._lanes[name]
        await asyncio.gather(*[self._run_lane(name) for name in left])

    def _by_tenant(self, names: Sequence[str]) -> dict[str, dict[str, Event]]:
        """The first events of the lanes that can be read, by tenant and lane."""
        found: dict[str, dict[str, Event]] = defaultdict(dict)
        for name in names:
            message = self._lanes[name][0]
            event = read(message.subject, _headers(message), message.data, self._durable)
            if event is not None:
                found[event.tenant][name] = event
        return found

    async def _attempt_together(self, together: Together, events: Mapping[str, Event]) -> Sequence[str]:
        """Names of the lanes whose event is handled."""
        started = time.perf_counter()
        try:
            async with self._slots, asyncio.timeout(_HANDLER_SECONDS):
                left = await together(list(events.values()))
        except Exception as error:  # by itself each of them is tried again, or buried
            _log.info("events go one by one", durable=self._durable, count=len(events), error=repr(error))
            return ()
        done = [name for name, event in events.items() if event not in left]
        for name in done:
            with contextlib.suppress(NatsError, OSError):  # without the ack it comes again, to no effect
                await self._lanes[name][0].ack()
        consumed.labels(self._durable, "ok").inc(len(done))
        milliseconds = round((time.perf_counter() - started) * 1000, 2)
        for name in done:  # a line each, which is found by the trace of the call that made the event
            event = events[name]
            with telemetry.work(event.traceparent, event.request_id or None, event.tenant):
                _log.info(
                    "event", subject=event.subject, event_id=event.id, ms=milliseconds, together=len(done)
                )
        return done

    async def _run_lane(self, name: str) -> None:
        lane = self._lanes[name]
        try:
            while lane:
                await self._digest(lane[0])
                self._let_go(lane.popleft())
        finally:
            del self._lanes[name]
            for message in lane:
                self._let_go(message)

    async def _digest(self, message: Msg) -> None:
        """Tries until the event is handled or buried."""
        event = read(message.subject, _headers(message), message.data, self._durable)
        reason = "no event of Giro: its subject or its id is missing" if event is None else ""
        tries = failed = 0
        while True:
            error = await self._attempt(event, message) if event else None
            if event and error is None:
                return
            tries += 1
            failed += error is not None and not _something_is_away(error)
            if isinstance(error, DecodeError) or failed >= self._max_deliver:
                reason = f"failed {failed} times: {error!r}"
            if reason and await self._bury(message, event, reason, tries):
                return
            await asyncio.sleep(self._backoff[min(tries, len(self._backoff)) - 1])

    async def _attempt(self, event: Event, message: Msg) -> Exception | None:
        work = telemetry.enter(event.traceparent, event.request_id or None, event.tenant)
        started = time.perf_counter()
        try:
            async with self._slots, asyncio.timeout(_HANDLER_SECONDS):
                await self._handler(event)
        except Exception as error:
            consumed.labels(self._durable, "retry").inc()
            known = _something_is_away(error)
            _log.warning("event failed", event_id=event.id, error=repr(error), exc_info=not known)
            return error
        else:
            with contextlib.suppress(NatsError, OSError):  # without the ack it comes again, to no effect
                await message.ack()
            consumed.labels(self._durable, "ok").inc()
            milliseconds = round((time.perf_counter() - started) * 1000, 2)
            _log.info("event", subject=event.subject, event_id=event.id, ms=milliseconds)
            return None
        finally:
            telemetry.leave(work)

    async def _bury(self, message: Msg, event: Event | None, reason: str, tries: int) -> bool:
        letter = DeadLetter(
            durable=self._durable,
            event_id=event.id if event else f"{self._stream}:{message.metadata.sequence.stream}",
            tenant=event.tenant if event else NO_TENANT,
            subject=message.subject,
            headers=_headers(message),
            data=message.data,
            reason=reason,
            deliveries=tries,
        )
        try:
            await bury(letter, self._bus, self._db)
            await message.term()
        except Exception as error:
            _log.error("dead letter not kept", event_id=letter.event_id, error=repr(error))
            return False
        consumed.labels(self._durable, "dead").inc()
        return True

    async def _beat(self) -> None:
        """Tells the server again and again that what is held here is being worked on."""
        while True:
            await asyncio.sleep(_BEAT_SECONDS)
            for message in list(self._held.values()):
                with contextlib.suppress(NatsError, OSError):
                    await message.in_progress()

    async def _finish(self) -> None:
        """Lets handlers that run come to their end; gives the rest back for others to take at once."""
        for lane in self._lanes.values():
            while len(lane) > 1:
                message = lane.pop()
                self._let_go(message)
                with contextlib.suppress(NatsError, OSError):
                    await message.nak()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=_GRACE_SECONDS)
            for task in late:
                task.cancel()

    def _let_go(self, message: Msg) -> None:
        self._held.pop(message.metadata.sequence.stream, None)
        self._room.release()


def _something_is_away(error: Exception) -> bool:
    if isinstance(error, failures.DRIVER_ERRORS):
        return isinstance(failures.translate(error, {}), Conflict | Unavailable)
    return isinstance(error, Conflict | Unavailable | Exhausted | OSError | TimeoutError | NatsError)


def _headers(message: Msg) -> dict[str, str]:
    return dict(message.headers or {})


def _entity(message: Msg) -> str:
    return _headers(message).get(ENTITY_HEADER, "")
