"""The whole service on real PostgreSQL and NATS: feed, reconciler, outage of the bus, start and end."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from booking_house import House
from house_clock import soon

from booking.app import BookingApp
from booking.settings import Settings
from booking.usecases.list_recent_changes import list_recent_changes
from giro.booking.v1 import booking_pb2 as pb
from giro.booking.v1.booking_pb2_grpc import BookingServiceStub
from kit.errors import GiroError
from kit.rpc.client import Client
from kit.rpc.tokens import ServiceTokens
from kit.settings import SettingsError
from kit.testing.databases import DatabaseUrls
from kit.testing.nats import NatsServer
from kit.testing.ports import free_port

pytestmark = pytest.mark.asyncio(loop_scope="session")

SECRET = "s" * 32


def environment(urls: DatabaseUrls, nats: NatsServer, tmp_path: Any) -> dict[str, Any]:
    keys = tmp_path / "jwks.json"
    keys.write_text('{"keys": []}')
    return {
        "database_url": urls.app("booking"),
        "worker_database_url": urls.worker("booking"),
        "nats_url": nats.url,
        "jwks_file": str(keys),
        "service_key": SECRET,
        "slot_token_key": "t" * 32,
        "geo_target": "127.0.0.1:1",
        "sandbox": True,
    }


@pytest_asyncio.fixture
async def app(
    urls: DatabaseUrls, make_nats_server: Callable[[], NatsServer], tmp_path: Any
) -> AsyncIterator[Any]:
    """The service with a NATS of its own; geo is away."""
    nats = make_nats_server()
    made = BookingApp(Settings(**environment(urls, nats, tmp_path)))
    await made.start()
    yield made, nats
    await made.stop()


async def within(seconds: float, done: Callable[[], Awaitable[bool]]) -> float:
    """Seconds until `done()`; fails when it takes longer."""
    began = time.monotonic()
    while not await done():
        assert time.monotonic() - began < seconds
        await asyncio.sleep(0.02)
    return time.monotonic() - began


async def fed(house: House, count: int) -> bool:
    page = await list_recent_changes(house.desk, "", 200, "")
    return len(page.changes) >= count


async def test_a_booking_shows_in_the_feed_soon_after_its_commit(house: House, app: Any) -> None:
    await house.booked()
    await within(60, lambda: fed(house, 1))  # warm: streams and consumers are there
    await house.booked(soon(50))
    await within(60, lambda: fed(house, 2))


async def test_bookings_go_on_without_nats_and_each_event_counts_once(house: House, app: Any) -> None:
    _, nats = app
    nats.stop()
    for hours in (48, 50, 52):
        await house.booked(soon(hours))
    assert not await fed(house, 1)
    nats.start()
    await within(60, lambda: fed(house, 3))
    page = await list_recent_changes(house.desk, "", 200, "")
    assert len(page.changes) == 3


async def test_it_serves_and_answers_without_geo(house: House, app: Any) -> None:
    served, _ = app
    client = Client(f"127.0.0.1:{served.server.port}", ServiceTokens("test", SECRET))
    stub: Any = BookingServiceStub(client.channel)  # type: ignore[no-untyped-call]
    listed = await client.call(stub.ListCampaigns, pb.ListCampaignsRequest(), tenant=house.tenant)
    assert len(listed.campaigns) == 0
    with pytest.raises(GiroError) as refused:
        await client.call(
            stub.CreateCampaign,
            pb.CreateCampaignRequest(
                display_name="x", agent_ids=["agt_1"], time_zone="Europe/Rome", request_id="12345678"
            ),
            tenant=house.tenant,
        )
    assert refused.value.code == "UNAVAILABLE"
    await client.close()


async def test_settings_that_are_missing_are_named(
    urls: DatabaseUrls, nats_server: NatsServer, tmp_path: Any
) -> None:
    complete = environment(urls, nats_server, tmp_path)
    with pytest.raises(SettingsError, match="GIRO_SLOT_TOKEN_KEY"):
        BookingApp(Settings(**{**complete, "slot_token_key": ""}))
    short = BookingApp(Settings(**{**complete, "slot_token_key": "short"}))
    with pytest.raises(SettingsError, match="GIRO_SLOT_TOKEN_KEY"):
        await short.start()
    await short.stop()


async def test_the_process_migrates_serves_and_ends_in_order(
    make_database: Any, nats_server: NatsServer, tmp_path: Any
) -> None:
    urls = make_database.bare(["booking"])
    metrics = free_port()
    settings = {**environment(urls, nats_server, tmp_path), "metrics_port": metrics}
    names = {f"GIRO_BOOKING_{name.upper()}": str(value) for name, value in settings.items()}
    names["GIRO_BOOKING_MIGRATE_DATABASE_URL"] = urls.owner("booking")
    names["GIRO_BOOKING_PORT"] = str(port := free_port())
    environ = {**os.environ, **names}
    assert await (await _run("migrate", environ)).wait() == 0
    process = await _run("serve", environ)
    try:
        client = Client(f"127.0.0.1:{port}", ServiceTokens("test", SECRET))
        await within(60, lambda: _answers(client))
        await client.close()
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 60) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _run(verb: str, environ: dict[str, str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(sys.executable, "-m", "booking", verb, env=environ)


async def _answers(client: Client) -> bool:
    stub: Any = BookingServiceStub(client.channel)  # type: ignore[no-untyped-call]
    try:
        await client.call(stub.ListCampaigns, pb.ListCampaignsRequest(), tenant="ten_1", timeout=1)
    except GiroError as refused:
        return refused.code != "UNAVAILABLE"
    return True
