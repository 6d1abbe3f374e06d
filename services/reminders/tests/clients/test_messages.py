"""E-mails against a real SMTP server, text messages against the Twilio peer."""

import asyncio
import email
import email.policy
from collections.abc import AsyncIterator
from email.message import EmailMessage
from typing import Any

import pytest
import pytest_asyncio
from aiosmtpd.smtp import SMTP, Envelope, Session
from rigs import TENANT
from twilio_rig import OWN, TwilioRig

from kit.testing.ports import free_port
from reminders.clients.sms import SmsProvider
from reminders.clients.smtp import Server, SmtpProvider
from reminders.clients.twilio_api import Account, Accounts, Api
from reminders.usecases.ports import CallEnding, Declined, Doubtful, Message

SENDER = "reminders@example.org"

pytestmark = pytest.mark.asyncio


class Box:
    """A mail server's behaviour: what it answers at which step, or where it goes away."""

    def __init__(self) -> None:
        self.received: list[EmailMessage] = []
        self.envelopes: list[tuple[str | None, list[str]]] = []
        self.at_recipient = ""
        self.at_data = ""
        self.cuts_at = ""
        self.keeps_before_the_cut = False

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's names
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.cuts_at == "RCPT":
            return self._cut(server)
        if self.at_recipient:
            return self.at_recipient
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.cuts_at != "DATA" or self.keeps_before_the_cut:
            content: Any = envelope.content
            self.received.append(email.message_from_bytes(content, policy=email.policy.default))
            self.envelopes.append((envelope.mail_from, envelope.rcpt_tos))
        if self.cuts_at == "DATA":
            return self._cut(server)
        return self.at_data or "250 OK"

    def _cut(self, server: SMTP) -> str:
        assert server.transport
        server.transport.abort()
        return "421 gone"


@pytest.fixture
def box() -> Box:
    return Box()


