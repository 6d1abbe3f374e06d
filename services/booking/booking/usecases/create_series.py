"""Books a series: every occurrence, or none (BK-44).

All occurrences are committed as PENDING with their units in one transaction, then the ledger is asked for
each stop, and one transaction decides all of them: booked when every stop was had, failed otherwise. What is
PENDING is nobody's appointment yet, so no part of a series is ever seen. All stops together have a limit of
time; what nobody finishes within it is undone whole by the reconciler.

Rows are locked in one order (ADR 0030): the series, its appointments by id, their campaign.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from booking import events
from booking.domain import errors
from booking.domain.appointment import Appointment, State
from booking.domain.campaign import zone
from booking.domain.decision import Decision, SlotSource
from booking.domain.grounds import Grounds
from booking.domain.itinerary import Reservation, StopPlan
from booking.domain.parameters import LEAD_TIME, REVEAL_AGENT
from booking.domain.policies import require_allowed
from booking.domain.refusal import Refusal
from booking.domain.series import Conflict, Series, SeriesState, starts
from booking.storage import bookings, campaigns, series
from booking.storage.bookings import Booking
from booking.usecases import claimed, record
from booking.usecases.book_appointment import fail
from booking.usecases.desk import Desk
from booking.usecases.ports import REFUSALS
from booking.usecases.reach import reach
from booking.usecases.record import Begun
from booking.usecases.telling import require_agents_shown
from kit.db.claims import Claim
from kit.db.uow import Tx
from kit.errors import GiroError, Reason, Unavailable
from kit.failpoints import failpoint
from kit.rpc.context import caller
from kit.values.ids import new_id
from kit.values.window import Window


@dataclass(frozen=True, slots=True)
class CreateSeries:
    """`count` occurrences, every so many days, at the first one's hour by the campaign's clocks."""

    campaign_id: str
    contact_id: str
    agent_id: str
    start: datetime
    duration: timedelta
    every_days: int
    count: int
    note: str
    claim: Claim


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the ledger said: what does not fit, and the stops that it made, by appointment."""

    conflicts: Sequence[Conflict]
    stops: Mapping[str, Reservation]


class _Overtaken(Exception):
    """The reconciler gave an occurrence up before all could be decided."""


async def create_series(desk: Desk, command: CreateSeries) -> Series:
    """The series, CREATED or REFUSED with all that does not fit; the same again for the same claim.

    Raises NotFound, OUT_OF_SCOPE where agents are hidden, AGENT_NOT_IN_CAMPAIGN, PACKAGE_FULL when the
    package has not that many left, and Unavailable when the outcome is not known yet, as when the ledger
    takes too long over all of them.
    """
    reach().require_campaign(command.campaign_id)
    begun = await _begin(desk, command)
    if begun.state is not SeriesState.PENDING:
        return begun
    await failpoint("booking.series.after_pending")
    plans = await _plans(desk, begun)
    asked = await _reserve_in_time(desk, begun, plans)
    await failpoint("booking.series.after_reserve")
    conflicts = sorted([*begun.conflicts, *asked.conflicts], key=lambda each: each.number)
    return await _decide(desk, begun.series_id, replace(asked, conflicts=conflicts))


async def give_up(desk: Desk, tenant: str, series_id: str) -> bool:
    """Undoes a series that nobody finished; False when it is decided already."""
    async with desk.db.uow(tenant) as tx:
        return await _refuse(tx, series_id, ())


async def get_series(desk: Desk, series_id: str) -> Series:
    """What became of it. Raises NotFound, NotAllowed."""
    async with desk.db.uow(caller().tenant) as tx:
        found = await series.get(tx, series_id)
    reach().require_campaign(found.campaign_id)
    return found


async def _begin(desk: Desk, command: CreateSeries) -> Series:
    async with desk.db.uow(caller().tenant, command.claim) as tx:
        if tx.claim_ref is not None:
            return await series.get(tx, tx.claim_ref)
        grounds = await campaigns.grounds_to_book(
            tx, command.campaign_id, command.agent_id, command.contact_id, sandbox=desk.db.sandbox
        )
        if grounds is None:
            raise errors.not_found("campaign", "campaign_id")
        await failpoint("booking.series.before_decide")
        made = _series(command, grounds)
        for _, appointment in made.appointments:
            await _take(tx, made.series_id, appointment, grounds)
        await series.begin(tx, made)
        tx.refer(made.series_id)
    return made


def _series(command: CreateSeries, grounds: Grounds) -> Series:
    require_agents_shown(grounds)
    if not grounds.agent_works:
        raise errors.agent_not_in_campaign(command.agent_id, "agent_id")
    conflicts: list[Conflict] = []
    wanted: list[tuple[int, Appointment]] = []
    local = zone(grounds.campaign.time_zone)
    for number, start in enumerate(starts(command.start, command.every_days, command.count, local), 1):
        appointment = _appointment(command, grounds, start)
        try:
            require_allowed(grounds.now, start, grounds.terms)
            grounds.absences.require_none(command.agent_id, appointment.window)
        except GiroError as refusal:
            if refusal.reason is Reason.PACKAGE_FULL:
                raise
            conflicts.append(Conflict(number, start, Refusal.of(refusal)))
        else:
            wanted.append((number, appointment))
    return Series(new_id("ser"), command.campaign_id, SeriesState.PENDING, conflicts, wanted)


