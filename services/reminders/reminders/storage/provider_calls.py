"""What a provider must not forget: each reference it was asked for; and the sandbox's scripted answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.types.json import Jsonb
from sqlalchemy import text

from kit.db.uow import Tx

_BEGIN = text(
    """
    INSERT INTO reminders.provider_calls (tenant_id, reference, provider_reference, call, report, asked_at)
    VALUES (:tenant, :reference, :provider, :call, :report, :asked_at)
    ON CONFLICT ON CONSTRAINT provider_calls_pkey DO NOTHING RETURNING reference
    """
)

_FIND_TEXT = """
    SELECT call, report, asked_at FROM reminders.provider_calls
    WHERE tenant_id = :tenant AND reference = :reference
"""

_FIND = text(_FIND_TEXT)

_LOCK = text(f"{_FIND_TEXT} FOR UPDATE")

_LEARN = text(
    """
    UPDATE reminders.provider_calls SET report = :report, provider_reference = :provider
    WHERE tenant_id = :tenant AND reference = :reference
    """
)

_OWNER = text(
    """
    SELECT reference FROM reminders.provider_calls
    WHERE tenant_id = :tenant AND provider_reference = :provider
    """
)

_SCRIPT = text(
    """
    INSERT INTO reminders.scripted_answers (tenant_id, phone, position, answer)
    SELECT :tenant, :phone, position, answer
    FROM unnest(CAST(:answers AS jsonb[])) WITH ORDINALITY AS given (answer, position)
    """
)

_FORGET = text("DELETE FROM reminders.scripted_answers WHERE tenant_id = :tenant AND phone = :phone")

_NEXT = text(
    """
    SELECT position, answer, count(*) OVER () AS remaining FROM reminders.scripted_answers
    WHERE tenant_id = :tenant AND phone = :phone ORDER BY position LIMIT 1
    """
)

_USED = text(
    """
    DELETE FROM reminders.scripted_answers
    WHERE tenant_id = :tenant AND phone = :phone AND position = :position
    """
)


@dataclass(frozen=True, slots=True)
class ProviderCall:
    """One reference: JSON of the call (None: it was looked up before it was placed) and of what is known."""

    reference: str
    provider_reference: str
    call: object | None
    report: object
    asked_at: datetime | None


async def begin(tx: Tx, new: ProviderCall) -> bool:
    """Keeps a new one; False when its reference is there already."""
    params = {
        "tenant": tx.tenant,
        "reference": new.reference,
        "provider": new.provider_reference,
        "call": None if new.call is None else Jsonb(new.call),
        "report": Jsonb(new.report),
        "asked_at": new.asked_at,
    }
    return (await tx.run(_BEGIN, params)).first() is not None


async def find(tx: Tx, reference: str, *, lock: bool = False) -> ProviderCall | None:
    """What is known of a reference."""
    statement = _LOCK if lock else _FIND
    row = (await tx.run(statement, {"tenant": tx.tenant, "reference": reference})).one_or_none()
    return None if row is None else ProviderCall(reference, "", row.call, row.report, row.asked_at)


async def learn(tx: Tx, reference: str, provider_reference: str, report: object) -> None:
    """Stores what is known now."""
    params = {
        "tenant": tx.tenant,
        "reference": reference,
        "provider": provider_reference,
        "report": Jsonb(report),
    }
    await tx.run(_LEARN, params)


async def owner(tx: Tx, provider_reference: str) -> str | None:
    """Our reference of the call that the provider calls so."""
    params = {"tenant": tx.tenant, "provider": provider_reference}
    found: str | None = (await tx.run(_OWNER, params)).scalar_one_or_none()
    return found


async def script(tx: Tx, phone: str, answers: Sequence[object]) -> None:
    """Replaces how a number behaves; none: as usual."""
    params = {"tenant": tx.tenant, "phone": phone}
    await tx.run(_FORGET, params)
    await tx.run(_SCRIPT, {**params, "answers": [Jsonb(each) for each in answers]})


async def next_answer(tx: Tx, phone: str) -> object | None:
    """How the number behaves at its next call; the last answer stays."""
    params = {"tenant": tx.tenant, "phone": phone}
    row = (await tx.run(_NEXT, params)).one_or_none()
    if row is None:
        return None
    if row.remaining > 1:
        await tx.run(_USED, {**params, "position": row.position})
    answer: object = row.answer
    return answer
