"""Plans follow the appointment: made, moved and cancelled by booking's events, whatever their order."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from kit import telemetry
from kit.db.claims import Claim
from kit.db.uow import Tx
from kit.failpoints import failpoint
from kit.values.ids import new_id
from reminders import events
from reminders.domain.colours import Colour
from reminders.domain.next_step import first_channel
from reminders.domain.parameters import Rules, Settings
from reminders.domain.reminder import Channel, Reminder, State, Visit
from reminders.domain.timing import Drop, DropReason, Moment, Terms, at_dial, decide, due_at
from reminders.storage import defaults, parameters, plans, reminders
from reminders.storage.plans import Plan
from reminders.storage.reminders import Decision, NewReminder
from reminders.usecases.desk import Desk

_MADE: Final = frozenset({State.CALLING, State.DONE, State.DROPPED})


@dataclass(frozen=True, slots=True)
class Told:
    """What an event tells of an appointment: a version that will take place, or (`ends`) that it will not.

    `traceparent` and `request_id` are those of the event, which what follows from it belongs to.
    """

    visit: Visit
    ends: bool
    claim: Claim
    traceparent: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Basis:
    """What plans are made by, read once for many, after their rows were locked: the revision of the defaults,
    which is read before them, and the clock."""

    revision: int
    settings: Settings
    now: datetime


@dataclass(frozen=True, slots=True)
class Planning:
    """What the reminders of one visit are decided by."""

    visit: Visit
    rules: Rules
    now: datetime


async def follow_appointments(desk: Desk, tenant: str, told: Sequence[Told]) -> frozenset[str]:
    """Plans follow what is told of different appointments, all in one transaction.

    An older version than was told before changes nothing. One that ends: nothing more is made, and a call
    that is under way can't be taken back; a later version may bring it back. Who is visited is asked of
    booking before the transaction, and whether it takes place: a confirmation of a visit that fell through
    does not bring it back. Gives the ids of those that booking does not know, of which nothing was
    done. Raises Unavailable when it does not answer.
    """
    coming = {each.visit.appointment_id: each.visit for each in told if not each.ends}
    async with desk.db.uow(tenant) as tx:
        seen = await plans.seen_versions(tx, coming)
    newer = [name for name, visit in coming.items() if seen.get(name, 0) < visit.version]
    known = await desk.visits.get_all(tenant, newer) if newer else {}
    work = [each for each in told if each.ends or each.visit.appointment_id in known]
    if work:
        await _follow_all(desk, tenant, work, known)
    return frozenset(newer) - frozenset(known)


async def _follow_all(desk: Desk, tenant: str, told: Sequence[Told], known: Mapping[str, Visit]) -> None:
    async with desk.db.uow(tenant) as tx:
        fresh = await tx.claim_all([each.claim for each in told])
        # in one order, so that those who follow many wait for each other and do not lock each other out
        work = sorted((each for each in told if each.claim.key in fresh), key=_appointment_id)
        visits = [each.visit if each.ends else _reached(each.visit, known) for each in work]
        entered = await plans.enter_all(tx, visits)
        basis = await _basis(tx)
        for each, visit in zip(work, visits, strict=True):
            plan = entered[visit.appointment_id]
            with telemetry.work(each.traceparent, each.request_id or None, tenant):
                if each.ends or _is_over(visit, known):
                    await _end(tx, plan, visit)
                else:
                    await _follow(desk, tx, plan, visit, basis)
        await failpoint("reminders.follow.before_commit")


def _appointment_id(told: Told) -> str:
    return told.visit.appointment_id


def _is_over(told: Visit, known: Mapping[str, Visit]) -> bool:
    """Whether booking says so, and has not been asked before what is told had come to pass."""
    found = known[told.appointment_id]
    return not found.takes_place and found.version >= told.version


async def _basis(tx: Tx) -> Basis:
    revision = await defaults.revision(tx)
    return Basis(revision, await parameters.settings(tx), await tx.now())


def _reached(told: Visit, known: Mapping[str, Visit]) -> Visit:
    """The visit of the event, with who is visited as booking knows it by now."""
    found = known[told.appointment_id]
    return replace(
        told,
        zone=found.zone,
        name=found.name,
        phone=found.phone,
        email=found.email,
        language=found.language,
    )


async def catch_up(desk: Desk, tx: Tx, known: Visit) -> None:
    """What booking told when it was asked, its event still on its way; an older version changes nothing."""
    plan = await plans.enter(tx, known)
    if known.takes_place:
        await _follow(desk, tx, plan, known, await _basis(tx))
    else:
        await _end(tx, plan, known)


async def as_known(desk: Desk, tx: Tx, plan: Plan, known: Visit) -> Plan:
    """The plan by what booking knows now: a newer version of the visit, or the contact as corrected since."""
    visit = plan.visit
    if known.version > visit.version:
        await catch_up(desk, tx, known)
    elif known.version == visit.version and known.reached_at != visit.reached_at:
        await plans.correct(tx, known)
    else:
        return plan
    return await plans.get(tx, visit.appointment_id)


async def follow_contact(desk: Desk, tenant: str, contact_id: str) -> None:
    """The contact has got a number or an address: reminders that were dropped for want of one come back.

    Those alone that were never tried: what has been tried is not tried anew (R-118). May be done again.
    Raises Unavailable when booking does not answer.
    """
    async with desk.db.uow(tenant) as tx:
        dropped = await plans.without_address(tx, contact_id)
    await _bring_back(desk, tenant, dropped)


async def follow_drop(desk: Desk, tenant: str, appointment_id: str) -> None:
    """A reminder was dropped for want of an address: it comes back if booking knows one by now.

    Booking was asked before the drop was committed. Where its contact got a number in between,
    `follow_contact` did not see the drop; this question comes after it, so that one of the two sees the
    other. May be done again. Raises Unavailable when booking does not answer.
    """
    async with desk.db.uow(tenant) as tx:
        dropped = await plans.is_without_address(tx, appointment_id)
    if dropped:
        await _bring_back(desk, tenant, [appointment_id])


async def _bring_back(desk: Desk, tenant: str, dropped: Sequence[str]) -> None:
    known = await desk.visits.get_all(tenant, dropped) if dropped else {}
    for appointment_id, visit in sorted(known.items()):
        async with desk.db.uow(tenant) as tx:
            plan = await as_known(desk, tx, await plans.lock(tx, appointment_id), visit)
            if plan.live and visit.takes_place:
                await _take_up(desk, tx, plan, await _basis(tx))


async def _end(tx: Tx, plan: Plan, told: Visit) -> None:
    """The plan, which is locked, comes to its end."""
    if plan.visit.version >= told.version:
        return
    await failpoint("reminders.cancel.before_decide")
    await plans.close(tx, told.appointment_id, told.version)
    await _cancel_open(tx, told.appointment_id, "the appointment does not take place any more")
    await failpoint("reminders.cancel.before_commit")


async def _follow(desk: Desk, tx: Tx, plan: Plan, visit: Visit, basis: Basis) -> None:
    """The plan, which is locked, goes by this version."""
    if plan.visit.version >= visit.version:
        return
    known = plan.visit.version > 0 and _same_time(plan.visit, visit)
    await plans.follow(tx, visit, live=True)
    if known and not plan.live:
        await _take_up(desk, tx, replace(plan, visit=visit), basis)
    elif not known:
        moved = plan.visit.start != visit.start
        await _plan_anew(desk, tx, replace(plan, visit=visit), basis, moved=moved)


def _same_time(before: Visit, after: Visit) -> bool:
    return (before.start, before.zone) == (after.start, after.zone)


async def _take_up(desk: Desk, tx: Tx, plan: Plan, basis: Basis) -> None:
    """The visit takes place at that very start after all, where an outcome had said that it fell through, or
    its contact can be reached where there was no address.

    What was made for this start is not made again, and its colour stays; a start that has passed is left.
    """
    if plan.visit.start <= basis.now:
        return
    before = await reminders.of_appointment(tx, plan.visit.appointment_id)
    reachable = first_channel(plan.visit, basis.settings.rules(plan.visit.campaign_id)) is not None
    made = {
        each.offset
        for each in before
        if each.start == plan.visit.start
        and each.state in _MADE
        and not (reachable and _had_no_address(each))
    }
    planned = await _plan_all(desk, tx, plan, basis, besides=made)
    if planned and plan.colour is None:
        await _paint(tx, plan, Colour.GREY, basis.now)


def _had_no_address(reminder: Reminder) -> bool:
    return reminder.reason == DropReason.NO_ADDRESS and not reminder.attempt


async def plan_anew(desk: Desk, tx: Tx, plan: Plan) -> None:
    """Cancels what is open and makes the reminders of the plan's start; the calendar is grey again."""
    await _plan_anew(desk, tx, plan, await _basis(tx), moved=False)


