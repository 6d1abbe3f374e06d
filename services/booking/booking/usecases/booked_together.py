"""Appointments that are booked together or not at all: how their units are taken, and how they are decided.

All of them are PENDING until one transaction decides them. What nobody finishes is undone whole.

Rows are locked in one order (ADR 0030): the series, its appointments by id, their campaigns.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from booking import events
from booking.domain import errors
from booking.domain.appointment import Appointment
from booking.domain.decision import Decision, SlotSource
from booking.domain.grounds import Grounds
from booking.domain.itinerary import Reservation, StopPlan
from booking.domain.parameters import LEAD_TIME, REVEAL_AGENT
from booking.domain.refusal import Refusal
from booking.domain.series import Conflict, Series, SeriesState
from booking.storage import answers, bookings, campaigns, series, waitlist
from booking.storage.bookings import Booking
from booking.usecases import record
from booking.usecases.desk import Desk
from booking.usecases.fail_booking import fail_booking
from booking.usecases.record import Begun
from kit.db.claims import Claim
from kit.db.uow import Tx
from kit.failpoints import failpoint
from kit.rpc.context import caller


@dataclass(frozen=True, slots=True)
class Asked:
    """What the ledger said: what does not fit, and the stops that it made, by appointment."""

    conflicts: Sequence[Conflict]
    stops: Mapping[str, Reservation]


class _Overtaken(Exception):
    """The reconciler gave one of them up before all could be decided."""


async def take(tx: Tx, series_id: str, appointment: Appointment, grounds: Grounds) -> None:
    """Takes the unit of one of them. No claim is its own: the series' claim answers for all.

    Raises PACKAGE_FULL.
    """
    plan = grounds.plan(appointment.agent_id, appointment.window, appointment.point)
    key = f"{bookings.OF_SERIES}{series_id}:{appointment.appointment_id}"
    if not await bookings.begin(tx, Booking(appointment, plan, None, key)):
        package = (await campaigns.get_counters(tx, appointment.campaign_id)).package
        raise errors.package_full(package.purchased, package.taken, package.waiting)
    await record.note(tx, appointment.appointment_id, _decision(grounds, series_id))


def _decision(grounds: Grounds, series_id: str) -> Decision:
    return record.by_policy(
        record.who(f"series {series_id}"),
        grounds.parameters,
        (LEAD_TIME, REVEAL_AGENT),
        grounds.campaign,
        slot_source=SlotSource.CHOSEN_TIME,
    )


async def plans(desk: Desk, begun: Series) -> dict[int, StopPlan]:
    """The stops that they need, by number."""
    ids = sorted({each.campaign_id for _, each in begun.appointments})
    async with desk.db.uow(caller().tenant) as tx:
        known = {one: await campaigns.get_counters(tx, one) for one in ids}
    return {
        number: StopPlan(
            each.agent_id,
            each.window,
            each.point,
            known[each.campaign_id].buffer,
            known[each.campaign_id].skills,
            each.postcode,
            each.arrival,
        )
        for number, each in begun.appointments
    }


async def as_answered(tx: Tx, series_id: str) -> Series:
    """What the claim of the transaction was answered first; what was refused, or is not decided, as it is."""
    if tx.first_answer is not None:
        return answers.series(tx.first_answer)
    return await series.get(tx, series_id)


async def decide(desk: Desk, series_id: str, claim: Claim, asked: Asked) -> Series:
    """All are booked, or none is; as somebody else has decided, where that was earlier."""
    if asked.conflicts or not await _booked(desk, series_id, claim, asked.stops):
        async with desk.db.uow(caller().tenant) as tx:
            await _refuse(tx, series_id, asked.conflicts)
    async with desk.db.uow(caller().tenant, claim) as tx:
        return await as_answered(tx, series_id)


async def give_up(desk: Desk, tenant: str, series_id: str) -> bool:
    """Undoes what nobody finished; False when it is decided already."""
    async with desk.db.uow(tenant) as tx:
        return await _refuse(tx, series_id, ())


async def _refuse(tx: Tx, series_id: str, conflicts: Sequence[Conflict]) -> bool:
    """PENDING -> REFUSED with all its appointments; without conflicts it was given up. False: was decided."""
    found = await series.get(tx, series_id, lock=True)
    if found.state is not SeriesState.PENDING:
        return False
    given_up = Refusal.of(errors.given_up("series" if found.campaign_id else "plan"))
    for _, appointment in sorted(found.appointments, key=_campaign_first):
        await fail_booking(tx, appointment.appointment_id, given_up)
    told = conflicts or [Conflict(number, each.window.start, given_up) for number, each in found.appointments]
    await series.decide(tx, series_id, SeriesState.REFUSED, told)
    await failpoint("booking.series.before_commit")
    return True


async def _booked(desk: Desk, series_id: str, claim: Claim, stops: Mapping[str, Reservation]) -> bool:
    """PENDING -> CREATED; False when one of them was given up meanwhile."""
    try:
        await _book(desk, series_id, claim, stops)
    except _Overtaken:
        return False
    return True


async def _book(desk: Desk, series_id: str, claim: Claim, stops: Mapping[str, Reservation]) -> None:
    async with desk.db.uow(caller().tenant) as tx:
        found = await series.get(tx, series_id, lock=True)
        if found.state is not SeriesState.PENDING:
            return
        people = {(each.campaign_id, each.contact_id) for _, each in found.appointments}
        await waitlist.serve_all(tx, sorted(people))  # in their order, before each booking would
        for _, appointment in found.appointments:
            booked = await bookings.decide_booked(tx, appointment.appointment_id)
            if booked is None:
                raise _Overtaken
            begun = Begun(booked.appointment_id, stops[booked.appointment_id])
            await record.keep(tx, events.booked(tx, booked), begun)
        await series.decide(tx, series_id, SeriesState.CREATED, ())
        await tx.answer_claim(claim.key, answers.from_series(await series.get(tx, series_id)))
        await failpoint("booking.series.before_commit")


def _campaign_first(numbered: tuple[int, Appointment]) -> tuple[str, int]:
    """The order in which campaigns' rows are locked."""
    number, appointment = numbered
    return appointment.campaign_id, number
