"""The connection to NATS: it comes up when NATS does, comes back after outages, keeps the streams there."""

import asyncio
import contextlib
from typing import Any, Final

from nats.aio.client import Client as NatsClient
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import BadRequestError

from kit import subjects, telemetry

DLQ_STREAM: Final = "GIRO_DLQ"

_DAY: Final = 86_400
_EVENT_DAYS: Final = 14
_DEAD_LETTER_DAYS: Final = 90
_DUPLICATE_WINDOW: Final = 120

_log = telemetry.logger("kit.bus")


class Bus:
    """One connection of a process. It never fails because NATS is away; waiting is the caller's choice."""

    def __init__(self, url: str, name: str = "giro") -> None:
        self._url, self._name = url, name
        self._client = NatsClient()
        self._streams: dict[str, StreamConfig] = {}
        self._connected = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self.epoch = 0
        """Counts connections; another number means that subscriptions are to be made anew."""

    async def start(self, patience: float = 2.0) -> None:
        """Begins to connect, and waits at most `patience` seconds for it; goes on trying after that."""
        self._spawn(self._connect())
        with contextlib.suppress(TimeoutError):
            await self.wait_connected(patience)

    async def stop(self) -> None:
        """Closes the connection."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with contextlib.suppress(NatsError, OSError, TimeoutError):
            await self._client.close()

    @property
    def is_connected(self) -> bool:
        """Whether NATS is there at this moment."""
        return self._connected.is_set()

    @property
    def jetstream(self) -> JetStreamContext:
        """JetStream; its calls raise errors of nats while NATS is away."""
        return self._client.jetstream(timeout=3)

    async def wait_connected(self, patience: float | None = None) -> None:
        """Waits until NATS is there. Raises TimeoutError when it is not within `patience` seconds."""
        await asyncio.wait_for(self._connected.wait(), patience)

    async def keep_stream(self, config: StreamConfig) -> None:
        """Makes the stream now when NATS is there, and again whenever it comes back without it."""
        self._streams[str(config.name)] = config
        if self.is_connected:
            await self.ensure_streams()

    async def ensure_streams(self) -> None:
        """Makes or updates all streams that are to be kept. Errors are logged: the next use tries again."""
        for config in list(self._streams.values()):  # another may be added while one is made
            try:
                await self._ensure(config)
            except (NatsError, OSError, TimeoutError) as error:
                _log.warning("stream not ensured", stream=config.name, error=repr(error))

    async def _ensure(self, config: StreamConfig) -> None:
        try:
            await self.jetstream.add_stream(config)
        except BadRequestError:  # it is there with another configuration
            await self.jetstream.update_stream(config)

    async def _connect(self) -> None:
        await self._client.connect(
            self._url,
            name=self._name,
            max_reconnect_attempts=-1,
            reconnect_time_wait=1,
            connect_timeout=2,
            ping_interval=10,
            error_cb=self._on_error,
            disconnected_cb=self._on_disconnected,
            reconnected_cb=self._on_connected,
        )
        await self._on_connected()

    async def _on_connected(self) -> None:
        self.epoch += 1
        self._connected.set()
        _log.info("connected to NATS", epoch=self.epoch)
        self._spawn(self.ensure_streams())

    async def _on_disconnected(self) -> None:
        if self._connected.is_set():
            self._connected.clear()
            _log.warning("connection to NATS lost")

    async def _on_error(self, error: Exception) -> None:
        _log.debug("error of NATS", error=repr(error))

    def _spawn(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def connect(url: str, name: str = "giro") -> Bus:
    """A started bus. Returns without a connection when NATS is away: the bus goes on trying."""
    bus = Bus(url, name)
    await bus.start()
    return bus


async def ensure_stream(bus: Bus, service: str, replicas: int = 1) -> None:
    """Keeps the stream of a service's events, and the one of dead letters."""
    await bus.keep_stream(_config(subjects.stream(service), f"giro.evt.*.{service}.>", replicas, _EVENT_DAYS))
    await bus.keep_stream(_config(DLQ_STREAM, "giro.dlq.>", replicas, _DEAD_LETTER_DAYS))


def _config(name: str, subject: str, replicas: int, days: int) -> StreamConfig:
    return StreamConfig(
        name=name,
        subjects=[subject],
        retention=RetentionPolicy.LIMITS,
        discard=DiscardPolicy.OLD,
        storage=StorageType.FILE,
        max_age=days * _DAY,
        num_replicas=replicas,
        duplicate_window=_DUPLICATE_WINDOW,
    )
