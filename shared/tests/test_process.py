"""The process that sends events and nothing else."""

from typing import ClassVar

import pytest
from bus_world import World, until

from kit.db.engine import Database
from kit.process import RelayApp
from kit.settings import ServiceSettings
from kit.testing.databases import DatabaseUrls

pytestmark = pytest.mark.asyncio


class ProbeSettings(ServiceSettings):
    """Settings of a service."""

    service: ClassVar[str] = "probe"


async def test_a_relay_alone_sends_what_waits_and_stops(
    world: World, tenant: str, bus_urls: DatabaseUrls
) -> None:
    await world.tell(tenant, "first")
    url, worker_url = bus_urls.app("probe"), bus_urls.worker("probe")
    db = Database(url, service="probe", schema="probe", sandbox=False, worker_url=worker_url)
    app = RelayApp(ProbeSettings(nats_url=world.nats.url), db)
    await app.start()
    try:
        await until(lambda: _is_sent(world, tenant), seconds=30)
    finally:
        await app.stop()
    await world.tell(tenant, "second")
    assert not await _is_sent(world, tenant), "it was stopped"
    world.relay()
    await until(lambda: _is_sent(world, tenant), seconds=30)


async def _is_sent(world: World, tenant: str) -> bool:
    return await world.stored("outbox", tenant) == 0
