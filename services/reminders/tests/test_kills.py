"""kill -9 of workers at each point of 1,000 due reminders: none is lost, none rings twice (RE-14, I9)."""

import asyncio
import os
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from many_due import count_open, fill, rings
from reminder_house import House

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


def environment(urls: DatabaseUrls, nats: NatsServer, failpoint: str = "") -> dict[str, str]:
    return {
        **os.environ,
        "GIRO_REMINDERS_DATABASE_URL": urls.app("reminders"),
        "GIRO_REMINDERS_WORKER_DATABASE_URL": urls.worker("reminders"),
        "GIRO_NATS_URL": nats.url,
        "GIRO_SERVICE_KEY": "k" * 40,
        "GIRO_SANDBOX": "true",
        "GIRO_REMINDERS_LOOK_UP_EVERY": "0.2",
        "GIRO_LOG_LEVEL": "WARNING",
        "GIRO_FAILPOINTS": f"{failpoint}=kill" if failpoint else "",
    }


async def start(made: dict[str, str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(sys.executable, "-m", "reminders", "work", env=made)


async def test_a_thousand_due_and_a_kill_at_each_point(
    house: House, urls: DatabaseUrls, nats_server: NatsServer
) -> None:
    await fill(house, MANY)
    for number, point in enumerate(POINTS, start=1):
        worker = await start(environment(urls, nats_server, point))
        assert await asyncio.wait_for(worker.wait(), 30) == KILLED, point
        # what the dead one had claimed, or asked for, is free or looked up after this
        await house.go_to(datetime.now(UTC) + number * timedelta(minutes=6))
    assert 0 < await count_open(house) <= MANY
    await _finish(house, environment(urls, nats_server))
    found = await rings(house)
    assert len(found) == MANY
    assert Counter(found.values()) == {1: MANY}
    rows = await house.rows("reminders")
    assert Counter((row.state, row.outcome) for row in rows) == {("DONE", "COMING"): MANY}
    assert len(await house.rows("charges")) == MANY


async def _finish(house: House, made: dict[str, str]) -> None:
    """Two workers at once make the rest."""
    workers = [await start(made) for _ in range(2)]
    try:
        for number in range(1000):
            if not await count_open(house):
                return
            if number % 50 == 49:  # calls that were under way when their worker died are looked up
                await house.go_to(await house.now() + timedelta(minutes=6))
            await asyncio.sleep(0.2)
        pytest.fail(f"{await count_open(house)} are still open")
    finally:
        for worker in workers:
            worker.terminate()
        assert [await asyncio.wait_for(worker.wait(), 20) for worker in workers] == [0, 0]
