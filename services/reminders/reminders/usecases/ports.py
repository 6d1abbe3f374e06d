"""What reminders asks of the outside: carriers of calls and messages. Remote, slow, and it may lie."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class CallState(StrEnum):
    """How far a call has come, by the provider's own word."""

    NEVER_PLACED = "NEVER_PLACED"
    """The provider knows no call of this reference, and will not place one any more."""
    UNDER_WAY = "UNDER_WAY"
    ENDED = "ENDED"


class CallEnding(StrEnum):
    """How a call ended."""

    ANSWERED = "ANSWERED"
    NO_ANSWER = "NO_ANSWER"
    BUSY = "BUSY"
    WRONG_NUMBER = "WRONG_NUMBER"
    FAILED = "FAILED"
    MACHINE = "MACHINE"
    """An answering machine or a fax took it, and the provider was asked to tell (R-148)."""


@dataclass(frozen=True, slots=True)
class Script:
    """What is said: rendered texts in one language (BCP 47), and the keys that are understood.

    `prompt` is said first and may be cut short by a key (barge-in); `menu` once more after another key or
    none; `thanks` by key.
    """

    language: str
    prompt: str
    menu: str
    thanks: dict[str, str]


@dataclass(frozen=True, slots=True)
class Call:
    """A call to be placed. `reference` is ours, unique for ever: the id of the attempt."""

    reference: str
    tenant: str
    to: str
    """E.164, as in +37120000000."""
    caller: str
    """E.164 of the caller's number."""
    script: Script
    ring_seconds: int
    give_up_at: datetime
    """After this instant the provider must not begin to ring."""
    detect_machine: bool = False
    """Whether a machine that answers is to be told from a person; it is hung up on (R-148)."""


@dataclass(frozen=True, slots=True)
class CallReport:
    """What is known of a call. `digit` is the key that was taken as the answer; None when there was none."""

    reference: str
    state: CallState
    ending: CallEnding | None = None
    digit: str | None = None
    provider_reference: str = ""
    answered_at: datetime | None = None
    ended_at: datetime | None = None


class Doubtful(Exception):
    """Nobody knows whether the provider took it (time-out, lost connection, 5xx): look up, never repeat."""


class Declined(Exception):
    """The provider said no, and nothing was or will be placed. `ending` tells why (WRONG_NUMBER, FAILED)."""

    def __init__(self, ending: CallEnding, detail: str) -> None:
        super().__init__(detail)
        self.ending = ending


Sink = Callable[[str, CallReport], Awaitable[None]]
"""Called with tenant and report whenever the provider tells something; may be told twice or out of order."""


class VoiceProvider(Protocol):
    """Places calls. Implementations are given a `Sink` when made."""

    @property
    def detects_machines(self) -> bool:
        """Whether it can tell a machine from a person; one that can't declines a call that asks for it."""

    async def place(self, call: Call) -> CallReport:
        """Asks for one ring. Raises Doubtful and Declined. The rest is told to the sink or looked up."""

    async def look_up(self, tenant: str, reference: str) -> CallReport:
        """What became of a reference. Raises Doubtful when the provider does not answer."""


@dataclass(frozen=True, slots=True)
class Message:
    """An e-mail or SMS. `reference` is ours, unique for ever."""

    reference: str
    tenant: str
    to: str
    """E-mail address, or E.164 for SMS."""
    language: str
    subject: str
    body: str


class MessageProvider(Protocol):
    """Sends e-mails or SMS. A doubtful one is not repeated."""

    async def send(self, message: Message) -> None:
        """Hands the message over. Raises Doubtful and Declined."""
