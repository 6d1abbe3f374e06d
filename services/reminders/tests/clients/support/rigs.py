"""What the contract suite needs of every voice provider's surroundings: a telephone that behaves as told."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from reminders.clients.journal import MemoryJournal
from reminders.usecases.ports import (
    Call,
    CallReport,
    CallState,
    Declined,
    Doubtful,
    Script,
    VoiceProvider,
)

TENANT = "ten_1"
CALLER = "+37167000000"
SCRIPT = Script(
    language="en",
    prompt="Visit tomorrow?",
    menu="One or two?",
    thanks={"1": "Yes.", "2": "No."},
)


@dataclass(frozen=True, slots=True)
class Phone:
    """How the called telephone behaves."""

    picks_up: bool = True
    presses: str = ""
    """Keys: the first at the prompt, the second at the repeated menu."""
    hangs_up: bool = False
    busy: bool = False
    unknown: bool = False
    machine: bool = False
    """It takes the call, and no person does."""
    answered_by: str = ""
    """How Twilio calls whoever took it, where the usual words are not meant."""
    dead: bool = False
    """The provider itself is down."""
    reply_lost: bool = False
    """The provider rings, but its reply never arrives."""


class Rig(Protocol):
    """A provider and its surroundings."""

    provider: VoiceProvider
    told: list[CallReport]
    clock: "Clock"

    async def phone(self, number: str, phone: Phone) -> None:
        """Sets how a number behaves."""

    async def settled(self, reference: str) -> None:
        """Returns when nothing more will be told of a reference."""

    def rings(self, number: str) -> int:
        """How often the number rang, by the far side's own count."""

    def heard(self, number: str) -> list[str]:
        """The texts that the far side heard, in order; empty where it can't tell."""

    async def told_again(self, reference: str) -> None:
        """Makes the provider tell all that it told of a reference once more, the last first."""


@dataclass
class Clock:
    """A clock that stands until it is moved."""

    now: datetime = datetime(2027, 3, 1, 9, tzinfo=UTC)

    async def __call__(self, tenant: str) -> datetime:
        return self.now


@dataclass
class Told:
    """A sink that keeps what it was told."""

    reports: list[CallReport] = field(default_factory=list)

    async def __call__(self, tenant: str, report: CallReport) -> None:
        assert tenant == TENANT
        self.reports.append(report)


def call(rig: Rig, number: str, reference: str = "att_1", **changes: object) -> Call:
    """A call that may ring for the next two minutes."""
    made = Call(
        reference=reference,
        tenant=TENANT,
        to=number,
        caller=CALLER,
        script=SCRIPT,
        ring_seconds=3,
        give_up_at=rig.clock.now + timedelta(minutes=2),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


async def outcome(rig: Rig, placed: Call) -> CallReport:
    """Places a call and answers how it ended, by whichever way the provider tells it."""
    try:
        await rig.provider.place(placed)
    except Declined as declined:
        return CallReport(placed.reference, CallState.ENDED, declined.ending)
    except Doubtful:
        pass
    await rig.settled(placed.reference)
    return await rig.provider.look_up(placed.tenant, placed.reference)


async def until(condition: object, seconds: float = 40.0) -> None:
    """Waits until a callable is true. Raises TimeoutError."""
    assert callable(condition)
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


__all__ = [
    "CALLER",
    "SCRIPT",
    "TENANT",
    "Clock",
    "MemoryJournal",
    "Phone",
    "Rig",
    "Told",
    "call",
    "outcome",
    "until",
]
