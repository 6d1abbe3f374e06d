"""Our SIP client against SIPp."""

import asyncio
from dataclasses import replace
from pathlib import Path

from rigs import TENANT, Clock, Phone, Told
from sip_peer import SIPP, SipPeer

from kit.testing.ports import free_port
from reminders.clients.journal import MemoryJournal
from reminders.clients.sip import SipVoice, Trunk, installed
from reminders.usecases.ports import CallReport

MISSING = "" if SIPP and installed() else "a call over SIP needs PJSIP (extra sip), espeak-ng, sip-tester"


class SipRig:
    """See rigs.Rig. All numbers are one telephone, which begins to behave at the first call."""

    def __init__(self, folder: Path) -> None:
        self.clock, self.sink, self.journal = Clock(), Told(), MemoryJournal()
        self.peer = SipPeer(folder, free_port())
        trunk = Trunk(
            f"127.0.0.1:{self.peer.port}",
            address="127.0.0.1",
            first_word_seconds=30.0,
            key_wait_seconds=0.3,
        )
        self.provider = SipVoice(self.sink, self.journal, self.clock, trunk)

    async def stop(self) -> None:
        await self.provider.stop()
        await self.peer.stop()

    @property
    def told(self) -> list[CallReport]:
        return self.sink.reports

    async def phone(self, number: str, phone: Phone) -> None:
        if phone.dead:  # no word will come, so that nothing is lost by not waiting for it
            self.provider._trunk = replace(self.provider._trunk, first_word_seconds=1.0)
            await self.peer.stop()
        else:
            await self.peer.start(phone)

    async def settled(self, reference: str) -> None:
        await asyncio.gather(*self.provider._tasks)

    def rings(self, number: str) -> int:
        return self.peer.rings()

    def heard(self, number: str) -> list[str]:
        return []

    async def told_again(self, reference: str) -> None:
        for report in reversed(self.told.copy()):
            entry = await self.journal.learn(TENANT, report)
            await self.sink(TENANT, entry.report)
