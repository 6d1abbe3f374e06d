"""The numbers that contacts see."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import text

from kit.db.uow import Tx
from reminders.domain import errors
from reminders.domain.numbers import CallerNumber, NumberState

_COLUMNS = """
    number_id, branch_id, phone, state, tries, code_hash, code_until, code_sent_at, codes_from, codes_sent
"""

_INSERT = text(
    """
    INSERT INTO reminders.numbers (tenant_id, number_id, branch_id, phone, code_hash, code_until)
    VALUES (:tenant, :id, :branch, :phone, :code_hash, :code_until)
    """
)

_LOCK = text(
    f"""
    SELECT {_COLUMNS} FROM reminders.numbers WHERE tenant_id = :tenant AND number_id = :id FOR UPDATE
    """  # noqa: S608 - constants
)

_LIST = text(
    f"SELECT {_COLUMNS} FROM reminders.numbers WHERE tenant_id = :tenant ORDER BY number_id"  # noqa: S608
)

_SAVE = text(
    """
    UPDATE reminders.numbers
    SET state = :state, tries = :tries, code_hash = :code_hash, code_until = :code_until,
        code_sent_at = :code_sent_at, codes_from = :codes_from, codes_sent = :codes_sent
    WHERE tenant_id = :tenant AND number_id = :id
    """
)

_CODES = text(
    """
    SELECT coalesce(sum(codes_sent), 0) AS sent, min(codes_from) AS first FROM reminders.numbers
    WHERE tenant_id = :tenant AND codes_from > :since
    """
)

_RETIRE = text(
    """
    UPDATE reminders.numbers SET state = 'VERIFIED'
    WHERE tenant_id = :tenant AND branch_id = :branch AND state = 'ACTIVE'
    """
)

ACTIVE = """
    (SELECT n.phone FROM reminders.numbers n
     WHERE n.tenant_id = :tenant AND n.state = 'ACTIVE' AND n.branch_id IN (:branch, '')
     ORDER BY n.branch_id DESC LIMIT 1)
"""

_CALLER = text(
    f"""
    SELECT {ACTIVE} AS caller,
           EXISTS (SELECT FROM reminders.opt_outs o WHERE o.tenant_id = :tenant AND o.phone = :phone) AS out
    """  # noqa: S608 - constants
)


async def insert(tx: Tx, number: CallerNumber) -> None:
    """A number that was asked for. Raises AlreadyExists naming `phone`."""
    await tx.run(_INSERT, {"branch": number.branch_id, "phone": number.phone, **_params(tx, number)})


async def lock(tx: Tx, number_id: str) -> CallerNumber:
    """One number, locked. Raises NotFound naming `number_id`."""
    row = (await tx.run(_LOCK, {"tenant": tx.tenant, "id": number_id})).one_or_none()
    if row is None:
        raise errors.not_found("number", "number_id")
    return _number(row)


async def save(tx: Tx, number: CallerNumber) -> None:
    """Stores its state and its code."""
    sent = {
        "code_sent_at": number.code_sent_at,
        "codes_from": number.codes_from,
        "codes_sent": number.codes_sent,
    }
    params = {"state": number.state.value, "tries": number.tries, **sent, **_params(tx, number)}
    await tx.run(_SAVE, params)


async def codes_since(tx: Tx, since: datetime) -> tuple[int, datetime | None]:
    """Codes sent to the tenant's numbers whose day of codes began after an instant, and the first one."""
    row = (await tx.run(_CODES, {"tenant": tx.tenant, "since": since})).one()
    return int(row.sent), row.first


async def retire_active(tx: Tx, branch_id: str) -> None:
    """The active number of a branch, if any, is not called from any more."""
    await tx.run(_RETIRE, {"tenant": tx.tenant, "branch": branch_id})


async def all_of_tenant(tx: Tx) -> Sequence[CallerNumber]:
    """Every number, by id."""
    return [_number(row) for row in await tx.run(_LIST, {"tenant": tx.tenant})]


async def caller_for(tx: Tx, branch_id: str, phone: str) -> tuple[str | None, bool]:
    """The active number of the branch, else the organisation's (R-108); None when there is neither.

    And whether the contact's `phone` asked not to be called by this organisation.
    """
    params = {"tenant": tx.tenant, "branch": branch_id, "phone": phone}
    row = (await tx.run(_CALLER, params)).one()
    return row.caller, row.out


def _params(tx: Tx, number: CallerNumber) -> dict[str, Any]:
    until: datetime | None = number.code_until
    return {
        "tenant": tx.tenant,
        "id": number.number_id,
        "code_hash": number.code_hash,
        "code_until": until,
    }


def _number(row: Any) -> CallerNumber:
    return CallerNumber(
        number_id=row.number_id,
        branch_id=row.branch_id,
        phone=row.phone,
        state=NumberState(row.state),
        tries=row.tries,
        code_hash=row.code_hash,
        code_until=row.code_until,
        code_sent_at=row.code_sent_at,
        codes_from=row.codes_from,
        codes_sent=row.codes_sent,
    )
