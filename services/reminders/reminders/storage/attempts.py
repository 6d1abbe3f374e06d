"""Attempts: each is stored, with our reference, before a provider hears of it; their answers and charges."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import text

from kit.db.uow import Tx
from reminders.domain.next_step import Ending
from reminders.domain.reminder import AttemptState, Channel, Reminder
from reminders.storage import daily, reminders

_COLUMNS = """
    a.attempt_id, a.reminder_id, a.number, a.channel, a.state, a.recipient, a.caller, a.asked_at,
    a.give_up_at, a.look_up_at, a.looks, a.provider_reference, a.ending, a.digit, a.answered_at, a.ended_at
"""

_BEGIN = text(
    f"""
    WITH counted AS ({daily.TAKE}),
    calling AS (
        UPDATE reminders.reminders
        SET state = 'CALLING', lease_until = NULL, attempt = :number, rings = rings + :rings
        WHERE tenant_id = :tenant AND reminder_id = :reminder AND state = 'CLAIMED' AND fence = :fence
          AND (:rings = 0 OR EXISTS (SELECT FROM counted))
        RETURNING reminder_id
    ),
    made AS (
        INSERT INTO reminders.attempts
            (tenant_id, attempt_id, reminder_id, number, channel, fence, recipient, caller, asked_at,
             give_up_at, look_up_at)
        SELECT :tenant, :id, reminder_id, :number, :channel, :fence, :recipient, :caller, :asked_at,
               :give_up_at, :look_up_at
        FROM calling RETURNING attempt_id
    )
    SELECT EXISTS (SELECT FROM made) AS made, EXISTS (SELECT FROM counted) AS counted
    """  # noqa: S608 - constants
)

_LOCK = text(
    f"""
    SELECT {_COLUMNS}, {reminders.COLUMNS_BESIDE} FROM reminders.attempts a
    JOIN reminders.reminders r ON r.tenant_id = a.tenant_id AND r.reminder_id = a.reminder_id
    WHERE a.tenant_id = :tenant AND a.attempt_id = :id FOR UPDATE
    """  # noqa: S608 - constants
)

_OF_REMINDER = text(
    f"""
    SELECT {_COLUMNS} FROM reminders.attempts a
    WHERE a.tenant_id = :tenant AND a.reminder_id = :reminder ORDER BY a.number
    """  # noqa: S608 - constants
)

_SAVE = text(
    """
    UPDATE reminders.attempts
    SET state = :state, look_up_at = :look_up_at, looks = :looks, provider_reference = :provider,
        ending = :ending, digit = :digit, answered_at = :answered_at, ended_at = :ended_at
    WHERE tenant_id = :tenant AND attempt_id = :id
    """
)

_UNDER_WAY = text(
    """
    UPDATE reminders.attempts
    SET state = 'UNDER_WAY', look_up_at = :look_up_at,
        provider_reference = CASE WHEN provider_reference = '' THEN :provider ELSE provider_reference END
    WHERE tenant_id = :tenant AND attempt_id = :id AND state IN ('ASKED', 'UNDER_WAY')
    RETURNING attempt_id
    """
)

_ANSWERED = text(
    """
    INSERT INTO reminders.answers (tenant_id, attempt_id, digit, told_at, counted)
    VALUES (:tenant, :id, :digit, :now, :counted)
    ON CONFLICT ON CONSTRAINT answers_pkey DO NOTHING RETURNING digit
    """
)

_CHARGE = text(
    """
    INSERT INTO reminders.charges (tenant_id, attempt_id, reminder_id, kind, charged)
    VALUES (:tenant, :id, :reminder, :kind, :charged)
    """
)

_CHARGED = text(
    """
    SELECT count(*) FROM reminders.charges WHERE tenant_id = :tenant AND reminder_id = :reminder AND charged
    """
)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt. `look_up_at`: when the provider is asked what became of it; None once it is settled."""

    attempt_id: str
    reminder_id: str
    number: int
    channel: Channel
    state: AttemptState
    recipient: str
    caller: str
    asked_at: datetime
    give_up_at: datetime
    look_up_at: datetime | None
    looks: int = 0
    provider_reference: str = ""
    ending: Ending | None = None
    digit: str | None = None
    answered_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Allowance:
    """The calendar day that a call counts for, and how many there may be of it (R-128)."""

    day: date
    limit: int


