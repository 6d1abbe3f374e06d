"""Asks a provider for what an attempt's row says; what it tells is heard, what is doubtful is looked up."""

import time
from dataclasses import dataclass, field
from datetime import timedelta

from kit import telemetry
from kit.failpoints import failpoint
from reminders.domain.next_step import Ending
from reminders.domain.reminder import Channel
from reminders.storage.attempts import Attempt
from reminders.usecases.desk import Desk
from reminders.usecases.hear import hear, hear_sent
from reminders.usecases.outside import Letter
from reminders.usecases.ports import (
    Call,
    CallEnding,
    CallReport,
    CallState,
    Declined,
    Doubtful,
    Message,
    Script,
)

_log = telemetry.logger(__name__)


@dataclass(frozen=True, slots=True)
class Placing:
    """An attempt whose row is committed, and what to say: a call's script or a message's letter.

    `began` is this process's monotonic clock.
    """

    attempt: Attempt
    language: str
    said: Script | Letter
    ring: timedelta
    detect_machine: bool = False
    began: float = field(default_factory=time.monotonic)

    @property
    def channel(self) -> Channel:
        """How the contact is reached."""
        return self.attempt.channel


async def place(desk: Desk, tenant: str, placing: Placing) -> None:
    """Asks once. Nothing is asked twice: what stays doubtful is settled by looking it up."""
    await failpoint("reminders.place.before_provider")
    if time.monotonic() - placing.began > desk.timers.give_up.total_seconds():
        _log.warning("attempt given up", attempt_id=placing.attempt.attempt_id)  # this process was frozen
        return
    if placing.channel is Channel.VOICE:
        await _call(desk, tenant, placing)
    else:
        await _send(desk, tenant, placing)


async def _call(desk: Desk, tenant: str, placing: Placing) -> None:
    attempt = placing.attempt
    try:
        report = await desk.voice.place(_as_call(tenant, placing))
    except Doubtful as doubt:
        _log.warning("call in doubt", attempt_id=attempt.attempt_id, error=str(doubt))
        return
    except Declined as declined:
        report = CallReport(attempt.attempt_id, CallState.ENDED, declined.ending)
    await failpoint("reminders.place.after_provider")
    await hear(desk, tenant, report)


def _as_call(tenant: str, placing: Placing) -> Call:
    attempt, script = placing.attempt, placing.said
    assert isinstance(script, Script)
    return Call(
        reference=attempt.attempt_id,
        tenant=tenant,
        to=attempt.recipient,
        caller=attempt.caller,
        script=script,
        ring_seconds=int(placing.ring.total_seconds()),
        give_up_at=attempt.give_up_at,
        detect_machine=placing.detect_machine,
    )


async def _send(desk: Desk, tenant: str, placing: Placing) -> None:
    attempt, letter = placing.attempt, placing.said
    assert isinstance(letter, Letter)
    message = Message(
        attempt.attempt_id, tenant, attempt.recipient, placing.language, letter.subject, letter.body
    )
    try:
        await desk.messages[placing.channel].send(message)
    except Doubtful as doubt:
        _log.warning("message in doubt", attempt_id=attempt.attempt_id, error=str(doubt))
        return
    except Declined as declined:
        wrong = declined.ending is CallEnding.WRONG_NUMBER
        await hear_sent(desk, tenant, attempt.attempt_id, Ending.WRONG_NUMBER if wrong else Ending.FAILED)
        return
    await failpoint("reminders.place.after_provider")
    await hear_sent(desk, tenant, attempt.attempt_id, Ending.SENT)
