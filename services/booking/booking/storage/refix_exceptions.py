"""What scheduled procedures could not do: shown until the appointment is fixed again some other way."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import text

from booking.domain.reach import Reach
from booking.domain.refix import Alternative
from kit.db.uow import Tx


@dataclass(frozen=True, slots=True)
class RefixException:
    """`alternatives` fitted when it was raised, the nearest to `refix_at` first."""

    exception_id: str
    refix_id: str
    appointment_id: str
    campaign_id: str
    procedure_id: str
    refix_at: datetime
    reason: str
    message: str
    alternatives: tuple[Alternative, ...]
    raised_at: datetime


_ALTERNATIVES: TypeAdapter[tuple[Alternative, ...]] = TypeAdapter(tuple[Alternative, ...])

_COLUMNS = """
    exception_id, refix_id, appointment_id, campaign_id, procedure_id, refix_at, reason, message,
    alternatives, raised_at
"""

_ADD = text(
    f"""
    INSERT INTO booking.refix_exceptions (tenant_id, {_COLUMNS})
    VALUES (:tenant, :id, :refix, :appointment, :campaign, :procedure, :refix_at, :reason, :message,
            CAST(:alternatives AS jsonb), :raised_at)
    """  # noqa: S608 - constants
)

_RESOLVE = text(
    """
    UPDATE booking.refix_exceptions SET open = false
    WHERE tenant_id = :tenant AND appointment_id = ANY (CAST(:appointments AS text[])) AND open
    """
)

_PAGE = text(
    f"""
    SELECT {_COLUMNS} FROM booking.refix_exceptions
    WHERE tenant_id = :tenant AND open AND (raised_at, exception_id) > (:after, :after_id)
      AND (:campaign = '' OR campaign_id = :campaign)
      AND (:whole OR campaign_id = ANY (CAST(:campaigns AS text[])))
    ORDER BY raised_at, exception_id LIMIT :rows
    """  # noqa: S608 - constants
)


async def add(tx: Tx, exception: RefixException) -> None:
    """Stores an open one."""
    params = {
        "tenant": tx.tenant,
        "id": exception.exception_id,
        "refix": exception.refix_id,
        "appointment": exception.appointment_id,
        "campaign": exception.campaign_id,
        "procedure": exception.procedure_id,
        "refix_at": exception.refix_at,
        "reason": exception.reason,
        "message": exception.message,
        "alternatives": _ALTERNATIVES.dump_json(exception.alternatives).decode(),
        "raised_at": exception.raised_at,
    }
    await tx.run(_ADD, params)


async def resolve(tx: Tx, appointment_ids: Sequence[str]) -> None:
    """These appointments have changed since: what is open for them is no more."""
    await tx.run(_RESOLVE, {"tenant": tx.tenant, "appointments": list(appointment_ids)})


async def page(
    tx: Tx, reach: Reach, campaign_id: str, after: tuple[datetime, str], count: int
) -> Sequence[RefixException]:
    """Open ones within reach, by (raised, id) after one."""
    params = {
        "tenant": tx.tenant,
        "campaign": campaign_id,
        "whole": reach.whole,
        "campaigns": list(reach.campaigns),
        "after": after[0],
        "after_id": after[1],
        "rows": count,
    }
    return [_exception(row) for row in await tx.run(_PAGE, params)]


def _exception(row: Any) -> RefixException:
    return RefixException(
        exception_id=row.exception_id,
        refix_id=row.refix_id,
        appointment_id=row.appointment_id,
        campaign_id=row.campaign_id,
        procedure_id=row.procedure_id,
        refix_at=row.refix_at,
        reason=row.reason,
        message=row.message,
        alternatives=_ALTERNATIVES.validate_python(row.alternatives),
        raised_at=row.raised_at,
    )
