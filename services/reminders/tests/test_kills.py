"""kill -9 of workers at each point of 1,000 due reminders: none is lost, none rings twice (RE-14, I9)."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta

import grpc
import pytest
import pytest_asyncio
from many_due import count_open, fill, rings
from reminder_house import House
from workers import ended, start

from giro.booking.v1 import visits_pb2
from giro.booking.v1.visits_pb2_grpc import VisitsServiceServicer, add_VisitsServiceServicer_to_server
from kit.testing.databases import DatabaseUrls
from kit.testing.nats import NatsServer

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow, pytest.mark.timeout(300)]

MANY = 1000
KILLED = -9
POINTS = (
    "reminders.make.after_claim",
    "reminders.place.before_provider",
    "reminders.hear.before_settle",
    "reminders.place.after_provider",
    "reminders.hear.after_commit",
)


class Booking(VisitsServiceServicer):
    """Booking, as far as workers ask it: every appointment takes place, as it was told."""

    async def GetVisit(  # noqa: N802 - the contract's name
        self, request: visits_pb2.GetVisitRequest, _: object
    ) -> visits_pb2.Visit:
        plain = request.appointment_id.removeprefix("apt_")
        if not plain.isdecimal():  # another test's, which these workers find due as well
            return visits_pb2.Visit(appointment_id=request.appointment_id, version=1)
        number = int(plain)
        return visits_pb2.Visit(
            appointment_id=request.appointment_id,
            version=1,
            takes_place=True,
            display_name="Ada",
            phone=f"+3712{number:07}",
            language="en",
        )


@pytest_asyncio.fixture(loop_scope="session")
async def booking() -> AsyncIterator[str]:
    """Where it answers."""
    server = grpc.aio.server()
    add_VisitsServiceServicer_to_server(Booking(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(None)


@pytest.fixture
def made(urls: DatabaseUrls, nats_server: NatsServer, booking: str) -> dict[str, str]:
    """A worker's environment."""
    return {
        "GIRO_REMINDERS_DATABASE_URL": urls.app("reminders"),
        "GIRO_REMINDERS_WORKER_DATABASE_URL": urls.worker("reminders"),
        "GIRO_REMINDERS_BOOKING_TARGET": booking,
        "GIRO_NATS_URL": nats_server.url,
        "GIRO_SERVICE_KEY": "k" * 40,
        "GIRO_SANDBOX": "true",
        "GIRO_REMINDERS_LOOK_UP_EVERY": "0.2",
        "GIRO_LOG_LEVEL": "WARNING",
    }


async def test_a_thousand_due_and_a_kill_at_each_point(house: House, made: dict[str, str]) -> None:
    """All that die are there at once, so that each meets what the others have left."""
    await fill(house, MANY)
    doomed = [start(made, point) for point in POINTS]
    assert [await ended(each, 60) for each in doomed] == [KILLED] * len(POINTS)
    assert 0 < await count_open(house) <= MANY
    assert await _left_behind(house)
    await _finish(house, made)
    found = await rings(house)
    assert len(found) == MANY
    assert Counter(found.values()) == {1: MANY}
    rows = await house.rows("reminders")
    assert Counter((row.state, row.outcome) for row in rows) == {("DONE", "COMING"): MANY}
    assert len(await house.rows("charges")) == MANY


async def _left_behind(house: House) -> int:
    """What the dead had claimed, or asked for."""
    return sum(row.state in {"CLAIMED", "CALLING"} for row in await house.rows("reminders"))


async def _finish(house: House, made: dict[str, str]) -> None:
    """Two workers at once make the rest; what the dead left is free, or looked up, when its time has come."""
    workers = [start(made) for _ in range(2)]
    try:
        for _ in range(300):
            await asyncio.sleep(0.3)
            if not await count_open(house):
                return
            if not await count_open(house, "WAITING"):  # only time brings on the rest
                await house.go_to(await house.now() + timedelta(minutes=6))
        pytest.fail(f"{await count_open(house)} are still open")
    finally:
        for worker in workers:
            worker.terminate()
        assert [await ended(worker, 20) for worker in workers] == [0, 0]
