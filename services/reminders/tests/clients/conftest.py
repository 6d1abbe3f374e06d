"""The voice providers that keep the contract, one after the other."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

sys.path.insert(0, str(Path(__file__).parent / "support"))

from rigs import Rig
from simulated_rig import SimulatedRig
from sip_rig import MISSING, SipRig
from twilio_rig import TwilioRig


@pytest_asyncio.fixture
async def twilio() -> AsyncIterator[TwilioRig]:
    """Our side of Twilio and a peer that keeps Twilio's contract."""
    rig = TwilioRig()
    await rig.start()
    yield rig
    await rig.stop()


@pytest_asyncio.fixture(params=["simulated", "twilio", "sip"])
async def rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    """Each provider in turn."""
    if request.param == "simulated":
        yield SimulatedRig()
    elif request.param == "twilio":
        made = TwilioRig()
        await made.start()
        yield made
        await made.stop()
    else:
        over_sip = sip_rig(tmp_path)
        yield over_sip
        await over_sip.stop()


@pytest_asyncio.fixture
async def sip(tmp_path: Path) -> AsyncIterator[SipRig]:
    """Our side of SIP, and SIPp."""
    made = sip_rig(tmp_path)
    yield made
    await made.stop()


def sip_rig(folder: Path) -> SipRig:
    """Skips where the telephone is missing."""
    if MISSING:
        pytest.skip(MISSING)
    return SipRig(folder)
