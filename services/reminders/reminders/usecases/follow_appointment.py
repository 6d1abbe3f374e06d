"""Plans follow the appointment: made, moved and cancelled by booking's events, whatever their order."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from kit.db.claims import Claim
from kit.db.uow import Tx
from kit.failpoints import failpoint
from kit.values.ids import new_id
from reminders import events
from reminders.domain.colours import Colour
from reminders.domain.next_step import first_channel
from reminders.domain.parameters import Rules
from reminders.domain.reminder import Channel, State, Visit
from reminders.domain.timing import Drop, DropReason, Moment, Terms, at_dial, decide, due_at
from reminders.storage import defaults, parameters, plans, reminders
from reminders.storage.plans import Plan
from reminders.storage.reminders import Decision, NewReminder
from reminders.usecases.desk import Desk

_MADE: Final = frozenset({State.CALLING, State.DONE, State.DROPPED})


async def follow_appointment(desk: Desk, tenant: str, told: Visit, claim: Claim) -> None:
    """A version of an appointment; an older one than was told before changes nothing.

    Who is visited, and whether the visit takes place, is asked of booking before the transaction: a
    confirmation of a visit that fell through does not bring it back. Raises Unavailable when booking does not
    answer.
    """
    async with desk.db.uow(tenant) as tx:
        if await plans.seen_version(tx, told.appointment_id) >= told.version:
            return
    known = await desk.visits.get(tenant, told.appointment_id)
    visit = replace(
        told,
        zone=known.zone,
        name=known.name,
        phone=known.phone,
        email=known.email,
        language=known.language,
    )
    async with desk.db.uow(tenant, claim) as tx:
        if tx.duplicate:
            return
        if known.takes_place or known.version < told.version:
            await _follow(desk, tx, visit)
        else:
            await _end(tx, visit)
        await failpoint("reminders.follow.before_commit")


async def end_appointment(desk: Desk, tenant: str, told: Visit, claim: Claim) -> None:
    """The visit does not take place by now: nothing more is made; a call that is under way can't be taken
    back. A later version may bring it back."""
    async with desk.db.uow(tenant, claim) as tx:
        if not tx.duplicate:
            await _end(tx, told)


async def catch_up(desk: Desk, tx: Tx, known: Visit) -> None:
    """What booking told when it was asked, its event still on its way; an older version changes nothing."""
    if known.takes_place:
        await _follow(desk, tx, known)
    else:
        await _end(tx, known)


async def _end(tx: Tx, told: Visit) -> None:
    plan = await plans.enter(tx, told)
    if plan.visit.version >= told.version:
        return
    await failpoint("reminders.cancel.before_decide")
    await plans.close(tx, told.appointment_id, told.version)
    await _cancel_open(tx, told.appointment_id, "the appointment does not take place any more")
    await failpoint("reminders.cancel.before_commit")


async def _follow(desk: Desk, tx: Tx, visit: Visit) -> None:
    plan = await plans.enter(tx, visit)
    if plan.visit.version >= visit.version:
        return
    known = plan.visit.version > 0 and _same_time(plan.visit, visit)
    await plans.follow(tx, visit, live=True)
    if known and not plan.live:
        await _take_up(desk, tx, replace(plan, visit=visit))
    elif not known:
        moved = plan.visit.start != visit.start
        await plan_anew(desk, tx, replace(plan, visit=visit), moved=moved)


def _same_time(before: Visit, after: Visit) -> bool:
    return (before.start, before.zone) == (after.start, after.zone)


async def _take_up(desk: Desk, tx: Tx, plan: Plan) -> None:
    """The visit takes place at that very start after all, where an outcome had said that it fell through.

    What was made for this start is not made again, and its colour stays; a start that has passed is left.
    """
    if plan.visit.start <= await tx.now():
        return
    before = await reminders.of_appointment(tx, plan.visit.appointment_id)
    made = {each.offset for each in before if each.start == plan.visit.start and each.state in _MADE}
    planned = await _plan_all(desk, tx, plan, besides=made)
    if planned and plan.colour is None:
        await _paint(tx, plan, Colour.GREY)


async def plan_anew(desk: Desk, tx: Tx, plan: Plan, *, moved: bool = False) -> None:
    """Cancels what is open and makes the reminders of the plan's start; the calendar is grey again.

    A colour holds for one start: with a start that has `moved`, the same one is told once more.
    """
    await _cancel_open(tx, plan.visit.appointment_id, "the appointment was moved, or its reminders set anew")
    colour = Colour.GREY if await _plan_all(desk, tx, plan) else None
    if colour is not plan.colour or (moved and colour is not None):
        await _paint(tx, plan, colour)


async def _plan_all(desk: Desk, tx: Tx, plan: Plan, besides: Collection[timedelta] = ()) -> bool:
    """Makes the reminders of a plan's offsets, but for some; whether one is to be made."""
    visit = plan.visit
    await defaults.stamp(tx, visit.appointment_id, await defaults.revision(tx))
    rules = (await parameters.settings(tx)).rules(visit.campaign_id)
    offsets = rules.offsets if plan.own_offsets is None else plan.own_offsets
    made = [await plan_one(desk, tx, visit, each, rules) for each in offsets if each not in besides]
    return any(made)


async def _paint(tx: Tx, plan: Plan, colour: Colour | None) -> None:
    revision = await plans.paint(tx, plan.visit.appointment_id, colour)
    events.coloured(tx, plan.visit, events.Coloured(colour, revision, await tx.now()))


async def plan_one(desk: Desk, tx: Tx, visit: Visit, offset: timedelta, rules: Rules) -> bool:
    """Stores one reminder of a plan whose row is locked; False when a rule drops it at once."""
    now, zone = await tx.now(), ZoneInfo(visit.zone)
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
    for reminder_id in cancelled:
        await reminders.decided(tx, reminder_id, Decision(await tx.now(), "cancelled", (why,)))
    return cancelled
