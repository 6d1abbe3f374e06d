"""Numbers that are not to be called any more by any campaign of the tenant (RE-18), and how that came."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text

from kit.db.uow import Tx
from reminders.domain import errors

_COLUMNS = "opt_out_id, phone, since, attempt_id, provider_reference, noted_by"

_ADD = text(
    """
    INSERT INTO reminders.opt_outs
        (tenant_id, opt_out_id, phone, since, attempt_id, provider_reference, noted_by)
    VALUES (:tenant, :id, :phone, :since, :attempt, :provider, :noted_by)
    ON CONFLICT ON CONSTRAINT opt_outs_pkey DO NOTHING RETURNING opt_out_id
    """
)

_FIND = text(
    f"SELECT {_COLUMNS} FROM reminders.opt_outs"  # noqa: S608 - constants
    " WHERE tenant_id = :tenant AND opt_out_id = :id"
)

_LIST = text(
    f"""
    SELECT {_COLUMNS} FROM reminders.opt_outs
    WHERE tenant_id = :tenant AND (CAST(:before AS timestamptz) IS NULL OR since < :before)
      AND (CAST(:seen AS timestamptz) IS NULL OR since < :seen OR since = :seen AND opt_out_id > :seen_id)
    ORDER BY since DESC, opt_out_id LIMIT :most
    """  # noqa: S608 - constants
)

_REVOKE = text(
    f"""
    WITH gone AS (
        DELETE FROM reminders.opt_outs WHERE tenant_id = :tenant AND opt_out_id = :id
        RETURNING {_COLUMNS}
    )
    INSERT INTO reminders.revoked_opt_outs (tenant_id, {_COLUMNS}, revoked_at, revoked_by)
    SELECT :tenant, {_COLUMNS}, :now, :by FROM gone RETURNING opt_out_id
    """  # noqa: S608 - constants
)

_PLANNED = text(
    """
    SELECT p.appointment_id FROM reminders.plans p
    WHERE p.tenant_id = :tenant AND p.phone = :phone AND p.phone <> '' AND p.live
      AND EXISTS (SELECT FROM reminders.reminders r
                  WHERE r.tenant_id = p.tenant_id AND r.appointment_id = p.appointment_id
                    AND r.state = 'WAITING' AND r.channel = 'VOICE')
    ORDER BY p.appointment_id
    """
)


@dataclass(frozen=True, slots=True)
class OptOut:
    """A number that asked not to be called, since when, and the evidence.

    By key: the call it was pressed in and the provider's reference of it. By RPC: who noted it.
    """

    opt_out_id: str
    phone: str
    since: datetime
    attempt_id: str = ""
    provider_reference: str = ""
    noted_by: str = ""


async def add(tx: Tx, new: OptOut) -> bool:
    """Keeps it; False when the number is out already, which stays as it was noted first."""
    params = {
        "tenant": tx.tenant,
        "id": new.opt_out_id,
        "phone": new.phone,
        "since": new.since,
        "attempt": new.attempt_id,
        "provider": new.provider_reference,
        "noted_by": new.noted_by,
    }
    return (await tx.run(_ADD, params)).first() is not None


async def find(tx: Tx, opt_out_id: str) -> OptOut | None:
    """One that holds; None when it was taken back, or is nobody's of this tenant."""
    row = (await tx.run(_FIND, {"tenant": tx.tenant, "id": opt_out_id})).one_or_none()
    return None if row is None else _opt_out(row)


@dataclass(frozen=True, slots=True)
class Page:
    """So many, from before an instant on, and after the one that was `seen` last: its `since` and its id."""

    size: int
    before: datetime | None = None
    seen: tuple[datetime, str] | None = None


async def newest(tx: Tx, page: Page) -> Sequence[OptOut]:
    """Those that hold, the newest first; of the same instant by id."""
    since, opt_out_id = page.seen or (None, "")
    params = {"tenant": tx.tenant, "before": page.before, "seen": since, "seen_id": opt_out_id}
    found = await tx.run(_LIST, {**params, "most": page.size})
    return [_opt_out(row) for row in found]


async def revoke(tx: Tx, opt_out_id: str, by: str, now: datetime) -> None:
    """Takes it back and keeps who did. Raises NotFound naming `opt_out_id`."""
    params = {"tenant": tx.tenant, "id": opt_out_id, "by": by, "now": now}
    if (await tx.run(_REVOKE, params)).first() is None:
        raise errors.not_found("opt-out", "opt_out_id")


async def planned_for(tx: Tx, phone: str) -> Sequence[str]:
    """Appointments that a call to this number waits for."""
    found = await tx.run(_PLANNED, {"tenant": tx.tenant, "phone": phone})
    return [row.appointment_id for row in found]


def _opt_out(row: Any) -> OptOut:
    return OptOut(row.opt_out_id, row.phone, row.since, row.attempt_id, row.provider_reference, row.noted_by)