async def begin(tx: Tx, attempt: Attempt, fence: int, allowance: Allowance) -> bool:
    """Stores an attempt that is about to be made, and counts a call; its reminder is CALLING from then on.

    False when the day's calls have been placed, and then nothing is stored. The last statement of its
    transaction. Raises RuntimeError when the claim with this fence does not hold.
    """
    voice = attempt.channel is Channel.VOICE
    params = {
        "tenant": tx.tenant,
        "id": attempt.attempt_id,
        "reminder": attempt.reminder_id,
        "number": attempt.number,
        "channel": attempt.channel.value,
        "fence": fence,
        "recipient": attempt.recipient,
        "caller": attempt.caller,
        "asked_at": attempt.asked_at,
        "give_up_at": attempt.give_up_at,
        "look_up_at": attempt.look_up_at,
        "rings": int(voice),
        "day": allowance.day,
        "limit": allowance.limit,
    }
    row = (await tx.run(_BEGIN, params)).one()
    if voice and not row.counted:
        return False
    if not row.made:
        raise RuntimeError(f"{attempt.reminder_id} is not claimed with fence {fence}")
    return True


async def lock(tx: Tx, attempt_id: str) -> tuple[Attempt, Reminder]:
    """One attempt and its reminder, both locked."""
    row = (await tx.run(_LOCK, {"tenant": tx.tenant, "id": attempt_id})).one()
    return _attempt(row), reminders.beside(row)


async def note_under_way(tx: Tx, attempt_id: str, provider: str, look_up_at: datetime) -> bool:
    """The provider has it; False when it is settled already, or nobody's of this tenant."""
    params = {"tenant": tx.tenant, "id": attempt_id, "provider": provider, "look_up_at": look_up_at}
    return (await tx.run(_UNDER_WAY, params)).first() is not None


async def save(tx: Tx, attempt: Attempt) -> None:
    """Stores how far it has come."""
    params = {
        "tenant": tx.tenant,
        "id": attempt.attempt_id,
        "state": attempt.state.value,
        "look_up_at": attempt.look_up_at,
        "looks": attempt.looks,
        "provider": attempt.provider_reference,
        "ending": attempt.ending and attempt.ending.value,
        "digit": attempt.digit,
        "answered_at": attempt.answered_at,
        "ended_at": attempt.ended_at,
    }
    await tx.run(_SAVE, params)


def looked(attempt: Attempt, now: datetime, pause: timedelta, most: timedelta) -> Attempt:
    """The attempt after one look-up more; the next one is twice as far off, at most `most`."""
    wait = min(pause * 2 ** min(attempt.looks, 16), most)
    return replace(attempt, looks=attempt.looks + 1, look_up_at=now + wait)


async def of_reminder(tx: Tx, reminder_id: str) -> Sequence[Attempt]:
    """All attempts of a reminder, in order."""
    found = await tx.run(_OF_REMINDER, {"tenant": tx.tenant, "reminder": reminder_id})
    return [_attempt(row) for row in found]


async def keep_answer(tx: Tx, attempt_id: str, digit: str, now: datetime, *, counted: bool) -> bool:
    """Keeps a key that was pressed; False when the same was told before."""
    params = {"tenant": tx.tenant, "id": attempt_id, "digit": digit, "now": now, "counted": counted}
    return (await tx.run(_ANSWERED, params)).first() is not None


async def charge(tx: Tx, attempt: Attempt, kind: str, *, charged: bool) -> None:
    """The one charge of an attempt."""
    params = {
        "tenant": tx.tenant,
        "id": attempt.attempt_id,
        "reminder": attempt.reminder_id,
        "kind": kind,
        "charged": charged,
    }
    await tx.run(_CHARGE, params)


async def was_charged(tx: Tx, reminder_id: str) -> bool:
    """Whether any attempt of the reminder was charged."""
    return bool((await tx.run(_CHARGED, {"tenant": tx.tenant, "reminder": reminder_id})).scalar_one())


def _attempt(row: Any) -> Attempt:
    return Attempt(
        attempt_id=row.attempt_id,
        reminder_id=row.reminder_id,
        number=row.number,
        channel=Channel(row.channel),
        state=AttemptState(row.state),
        recipient=row.recipient,
        caller=row.caller,
        asked_at=row.asked_at,
        give_up_at=row.give_up_at,
        look_up_at=row.look_up_at,
        looks=row.looks,
        provider_reference=row.provider_reference,
        ending=None if row.ending is None else Ending(row.ending),
        digit=row.digit,
        answered_at=row.answered_at,
        ended_at=row.ended_at,
    )
