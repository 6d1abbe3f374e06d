"""Fixtures that a test module imports by name."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from gateway.testing.harness import Harness, start_harness


@pytest_asyncio.fixture(scope="module")
async def running_gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Harness]:
    """Envoy, edge and stub with the default settings, for one module."""
    harness = await start_harness(tmp_path_factory.mktemp("gateway"))
    yield harness
    await harness.stop()


@pytest.fixture
def gateway(running_gateway: Harness) -> Harness:
    """The module's gateway, its stub fresh."""
    running_gateway.stub.reset()
    return running_gateway
