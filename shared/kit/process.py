"""What a process of a service opens before it works, in its order; the stack closes it in the reverse one."""

from contextlib import AsyncExitStack
from typing import Final

from kit import telemetry
from kit.bus.connect import Bus, ensure_stream
from kit.bus.relay import Relay
from kit.db.engine import Database
from kit.db.failures import Constraints
from kit.runtime import Background
from kit.settings import ServiceSettings, SettingsError, variable

CONNECTS: Final = ("database_url", "worker_database_url", "nats_url")
"""Settings that `connect` needs."""


def database_of(settings: ServiceSettings, constraints: Constraints, pool_size: int = 10) -> Database:
    """The service's pools, not yet checked. Raises SettingsError without an address."""
    settings.require("database_url")
    return Database(
        settings.database_url,
        service=settings.service,
        schema=settings.service,
        sandbox=settings.sandbox,
        worker_url=settings.worker_database_url or None,
        pool_size=pool_size,
        constraints=constraints,
    )


async def connect(settings: ServiceSettings, db: Database, opened: AsyncExitStack) -> Bus:
    """The page with its metrics, the checked database, the bus with the service's stream.

    Raises SettingsError for a metrics port that is taken.
    """
    metrics = telemetry.MetricsPage(settings.host, settings.metrics_port)
    try:
        metrics.start()
    except OSError as taken:
        raise SettingsError(f"{variable(type(settings), 'metrics_port')}: {taken}") from None
    opened.callback(metrics.stop)
    opened.push_async_callback(db.stop)
    await db.start()
    bus = Bus(settings.nats_url, f"giro-{settings.service}")
    opened.push_async_callback(bus.stop)
    await bus.start()
    await ensure_stream(bus, settings.service, settings.stream_replicas)
    return bus


def background_of(opened: AsyncExitStack) -> Background:
    """Background tasks that end before what was opened earlier is closed."""
    tasks = Background()
    opened.push_async_callback(tasks.stop)
    return tasks


class RelayApp:
    """Sends a service's events and nothing else."""

    def __init__(self, settings: ServiceSettings, db: Database) -> None:
        self._settings, self._db = settings, db
        self._open = AsyncExitStack()

    async def start(self) -> None:
        """Connects and begins to send."""
        bus = await connect(self._settings, self._db, self._open)
        background_of(self._open).spawn("relay", Relay(self._db, bus, self._settings.service).run)

    async def stop(self) -> None:
        """Stops sending and closes everything."""
        await self._open.aclose()
