"""`python -m booking resend`: what NATS lost before it was consumed is sent once more."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from booking_house import House
from sqlalchemy import text

from booking.__main__ import main
from booking.usecases.cancel_appointment import CancelAppointment, cancel_appointment
from kit.bus.connect import Bus, connect, ensure_stream
from kit.bus.relay import Relay
from kit.testing.databases import DatabaseUrls
from kit.testing.nats import NatsServer
from tests.eventually import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

Sent = list[tuple[str, str, bytes]]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, urls: DatabaseUrls) -> None:
    """What the command is told."""
    monkeypatch.setenv("GIRO_DATABASE_URL", urls.app("booking"))


@pytest.fixture(autouse=True)
def nothing_of_others(urls: DatabaseUrls) -> None:
    """A relay sends what all tenants of this database left in the outbox: nobody waits for that here."""
    with psycopg.connect(urls.admin.replace("postgresql+psycopg://", "postgresql://")) as connection:
        connection.execute("DELETE FROM booking.outbox")


async def resend(tenant: str, since: str) -> None:
    """In a thread, since the command has an event loop of its own."""
    await asyncio.to_thread(main, ["resend", tenant, "--since", since])


async def _outbox(house: House) -> list[Any]:
    async with house.desk.db.uow(house.tenant) as tx:
        columns = "event_id, subject, entity_id, payload"
        return [tuple(row) for row in await tx.run(text(f"SELECT {columns} FROM booking.outbox ORDER BY id"))]


async def _sent(house: House, bus: Bus, number: int) -> Sent:
    """Empties the outbox; what the stream has of the tenant then, in its order."""
    relay = asyncio.create_task(Relay(house.desk.db, bus, "booking").run())
    try:
        await eventually(lambda: _outbox(house), lambda left: not left)
    finally:
        relay.cancel()
        await asyncio.gather(relay, return_exceptions=True)
    subscribed = await bus.jetstream.pull_subscribe(f"giro.evt.{house.tenant}.>", stream="GIRO_BOOKING")
    found = await subscribed.fetch(number, timeout=5)
    return [(each.subject, (each.headers or {})["Nats-Msg-Id"], each.data) for each in found]


async def test_a_stream_that_was_wiped_has_them_again(
    house: House, nats_server: NatsServer, capsys: pytest.CaptureFixture[str]
) -> None:
    bus = await connect(nats_server.url)
    await ensure_stream(bus, "booking")
    began = datetime.now(UTC) - timedelta(seconds=1)
    first, second = await house.booked(), await house.booked(agent=1)
    await house.reassign(first, house.agents[2])
    before = await _sent(house, bus, 3)
    nats_server.kill()
    nats_server.wipe()
    nats_server.start()
    await bus.wait_connected(30)
    await cancel_appointment(house.desk, CancelAppointment(second.appointment.appointment_id, 0, ""))
    waiting = await _outbox(house)
    await resend(house.tenant, began.isoformat())
    assert "4 events are on their way again" in capsys.readouterr().out
    again = await _outbox(house)
    assert (len(again), again[-1]) == (4, waiting[0]), "what waited was doubled, or overtakes what is older"
    after = await _sent(house, bus, 4)
    assert sorted(after[:3]) == sorted(before)
    assert {ident for _, ident, _ in after} == {row[0] for row in again}
    await bus.stop()


async def test_how_far_back_is_by_the_worlds_clock_and_not_the_tenants(
    house: House, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ids of events and what consumers remember know no test clock."""
    monkeypatch.setenv("GIRO_SANDBOX", "true")
    began = datetime.now(UTC) - timedelta(seconds=1)
    await house.booked()
    await house.advance(timedelta(days=60))
    await resend(house.tenant, began.isoformat())
    assert "1 events are on their way again" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("since", "wrong"),
    [
        ("yesterday", "is no instant"),
        ("2026-12-01T09:00", "has no time zone"),
        ("2020-01-01T00:00Z", "29 days ago"),
    ],
)
async def test_an_instant_that_is_none_or_too_long_ago_is_refused(
    house: House, capsys: pytest.CaptureFixture[str], since: str, wrong: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        await resend(house.tenant, since)
    assert ended.value.code == 2
    assert wrong in capsys.readouterr().err
    assert await _outbox(house) == []
