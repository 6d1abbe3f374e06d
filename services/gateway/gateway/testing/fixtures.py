"""Fixtures that a test module imports by name."""

from collections.abc import AsyncIterator

import httpx2
import pytest
import pytest_asyncio

from gateway.testing.harness import Harness, start_harness


@pytest_asyncio.fixture(scope="module")
async def running_gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Harness]:
    """Envoy, edge and stub with the default settings, for one module."""
    harness = await start_harness(tmp_path_factory.mktemp("gateway"))
    yield harness
    await harness.stop()


@pytest_asyncio.fixture(scope="module")
async def anybody(running_gateway: Harness) -> AsyncIterator[httpx2.AsyncClient]:
    """A JSON client without a token."""
    async with _client(running_gateway, {}) as client:
        yield client


@pytest_asyncio.fixture(scope="module")
async def api(running_gateway: Harness) -> AsyncIterator[httpx2.AsyncClient]:
    """A JSON client with a good token."""
    async with _client(running_gateway, running_gateway.bearer) as client:
        yield client


def _client(harness: Harness, headers: dict[str, str]) -> httpx2.AsyncClient:
    # no TLS on loopback, and reading the system's certificates takes longer than most tests
    return httpx2.AsyncClient(base_url=harness.url, headers=headers, verify=False, timeout=60)


@pytest.fixture
def gateway(running_gateway: Harness) -> Harness:
    """The module's gateway, its stub fresh."""
    running_gateway.stub.reset()
    return running_gateway
