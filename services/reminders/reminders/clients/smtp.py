"""E-mails over SMTP."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage
from email.utils import formataddr, parseaddr
from typing import Final

import aiosmtplib

from reminders.usecases.ports import CallEnding, Declined, Doubtful, Message

_NO_SUCH_BOX: Final = frozenset({550, 551, 553})


@dataclass(frozen=True, slots=True)
class Server:
    """Where e-mails are handed over, and from whom."""

    host: str
    port: int
    sender: str
    """As in reminders@example.org."""
    username: str = ""
    password: str = field(default="", repr=False)
    start_tls: bool = True
    """Whether the connection must be encrypted before anything is said; off on the loopback only."""
    timeout: float = 20.0
    """Seconds for each exchange; after it the outcome is unknown."""


class SmtpProvider:
    """A message provider. Our reference is the message's id, so a copy can be told by whoever receives it."""

    def __init__(self, server: Server, sender_name: str = "") -> None:
        """`sender_name` is shown with the sender's address."""
        self._server, self._name = server, sender_name

    async def send(self, message: Message) -> None:
        """See MessageProvider. A connection that ends before the server has answered leaves doubt."""
        letter = composed(message, self._server.sender, self._name)
        smtp = aiosmtplib.SMTP(
            hostname=self._server.host,
            port=self._server.port,
            username=self._server.username or None,
            password=self._server.password or None,
            start_tls=self._server.start_tls,
            timeout=self._server.timeout,
        )
        try:
            async with smtp:
                await smtp.send_message(letter)
        except aiosmtplib.SMTPRecipientsRefused as refused:
            raise _refused(one.code for one in refused.recipients) from None
        except aiosmtplib.SMTPResponseException as refused:
            raise _refused([refused.code]) from None
        except (TimeoutError, aiosmtplib.SMTPException, OSError) as lost:
            raise Doubtful(f"no answer from the mail server: {type(lost).__name__}") from None


def composed(message: Message, sender: str, name: str) -> EmailMessage:
    """The letter. Raises Declined for an address or a subject that could carry a header of its own."""
    letter = EmailMessage(policy=policy.SMTP)
    try:
        letter["From"] = formataddr((name, sender))
        letter["To"] = _address(message.to)
        letter["Subject"] = message.subject
        letter["Message-ID"] = f"<{_token(message.reference)}@{sender.rpartition('@')[2]}>"
        language = _token(message.language)
    except (ValueError, IndexError):
        raise Declined(CallEnding.WRONG_NUMBER, "a header field is not one line of its kind") from None
    letter["Auto-Submitted"] = "auto-generated"
    letter.set_content(message.body, charset="utf-8", cte="quoted-printable")
    letter["Content-Language"] = language
    return letter


def _address(address: str) -> str:
    """One bare ASCII address. Raises ValueError for a list, a name, or what few servers would take."""
    local, at, domain = address.rpartition("@")
    if parseaddr(address) != ("", address) or not (local and at and domain) or not address.isascii():
        raise ValueError("not one e-mail address")
    if not address.isprintable() or any(letter in address for letter in " ,;:<>\"'()\\"):
        raise ValueError("not one e-mail address")
    return address


def _token(text: str) -> str:
    if not text or not all(letter.isascii() and (letter.isalnum() or letter in "-_.") for letter in text):
        raise ValueError("not a plain token")
    return text


def _refused(codes: Iterable[int]) -> Declined:
    """The server's own words may repeat the address, so only its code is told."""
    code = max(codes, default=0)
    ending = CallEnding.WRONG_NUMBER if code in _NO_SUCH_BOX else CallEnding.FAILED
    return Declined(ending, f"the mail server answered {code}")