def _appointment(command: CreateSeries, grounds: Grounds, start: datetime) -> Appointment:
    return Appointment(
        appointment_id=new_id("apt"),
        campaign_id=command.campaign_id,
        contact_id=command.contact_id,
        agent_id=command.agent_id,
        window=Window(start, start + command.duration),
        point=grounds.required_contact_point(),
        state=State.PENDING,
        version=1,
        operator_id=caller().subject,
        note=command.note,
        created_at=grounds.now,
        updated_at=grounds.now,
        postcode=grounds.contact_postcode,
        arrival=grounds.promised(start),
    )


def _decision(grounds: Grounds, series_id: str) -> Decision:
    return record.by_policy(
        record.who(f"series {series_id}"),
        grounds.parameters,
        (LEAD_TIME, REVEAL_AGENT),
        grounds.campaign,
        slot_source=SlotSource.CHOSEN_TIME,
    )


async def _take(tx: Tx, series_id: str, appointment: Appointment, grounds: Grounds) -> None:
    """Takes the unit of one occurrence. No claim is its own: the series' claim answers for all."""
    plan = grounds.plan(appointment.agent_id, appointment.window, appointment.point)
    key = f"{bookings.OF_SERIES}{series_id}:{appointment.appointment_id}"
    if not await bookings.begin(tx, Booking(appointment, plan, None, key)):
        package = (await campaigns.get_counters(tx, appointment.campaign_id)).package
        raise errors.package_full(package.purchased, package.taken, package.waiting)
    await record.note(tx, appointment.appointment_id, _decision(grounds, series_id))


async def _plans(desk: Desk, begun: Series) -> dict[int, StopPlan]:
    async with desk.db.uow(caller().tenant) as tx:
        campaign = await campaigns.get_counters(tx, begun.campaign_id)
    return {
        number: StopPlan(
            each.agent_id,
            each.window,
            each.point,
            campaign.buffer,
            campaign.skills,
            each.postcode,
            each.arrival,
        )
        for number, each in begun.appointments
    }


async def _reserve_in_time(desk: Desk, begun: Series, plans: dict[int, StopPlan]) -> _Asked:
    """What the ledger says of all. Raises Unavailable when the ledger did not answer in time for all."""
    try:
        async with asyncio.timeout(desk.series_within.total_seconds()):
            return await _reserve(desk, begun, plans)
    except TimeoutError:
        unknown = Unavailable(Reason.SERVICE_UNAVAILABLE, "geo took too long over all occurrences")
        raise claimed.outcome_unknown(unknown) from None


async def _reserve(desk: Desk, begun: Series, plans: dict[int, StopPlan]) -> _Asked:
    """Asks for every stop, the ones after a refused one too, so that all conflicts are told."""
    conflicts, stops = [], {}
    for number, appointment in begun.appointments:
        ident = appointment.appointment_id
        try:
            stops[ident] = await desk.ledger.reserve(caller().tenant, ident, plans[number], None)
        except REFUSALS as refusal:
            conflicts.append(Conflict(number, appointment.window.start, Refusal.of(refusal)))
        except Unavailable as unknown:
            raise claimed.outcome_unknown(unknown) from unknown
    return _Asked(conflicts, stops)


async def _decide(desk: Desk, series_id: str, asked: _Asked) -> Series:
    if not asked.conflicts:
        try:
            return await _book(desk, series_id, asked.stops)
        except _Overtaken:
            pass
    async with desk.db.uow(caller().tenant) as tx:
        await _refuse(tx, series_id, asked.conflicts)
        return await series.get(tx, series_id)


async def _refuse(tx: Tx, series_id: str, conflicts: Sequence[Conflict]) -> bool:
    """PENDING -> REFUSED with all its appointments; without conflicts it was given up. False: was decided."""
    found = await series.get(tx, series_id, lock=True)
    if found.state is not SeriesState.PENDING:
        return False
    given_up = Refusal.of(errors.given_up("series"))
    for _, appointment in found.appointments:
        await fail(tx, appointment.appointment_id, given_up)
    told = conflicts or [Conflict(number, each.window.start, given_up) for number, each in found.appointments]
    await series.decide(tx, series_id, SeriesState.REFUSED, told)
    await failpoint("booking.series.before_commit")
    return True


async def _book(desk: Desk, series_id: str, stops: Mapping[str, Reservation]) -> Series:
    async with desk.db.uow(caller().tenant) as tx:
        found = await series.get(tx, series_id, lock=True)
        if found.state is not SeriesState.PENDING:
            return found
        for _, appointment in found.appointments:
            booked = await bookings.decide_booked(tx, appointment.appointment_id)
            if booked is None:
                raise _Overtaken
            begun = Begun(booked.appointment_id, stops[booked.appointment_id])
            await record.keep(tx, events.booked(tx, booked), begun)
        await series.decide(tx, series_id, SeriesState.CREATED, ())
        await failpoint("booking.series.before_commit")
        return await series.get(tx, series_id)
