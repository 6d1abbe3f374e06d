"""Our Twilio client and its webhooks, against the peer."""

import asyncio

from rigs import TENANT, Clock, Phone, Told
from twilio_peer import TwilioPeer

from kit.testing.ports import free_port
from reminders.clients.journal import MemoryJournal
from reminders.clients.twilio import Options, TwilioVoice
from reminders.clients.twilio_api import Account, Accounts, Api
from reminders.transport.webhooks import TwilioWebhooks, WebhookServer
from reminders.usecases.ports import CallReport

OWN = Account("AC" + "0" * 32, "own-token")


class TwilioRig:
    """See rigs.Rig."""

    def __init__(self) -> None:
        self.clock, self.sink, self.journal = Clock(), Told(), MemoryJournal()
        self.peer = TwilioPeer(self.clock, OWN.sid, OWN.token)
        self.port = free_port()
        self.public = f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        self.host = await self.peer.start()
        self.api = Api(Accounts(OWN), timeout=4.0, host=self.host)
        self.provider = TwilioVoice(self.sink, self.journal, self.api, self.clock, Options(self.public))
        webhooks = TwilioWebhooks(
            self.provider, self.api.accounts.of, self.public, now=lambda: self.clock.now
        )
        self.server = WebhookServer(webhooks.application(), "127.0.0.1", self.port)
        assert await self.server.start() == self.port

    async def stop(self) -> None:
        await self.peer.stop()
        await self.server.stop()
        await self.api.close()
        assert self.peer.faults == []

    @property
    def told(self) -> list[CallReport]:
        return self.sink.reports

    async def phone(self, number: str, phone: Phone) -> None:
        self.peer.phones[number] = phone

    async def settled(self, reference: str) -> None:
        await asyncio.gather(*(call.task for call in self.peer.of(reference) if call.task))

    def rings(self, number: str) -> int:
        return sum(call.one("To") == number and call.status != "failed" for call in self.peer.calls)

    def heard(self, number: str) -> list[str]:
        return [text for call in self.peer.calls if call.one("To") == number for text in call.heard]

    async def told_again(self, reference: str) -> None:
        for call in self.peer.of(reference):
            await self.peer.again(call)


__all__ = ["OWN", "TENANT", "TwilioRig"]