@pytest_asyncio.fixture
async def mail(box: Box) -> AsyncIterator[SmtpProvider]:
    """Our side, and a server on the loopback."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(box, hostname="mx.example.org", loop=loop), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    yield SmtpProvider(Server("127.0.0.1", port, SENDER, start_tls=False, timeout=30.0), "Rīgas Logi")
    server.close()
    await server.wait_closed()


def message(**changes: str) -> Message:
    fields = {
        "reference": "msg_1",
        "tenant": TENANT,
        "to": "anna@example.org",
        "language": "lv",
        "subject": "Atgādinājums: tikšanās pirmdien, 23. novembrī plkst. 14:30",
        "body": "Labdien!\n\nTikšanās rīt. Чао, ¿qué tal?\n.\nBeigas",
    }
    return Message(**{**fields, **changes})


async def test_a_letter_arrives_as_it_was_written(mail: SmtpProvider, box: Box) -> None:
    await mail.send(message())
    (letter,) = box.received
    assert box.envelopes == [(SENDER, ["anna@example.org"])]
    assert letter["Subject"] == "Atgādinājums: tikšanās pirmdien, 23. novembrī plkst. 14:30"
    assert letter["To"] == "anna@example.org"
    assert letter["From"] == f"Rīgas Logi <{SENDER}>"
    assert letter["Message-ID"] == "<msg_1@example.org>"
    assert letter["Content-Language"] == "lv"
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter.get_content().replace("\r\n", "\n").strip() == message().body


@pytest.mark.parametrize("answer", ["550 no such user", "551 moved", "553 not a box"])
async def test_no_such_box(mail: SmtpProvider, box: Box, answer: str) -> None:
    box.at_recipient = f"{answer} anna@example.org"
    with pytest.raises(Declined) as declined:
        await mail.send(message())
    assert declined.value.ending is CallEnding.WRONG_NUMBER
    assert "anna" not in str(declined.value)
    assert box.received == []


@pytest.mark.parametrize("answer", ["450 busy", "452 full", "552 too big", "554 no"])
@pytest.mark.parametrize("step", ["at_recipient", "at_data"])
async def test_a_refusal_is_a_no(mail: SmtpProvider, box: Box, step: str, answer: str) -> None:
    setattr(box, step, answer)
    with pytest.raises(Declined, match=answer[:3]) as declined:
        await mail.send(message())
    assert declined.value.ending is CallEnding.FAILED


@pytest.mark.parametrize("step", ["RCPT", "DATA"])
@pytest.mark.parametrize("kept", [True, False])
async def test_a_dropped_connection_is_doubtful(mail: SmtpProvider, box: Box, step: str, kept: bool) -> None:
    box.cuts_at, box.keeps_before_the_cut = step, kept
    with pytest.raises(Doubtful):
        await mail.send(message())
    assert len(box.received) == (1 if kept and step == "DATA" else 0)


async def test_no_server_is_doubtful() -> None:
    provider = SmtpProvider(Server("127.0.0.1", free_port(), SENDER, start_tls=False, timeout=1.0))
    with pytest.raises(Doubtful):
        await provider.send(message())


async def test_a_server_without_encryption_is_told_nothing(box: Box) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(box, loop=loop), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(Doubtful):
        await SmtpProvider(Server("127.0.0.1", port, SENDER, timeout=1.0)).send(message())
    server.close()
    await server.wait_closed()
    assert box.received == []


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": "Hello\r\nBcc: all@example.org"},
        {"subject": "Hello\nX: y"},
        {"to": "anna@example.org\r\nBcc: all@example.org"},
        {"to": "anna@example.org, eva@example.org"},
        {"to": "Anna <anna@example.org>"},
        {"to": "anna"},
        {"to": "ānna@example.org"},
        {"to": "@example.org"},
        {"to": ""},
        {"to": "anna@example.org\x00"},
        {"reference": "msg 1>\r\nX: y"},
        {"reference": ""},
        {"language": "lv\r\nX: y"},
    ],
)
async def test_no_field_brings_a_header_of_its_own(
    mail: SmtpProvider, box: Box, changes: dict[str, str]
) -> None:
    with pytest.raises(Declined) as declined:
        await mail.send(message(**changes))
    assert "example" not in str(declined.value)
    assert box.received == []


async def test_a_body_can_not_end_the_letter(mail: SmtpProvider, box: Box) -> None:
    await mail.send(message(body="one\r\n.\r\nMAIL FROM:<x@example.org>\r\n..two"))
    (letter,) = box.received
    assert letter.get_content().replace("\r\n", "\n").strip() == "one\n.\nMAIL FROM:<x@example.org>\n..two"


# --- text messages ---


def sms(twilio: TwilioRig) -> SmsProvider:
    return SmsProvider(twilio.api, "+37167000000")


async def test_a_text_message_arrives(twilio: TwilioRig) -> None:
    await sms(twilio).send(message(to="+37120000001", body="Rīt plkst. 14:30 & ..."))
    assert twilio.peer.messages == [
        {"To": "+37120000001", "From": "+37167000000", "Body": "Rīt plkst. 14:30 & ..."}
    ]


@pytest.mark.parametrize(
    ("code", "ending"),
    [(21211, CallEnding.WRONG_NUMBER), (21614, CallEnding.WRONG_NUMBER), (21610, CallEnding.FAILED)],
)
async def test_a_refused_text_message(twilio: TwilioRig, code: int, ending: CallEnding) -> None:
    twilio.peer.refuse = 400, code
    with pytest.raises(Declined) as declined:
        await sms(twilio).send(message(to="+37120000001"))
    assert declined.value.ending is ending
    assert "+371" not in str(declined.value)


async def test_a_doubtful_text_message(twilio: TwilioRig) -> None:
    twilio.peer.refuse = 503, 0
    with pytest.raises(Doubtful):
        await sms(twilio).send(message(to="+37120000001"))


@pytest.mark.parametrize("body", ["", "  ", "x" * 1601])
async def test_a_text_message_of_no_size(twilio: TwilioRig, body: str) -> None:
    with pytest.raises(Declined):
        await sms(twilio).send(message(to="+37120000001", body=body))
    assert twilio.peer.messages == []


async def test_wrong_credentials_are_a_no(twilio: TwilioRig) -> None:
    api = Api(Accounts(Account(OWN.sid, "wrong")), host=twilio.host)
    with pytest.raises(Declined, match="401"):
        await SmsProvider(api, "+37167000000").send(message(to="+37120000001"))
    await api.close()