async def _plan_anew(desk: Desk, tx: Tx, plan: Plan, basis: Basis, *, moved: bool) -> None:
    """A colour holds for one start: with a start that has `moved`, the same one is told once more."""
    await _cancel_open(tx, plan.visit.appointment_id, "the appointment was moved, or its reminders set anew")
    colour = Colour.GREY if await _plan_all(desk, tx, plan, basis) else None
    if colour is not plan.colour or (moved and colour is not None):
        await _paint(tx, plan, colour, basis.now)


async def _plan_all(
    desk: Desk, tx: Tx, plan: Plan, basis: Basis, besides: Collection[timedelta] = ()
) -> bool:
    """Makes the reminders of a plan's offsets, but for some; whether one is to be made."""
    visit = plan.visit
    await defaults.stamp(tx, visit.appointment_id, basis.revision)
    rules = basis.settings.rules(visit.campaign_id)
    offsets = rules.offsets if plan.own_offsets is None else plan.own_offsets
    planning = Planning(visit, rules, basis.now)
    made = [await plan_one(desk, tx, planning, each) for each in offsets if each not in besides]
    return any(made)


async def _paint(tx: Tx, plan: Plan, colour: Colour | None, now: datetime) -> None:
    revision = await plans.paint(tx, plan.visit.appointment_id, colour)
    events.coloured(tx, plan.visit, events.Coloured(colour, revision, now))


