"""What a procedure cannot do: nothing moves, and people are told, with starts that fit (R-060, BK-29)."""

from collections.abc import Sequence
from dataclasses import dataclass

from booking import events
from booking.domain.appointment import Appointment
from booking.domain.history import Entry, HistoryKind
from booking.domain.pages import DEFAULT_SIZE, Position, instant_and_id
from booking.domain.refix import Alternative
from booking.storage import history, refix_exceptions, refix_requests
from booking.storage.recalls import START_OF_TIME
from booking.storage.refix_exceptions import RefixException
from booking.storage.refix_requests import RefixRequest
from booking.usecases.desk import Desk
from booking.usecases.reach import reach
from booking.usecases.refix.alternatives import alternatives
from kit.db.uow import Tx
from kit.errors import GiroError
from kit.failpoints import failpoint
from kit.rpc.context import caller
from kit.values.ids import new_id


@dataclass(frozen=True, slots=True)
class Failure:
    """Why what a request asks for cannot be done; it waits, and nothing is begun for it."""

    procedure_id: str
    request: RefixRequest
    refusal: GiroError


@dataclass(frozen=True, slots=True)
class ExceptionPage:
    """Open exceptions, the oldest first; the token is empty on the last page."""

    exceptions: Sequence[RefixException]
    next_page_token: str


async def raise_exception(desk: Desk, tenant: str, appointment: Appointment, failure: Failure) -> None:
    """Ends the request and tells it, with alternatives, in one transaction.

    The alternatives are asked of geo before. Raises Unavailable when it does not answer: the request then
    waits, and is tried again.
    """
    found = await alternatives(desk, tenant, appointment, failure.request.refix_at)
    await failpoint("booking.exception.before_decide")
    async with desk.db.uow(tenant) as tx:
        if await refix_requests.take(tx, failure.request) is None:
            return
        await refix_requests.end(tx, failure.request.refix_id, "EXCEPTION")
        await _tell(tx, appointment, failure, found)
        await failpoint("booking.exception.before_commit")


async def list_exceptions(desk: Desk, campaign_id: str, page_size: int, page_token: str) -> ExceptionPage:
    """One page within the caller's reach. Raises InvalidInput naming `page_token`, OUT_OF_SCOPE."""
    who = caller()
    shape = ("refix exceptions", campaign_id)
    position = desk.page_tokens.read(who.tenant, shape, page_token)
    mine = reach()
    mine.require_sight(campaign_id, "")
    size = page_size or DEFAULT_SIZE
    after = instant_and_id(position) or (START_OF_TIME, "")
    async with desk.db.uow(who.tenant) as tx:
        found = await refix_exceptions.page(tx, mine, campaign_id, after, size + 1)
    return ExceptionPage(*desk.page_tokens.cut(who.tenant, shape, found, size, _position))


def _position(exception: RefixException) -> Position:
    return exception.raised_at.isoformat(), exception.exception_id


async def _tell(tx: Tx, appointment: Appointment, failure: Failure, found: Sequence[Alternative]) -> None:
    now, refusal = await tx.now(), failure.refusal
    exception = RefixException(
        exception_id=new_id("exc"),
        refix_id=failure.request.refix_id,
        appointment_id=appointment.appointment_id,
        campaign_id=appointment.campaign_id,
        procedure_id=failure.procedure_id,
        refix_at=failure.request.refix_at,
        reason=refusal.reason.value,
        message=refusal.message,
        alternatives=tuple(found),
        raised_at=now,
    )
    await refix_exceptions.add(tx, exception)
    entry = Entry(
        appointment_id=appointment.appointment_id,
        kind=HistoryKind.EXCEPTION,
        at=now,
        actor_id=f"procedure:{failure.procedure_id}",
        version=appointment.version,
        note=refusal.message,
        facts={"reason": refusal.reason.value, "refix_at": failure.request.refix_at.isoformat()},
    )
    await history.add(tx, entry)
    events.refix_exception(tx, exception.exception_id, appointment.appointment_id, refusal.reason.value)
