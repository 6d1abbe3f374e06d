"""Books a series: every occurrence, or none (BK-44).

All occurrences are committed as PENDING with their units in one transaction, then the ledger is asked for
each stop, and one transaction decides all of them: booked when every stop was had, failed otherwise. What is
PENDING is nobody's appointment yet, so no part of a series is ever seen. All stops together have a limit of
time; what nobody finishes within it is undone whole by the reconciler.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from booking.domain import errors
from booking.domain.appointment import Appointment, NewCard, pending
from booking.domain.campaign import zone
from booking.domain.grounds import Grounds
from booking.domain.itinerary import StopPlan
from booking.domain.policies import require_allowed
from booking.domain.refusal import Refusal
from booking.domain.series import Conflict, Series, SeriesState, starts
from booking.storage import campaigns, series
from booking.usecases import claimed
from booking.usecases.booked_together import Asked, as_answered, decide, plans, take
from booking.usecases.desk import Desk
from booking.usecases.ports import REFUSALS
from booking.usecases.reach import reach
from booking.usecases.telling import require_agents_shown
from kit.db.claims import Claim
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
    asked = await _reserve_in_time(desk, begun, await plans(desk, begun))
    await failpoint("booking.series.after_reserve")
    conflicts = sorted([*begun.conflicts, *asked.conflicts], key=lambda each: each.number)
    return await decide(desk, begun.series_id, command.claim, replace(asked, conflicts=conflicts))


async def get_series(desk: Desk, series_id: str) -> Series:
    """What became of it. Raises NotFound, NotAllowed."""
    async with desk.db.uow(caller().tenant) as tx:
        found = await series.get(tx, series_id)
    if found.campaign_id is None:
        raise errors.not_found("series", "series_id")
    reach().require_campaign(found.campaign_id)
    return found


async def _begin(desk: Desk, command: CreateSeries) -> Series:
    async with desk.db.uow(caller().tenant, command.claim) as tx:
        if tx.claim_ref is not None:
            return await as_answered(tx, tx.claim_ref)
        grounds = await campaigns.grounds_to_book(
            tx, command.campaign_id, command.agent_id, command.contact_id, sandbox=desk.db.sandbox
        )
        if grounds is None:
            raise errors.not_found("campaign", "campaign_id")
        await failpoint("booking.series.before_decide")
        made = _series(command, grounds)
        for _, appointment in made.appointments:
            await take(tx, made.series_id, appointment, grounds)
        await series.begin(tx, made)
        tx.refer(made.series_id)
    return made


def _series(command: CreateSeries, grounds: Grounds) -> Series:
    require_agents_shown(grounds)
    if not grounds.agent_works:
        raise errors.agent_not_in_campaign(command.agent_id, "agent_id")
    point = grounds.required_contact_point()
    conflicts: list[Conflict] = []
    wanted: list[tuple[int, Appointment]] = []
    local = zone(grounds.campaign.time_zone)
    for number, start in enumerate(starts(command.start, command.every_days, command.count, local), 1):
        window = Window(start, start + command.duration)
        try:
            require_allowed(grounds.now, start, grounds.terms)
            stop = grounds.plan(command.agent_id, window, point)
        except GiroError as refusal:
            if refusal.reason is Reason.PACKAGE_FULL:
                raise
            conflicts.append(Conflict(number, start, Refusal.of(refusal)))
        else:
            wanted.append((number, _pending(command, stop, grounds.now)))
    return Series(new_id("ser"), command.campaign_id, SeriesState.PENDING, conflicts, wanted)


def _pending(command: CreateSeries, stop: StopPlan, now: datetime) -> Appointment:
    new = NewCard(new_id("apt"), command.campaign_id, command.contact_id, caller().subject, command.note)
    return pending(new, stop, now)


async def _reserve_in_time(desk: Desk, begun: Series, wanted: Mapping[int, StopPlan]) -> Asked:
    """What the ledger says of all. Raises Unavailable when the ledger did not answer in time for all."""
    try:
        async with asyncio.timeout(desk.series_within.total_seconds()):
            return await _reserve(desk, begun, wanted)
    except TimeoutError:
        unknown = Unavailable(Reason.SERVICE_UNAVAILABLE, "geo took too long over all occurrences")
        raise claimed.outcome_unknown(unknown) from None


async def _reserve(desk: Desk, begun: Series, wanted: Mapping[int, StopPlan]) -> Asked:
    """Asks for every stop, the ones after a refused one too, so that all conflicts are told."""
    conflicts, stops = [], {}
    for number, appointment in begun.appointments:
        ident = appointment.appointment_id
        try:
            stops[ident] = await desk.ledger.reserve(caller().tenant, ident, wanted[number], None)
        except REFUSALS as refusal:
            conflicts.append(Conflict(number, appointment.window.start, Refusal.of(refusal)))
        except Unavailable as unknown:
            raise claimed.outcome_unknown(unknown) from unknown
    return Asked(conflicts, stops)
