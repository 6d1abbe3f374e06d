"""The voice providers that keep the contract, one after the other."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

sys.path.insert(0, str(Path(__file__).parent / "support"))

from rigs import Rig
from simulated_rig import SimulatedRig


@pytest_asyncio.fixture(params=["simulated"])
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    """Each provider in turn."""
    yield SimulatedRig()
