"""The reconciler: settles what a crash or a frozen process left unfinished.

A booking nobody finished is decided FAILED first, then its id is fenced at geo, so that a late reservation is
refused. A move nobody finished is settled at geo first: made, we follow; not made, it never will be. Each
step is conditional on the row, so that several reconcilers, and the request itself, may meet here.
"""

from collections.abc import Awaitable, Mapping, Sequence
from datetime import timedelta
from typing import Final

from prometheus_client import Counter, Gauge

from booking.domain import errors
from booking.domain.refusal import Refusal
from booking.storage import bookings, due, moves
from booking.storage.due import Due, DueKind
from booking.usecases import booked_together, move_stop, settle_repairs
from booking.usecases.desk import Desk
from booking.usecases.fail_booking import fail_booking
from kit import telemetry
from kit.errors import GiroError, Unavailable
from kit.failpoints import failpoint

_log = telemetry.logger(__name__)

pending_age: Final = Gauge("giro_booking_pending", "Seconds since the oldest undecided change began")
settled_total: Final = Counter("giro_booking_settled_total", "Changes the reconciler settled", ["outcome"])

_BATCH = 100


async def settle_changes(desk: Desk, age: timedelta) -> int:
    """One round over all tenants: settles what is older than `age`; how many were settled.

    Stops early when geo does not answer; the next round goes on.
    """
    async with desk.db.worker() as tx:
        found = await due.find(tx, age, _BATCH)
        pending_age.set(await due.oldest_age(tx))
    try:
        return await _settle_all(desk, found) + await _settle_repairs(desk, age)
    except Unavailable as error:
        _log.warning("settling_waits", error=str(error))
        return 0


async def _settle_all(desk: Desk, found: Sequence[Due]) -> int:
    settled = 0
    for change in found:
        if change.kind is DueKind.SERIES:  # before its appointments, so that it falls as a whole
            settled += await _counted(_give_up_series(desk, change), change.id)
    for change in found:
        if change.kind is DueKind.BOOKING:  # before the rest, since it needs nothing of geo
            settled += await _counted(_give_up_booking(desk, change), change.id)
    for tenant, ids in _fences(found).items():
        settled += await _fence(desk, tenant, ids)
    for change in found:
        if change.kind is DueKind.MOVE:
            settled += await _counted(_settle_move(desk, change), change.id)
    return settled


async def _settle_repairs(desk: Desk, age: timedelta) -> int:
    found = await settle_repairs.due(desk, age)
    return sum([await _counted(settle_repairs.settle_repair(desk, *one), one[1]) for one in found])


async def _counted(settling: Awaitable[str], what: str) -> int:
    """1 when it was settled. A defect of one change is logged and does not keep the others waiting."""
    try:
        settled_total.labels(outcome=await settling).inc()
    except Unavailable:
        raise
    except (GiroError, RuntimeError) as error:
        settled_total.labels(outcome="error").inc()
        _log.exception("settling_failed", id=what, error=str(error))
        return 0
    return 1


async def _give_up_series(desk: Desk, change: Due) -> str:
    given_up = await booked_together.give_up(desk, change.tenant, change.id)
    return "series_given_up" if given_up else "finished_meanwhile"


async def _give_up_booking(desk: Desk, change: Due) -> str:
    async with desk.db.uow(change.tenant) as tx:
        failed = await fail_booking(tx, change.id, Refusal.of(errors.given_up("booking")))
    await failpoint("booking.settle.after_failed")
    return "booking_given_up" if failed else "finished_meanwhile"


def _fences(found: Sequence[Due]) -> Mapping[str, Sequence[str]]:
    by_tenant: dict[str, list[str]] = {}
    for change in found:
        if change.kind is DueKind.FENCE:
            by_tenant.setdefault(change.tenant, []).append(change.id)
    return by_tenant


async def _fence(desk: Desk, tenant: str, appointment_ids: Sequence[str]) -> int:
    """Frees what geo has for these ids, and makes it refuse them from now on."""
    fenced = [each for each in appointment_ids if await _counted(_settle_stop(desk, tenant, each), each)]
    await failpoint("booking.settle.after_fence")
    if fenced:
        async with desk.db.uow(tenant) as tx:
            await bookings.mark_settled(tx, fenced)
    return len(fenced)


async def _settle_stop(desk: Desk, tenant: str, appointment_id: str) -> str:
    await desk.ledger.settle_stop(tenant, appointment_id)
    return "fenced"


async def _settle_move(desk: Desk, change: Due) -> str:
    stop = await desk.ledger.settle_move(change.tenant, change.id)
    await failpoint("booking.settle.after_settle_move")
    if stop is None:
        refusal = Refusal.of(errors.given_up("change"))
        dropped = await move_stop.drop(desk, change.tenant, change.id, refusal)
        return "move_dropped" if dropped else "finished_meanwhile"
    async with desk.db.uow(change.tenant) as tx:
        move = await moves.get(tx, change.id)
    if move is None:
        raise RuntimeError(f"{change.id} is no move of {change.tenant}")
    followed = await move_stop.follow(desk, change.tenant, move, stop)
    return "finished_meanwhile" if followed is None else "move_followed"
