"""A service's outbox, relay and consumers on real PostgreSQL and nats-server."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.wrappers_pb2 import StringValue
from sqlalchemy import text

from kit import subjects
from kit.bus import relay
from kit.bus.connect import Bus
from kit.bus.consumer import Consumer
from kit.bus.events import Event
from kit.db.engine import Database
from kit.testing.nats import NatsServer
from kit.values.ids import new_id

BACKOFF = (0.05, 0.1, 0.1, 0.1)


async def until(condition: Callable[[], Awaitable[bool] | bool], seconds: float = 60) -> None:
    """Waits until it holds; fails when it never does."""
    async with asyncio.timeout(seconds):
        while True:
            held = condition()
            if await held if isinstance(held, Awaitable) else held:
                return
            await asyncio.sleep(0.02)


@dataclass
class World:
    """A service's database, a bus, and the background tasks between them."""

    db: Database
    bus: Bus
    nats: NatsServer
    durable: str = field(default_factory=lambda: new_id("tst"))
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    seen: list[Event] = field(default_factory=list)

    def run(self, runner: Any) -> asyncio.Task[None]:
        task = asyncio.create_task(runner.run())
        self.tasks.append(task)
        return task

    def relay(self) -> asyncio.Task[None]:
        return self.run(relay.Relay(self.db, self.bus, "probe"))

    def consume(self, tenant: str, handler: Any = None, **options: Any) -> asyncio.Task[None]:
        """Consumes one tenant's events with a handler that has a visible effect."""
        filters = [subjects.evt(tenant, "probe", ">")]
        options = {"backoff": BACKOFF, "db": self.db, **options}
        chosen = handler or self.effect
        return self.run(Consumer(self.bus, self.durable, "GIRO_PROBE", filters, chosen, **options))

    async def effect(self, event: Event) -> None:
        """Adds one to the thing's number, once per event."""
        self.seen.append(event)
        value = StringValue.FromString(event.data).value
        async with self.db.uow(event.tenant, event.claim) as tx:
            if tx.duplicate:
                return
            count = text(
                "INSERT INTO probe.things (tenant_id, id, n) VALUES (:t, :id, 1)"
                " ON CONFLICT (tenant_id, id) DO UPDATE SET n = things.n + 1"
            )
            await tx.run(count, {"t": event.tenant, "id": value})

    async def tell(self, tenant: str, *values: str, entity: str = "") -> None:
        """One transaction for each event."""
        for value in values:
            async with self.db.uow(tenant) as tx:
                tx.emit("thing.made", entity or value, StringValue(value=value))

    async def effects(self, tenant: str) -> dict[str, int]:
        async with self.db.uow(tenant) as tx:
            return {row.id: row.n for row in await tx.run(text("SELECT id, n FROM probe.things"))}

    async def stored(self, table: str, tenant: str) -> int:
        async with self.db.uow(tenant) as tx:
            return int((await tx.run(text(f"SELECT count(*) FROM probe.{table}"))).scalar_one())

    async def has_effects(self, tenant: str, *values: str) -> bool:
        return set(await self.effects(tenant)) >= set(values)
