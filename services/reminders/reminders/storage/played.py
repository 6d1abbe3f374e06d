"""What the sandbox needs: the next step of the clock, the clock itself, messages that were kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from kit.db.uow import NOW, Tx

_NEXT = text(
    f"""
    SELECT min(at) FROM (
        SELECT min(run_at) AS at FROM reminders.reminders WHERE tenant_id = :tenant AND state = 'WAITING'
        UNION ALL
        SELECT min(look_up_at) FROM reminders.attempts WHERE tenant_id = :tenant AND look_up_at IS NOT NULL
    ) steps WHERE at > {NOW[True]} - interval '1 day'
    """  # noqa: S608 - constants
)

_IN_HAND = text(
    f"""
    SELECT EXISTS (SELECT FROM reminders.reminders
                   WHERE tenant_id = :tenant
                     AND (state = 'CLAIMED' OR state = 'WAITING' AND run_at <= {NOW[True]}))
        OR EXISTS (SELECT FROM reminders.attempts
                   WHERE tenant_id = :tenant AND state = 'UNDER_WAY' AND look_up_at <= {NOW[True]}) AS found
    """  # noqa: S608 - constants
)

_ADVANCE = text(
    """
    INSERT INTO sandbox.test_clocks AS c (tenant_id, offset_seconds)
    VALUES (:tenant, greatest(0, ceil(extract(epoch FROM :moment - clock_timestamp()))))
    ON CONFLICT (tenant_id) DO UPDATE SET offset_seconds = greatest(c.offset_seconds, excluded.offset_seconds)
    """
)

_KEEP = text(
    """
    INSERT INTO reminders.sandbox_messages (tenant_id, reference, recipient, language, subject, body, sent_at)
    VALUES (:tenant, :reference, :recipient, :language, :subject, :body, :now)
    ON CONFLICT ON CONSTRAINT sandbox_messages_pkey DO NOTHING
    """
)

_MESSAGES = text(
    """
    SELECT recipient, language, subject, body, sent_at FROM reminders.sandbox_messages
    WHERE tenant_id = :tenant AND (:recipient = '' OR recipient = :recipient)
    ORDER BY sent_at DESC, reference DESC LIMIT 100
    """
)


@dataclass(frozen=True, slots=True)
class SandboxMessage:
    """A message that would have gone out; without a subject it is a text message."""

    recipient: str
    language: str
    subject: str
    body: str
    sent_at: datetime


async def next_step(tx: Tx) -> datetime | None:
    """When the tenant's clock has something to do next; None: never."""
    found: datetime | None = (await tx.run(_NEXT, {"tenant": tx.tenant})).scalar_one()
    return found


async def in_hand(tx: Tx) -> bool:
    """Whether something that is due now has not come to its end."""
    return bool((await tx.run(_IN_HAND, {"tenant": tx.tenant})).scalar_one())


async def advance_to(tx: Tx, moment: datetime) -> None:
    """Moves the test clock on to a moment; never back."""
    await tx.run(_ADVANCE, {"tenant": tx.tenant, "moment": moment})


async def keep(tx: Tx, reference: str, message: SandboxMessage) -> None:
    """Keeps a message instead of sending it."""
    params = {
        "tenant": tx.tenant,
        "reference": reference,
        "recipient": message.recipient,
        "language": message.language,
        "subject": message.subject,
        "body": message.body,
        "now": message.sent_at,
    }
    await tx.run(_KEEP, params)


async def messages(tx: Tx, recipient: str) -> Sequence[SandboxMessage]:
    """The newest hundred."""
    found = await tx.run(_MESSAGES, {"tenant": tx.tenant, "recipient": recipient})
    return [SandboxMessage(row.recipient, row.language, row.subject, row.body, row.sent_at) for row in found]