async def plan_one(desk: Desk, tx: Tx, planning: Planning, offset: timedelta) -> bool:
    """Stores one reminder of a plan whose row is locked; False when a rule drops it at once."""
    visit, rules, now = planning.visit, planning.rules, planning.now
    zone = ZoneInfo(visit.zone)
    due = due_at(visit.start, offset, zone)
    planned = decide(due, visit.start, offset, zone, rules)
    found = _as_seen(planned, now, Terms(visit.start, offset, zone, rules))
    channel = first_channel(visit, rules)
    if channel is None and isinstance(found, Moment):
        found = Drop(DropReason.NO_ADDRESS, ("the contact has no number and no address for any channel",))
    new = NewReminder(
        reminder_id=new_id("rem"),
        appointment_id=visit.appointment_id,
        start=visit.start,
        offset=offset,
        zone=visit.zone,
        due_at=due,
        run_at=found.at if isinstance(found, Moment) else due,
        channel=channel or Channel.VOICE,
        tz_version=desk.tz_version,
        by_plan=found is planned,
        drop=found.reason if isinstance(found, Drop) else None,
    )
    if not await reminders.insert(tx, new):
        return True  # the same one is open: a call for this very start is under way
    await reminders.decided(tx, new.reminder_id, Decision(now, _said(found), found.path))
    if isinstance(found, Drop):
        events.dropped(tx, visit, new.reminder_id, found.reason, now)
    return isinstance(found, Moment)


def _as_seen(planned: Moment | Drop, now: datetime, terms: Terms) -> Moment | Drop:
    """What was planned, as seen `now`; a moment that has passed is made up for, or dropped as too late."""
    if isinstance(planned, Drop) or planned.at >= now:
        return planned
    late = at_dial(planned.at, now, terms)
    return replace(late, path=(*planned.path, *late.path))


def _said(found: Moment | Drop) -> str:
    return f"dropped: {found.reason}" if isinstance(found, Drop) else f"planned for {found.at.isoformat()}"


async def _cancel_open(tx: Tx, appointment_id: str, why: str) -> Sequence[str]:
    cancelled = await reminders.cancel_open(tx, appointment_id)
    if cancelled:
        await reminders.decided_alike(tx, cancelled, Decision(await tx.now(), "cancelled", (why,)))
    return cancelled
