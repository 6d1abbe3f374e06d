"""Fixtures of geo's tests."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from kit.testing.databases import Databases
from services.geo.tests.support.world import Roads, World, open_world


@pytest_asyncio.fixture(scope="module")
async def world(make_database: Databases) -> AsyncIterator[World]:
    """One database for a module; tests keep apart by their agents."""
    opened = await open_world(make_database(["geo"]))
    yield opened
    await opened.db.stop()


@pytest.fixture(autouse=True)
def _roads_as_usual(request: pytest.FixtureRequest) -> None:
    """Each test finds the roads as they are usually."""
    if "world" in request.fixturenames:
        roads: Roads = request.getfixturevalue("world").roads
        roads.seconds.clear()
        roads.asked.clear()
        roads.usual, roads.data, roads.closed, roads.instant = 1200, "test-1", False, False


@pytest.fixture(params=["asked before the lock", "known at once"])
def either_engine(request: pytest.FixtureRequest, world: World, _roads_as_usual: None) -> None:
    """Once with an engine that takes its time, once with one that needs no I/O."""
    world.roads.instant = request.param == "known at once"
