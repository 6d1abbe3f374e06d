"""Across services: one running stack for each worker of the test run, driven through its gateway."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from allinone.stack import Stack, StackOptions
from tests.world import World

QUICK_SETTLING = {
    "booking": {
        "GIRO_SETTLE_AFTER": "6",
        "GIRO_SETTLE_EVERY": "0.5",
        "GIRO_LEDGER_TIMEOUT": "5",
        "GIRO_OFFER_EVERY": "1",
    }
}
"""What a crash left is settled after six seconds instead of fifteen; openings are looked at each second."""


@pytest_asyncio.fixture(scope="session")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """PostgreSQL, NATS, every service and Envoy, started once."""
    options = StackOptions.for_tests(tmp_path_factory.mktemp("stack"), overrides=QUICK_SETTLING)
    async with Stack(options) as running:
        yield running


@pytest_asyncio.fixture
async def world(stack: Stack) -> AsyncIterator[World]:
    """A fresh tenant with two agents."""
    made = await World.make(stack)
    yield made
    await made.close()
