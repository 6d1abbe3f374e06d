"""Across services: one running stack for each worker of the test run, driven through its gateway."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from allinone.stack import Stack, StackOptions
from tests.failures.armed import FILE
from tests.world import World

QUICK_SETTLING = {
    "GIRO_SETTLE_AFTER": "6",
    "GIRO_SETTLE_EVERY": "0.5",
    "GIRO_LEDGER_TIMEOUT": "5",
    "GIRO_OFFER_EVERY": "1",
    "GIRO_MOVES_AT_ONCE": "2",
}
"""What a crash left is settled after six seconds instead of fifteen; openings are looked at each second;
procedures move visits two by two, so that a run of few is worked in several transactions."""


@pytest_asyncio.fixture(scope="package")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """PostgreSQL, NATS, every service and Envoy, started once; they are stopped after the last test in here.

    Idle they would still take a part of the processor from all the tests after these.
    """
    folder = tmp_path_factory.mktemp("stack")
    armed = {name: {FILE: str(folder / f"armed-{name}")} for name in ("booking", "geo")}
    overrides = {**armed, "booking": {**QUICK_SETTLING, **armed["booking"]}}
    options = StackOptions.for_tests(folder, overrides=overrides)
    async with Stack(options) as running:
        yield running


@pytest_asyncio.fixture
async def world(stack: Stack) -> AsyncIterator[World]:
    """A fresh tenant with two agents."""
    made = await World.make(stack)
    yield made
    await made.close()
