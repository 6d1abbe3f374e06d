"""The voice providers that keep the contract, one after the other."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

sys.path.insert(0, str(Path(__file__).parent / "support"))

from rigs import Rig
from simulated_rig import SimulatedRig
from twilio_rig import TwilioRig


@pytest_asyncio.fixture
async def twilio() -> AsyncIterator[TwilioRig]:
    """Our side of Twilio and a peer that keeps Twilio's contract."""
    rig = TwilioRig()
    await rig.start()
    yield rig
    await rig.stop()


@pytest_asyncio.fixture(params=["simulated", "twilio"])
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    """Each provider in turn."""
    if request.param == "simulated":
        yield SimulatedRig()
        return
    made = TwilioRig()
    await made.start()
    yield made
    await made.stop()
