"""The process that sends events and nothing else."""

import socket
from typing import ClassVar

import pytest
from bus_world import World, until

from kit.db.engine import Database
from kit.process import RelayApp
from kit.settings import ServiceSettings, SettingsError
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


async def test_a_metrics_port_that_is_taken_is_named(bus_urls: DatabaseUrls) -> None:
    url, worker_url = bus_urls.app("probe"), bus_urls.worker("probe")
    db = Database(url, service="probe", schema="probe", sandbox=False, worker_url=worker_url)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        app = RelayApp(ProbeSettings(metrics_port=taken.getsockname()[1]), db)
        with pytest.raises(SettingsError, match="GIRO_PROBE_METRICS_PORT"):
            await app.start()
        await app.stop()
