"""Why an agent cannot come at a start, and the smallest changes that would open it (GEO-10, GEO-29)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from booking.domain import errors, parameters
from booking.domain.absences import NO_ABSENCES
from booking.domain.appointment import require_movable
from booking.domain.grounds import Grounds
from booking.domain.policies import earliest_start, refusals
from booking.storage import appointments
from booking.usecases.desk import Desk
from booking.usecases.ports import Explanation, FoundChange, StartGround, StartQuestion
from booking.usecases.postpone_appointment import plan_postponement
from booking.usecases.reach import reach
from booking.usecases.search_slots import agents_with_outcomes_due
from booking.usecases.telling import require_agents_shown
from kit.db.uow import Tx
from kit.errors import GiroError
from kit.rpc.context import caller
from kit.values.latlng import LatLng
from kit.values.window import Window

_AROUND: Final = timedelta(days=14)
"""How far another start may be away."""
TO_ACT: Final = timedelta(minutes=1)
"""What is proposed can be booked for so long before the lead time refuses it."""


@dataclass(frozen=True, slots=True)
class ExplainSlot:
    """The start asked about. A place is a contact of the campaign or a point."""

    campaign_id: str
    contact_id: str
    point: LatLng | None
    agent_id: str
    window: Window


async def explain_slot(desk: Desk, query: ExplainSlot) -> Explanation:
    """All that speaks against it, and changes of which each would do; neither where it can be booked.

    Raises NotFound, AGENT_NOT_IN_CAMPAIGN, Unavailable, and OUT_OF_SCOPE where agents are hidden.
    """
    reach().require_campaign(query.campaign_id)
    grounds = await desk.grounds.of(caller().tenant, query.campaign_id, query.contact_id)
    if grounds is None:
        raise errors.not_found("campaign", "campaign_id")
    require_agents_shown(grounds)
    if query.agent_id not in grounds.campaign.agent_ids:
        raise errors.agent_not_in_campaign(query.agent_id, "agent_id")
    policy = refusals(grounds.now, query.window.start, grounds.terms)
    own = [*map(_ground, policy), *_away(grounds, query)]
    others = await _others(desk, grounds, query)
    found = await desk.ledger.explain(caller().tenant, _question(query, grounds, own, others))
    if grounds.terms.package.full:
        return Explanation([*own, *found.grounds], ())
    async with desk.db.uow(caller().tenant) as tx:
        changes = [change for change in found.changes if await _may_be_made(desk, tx, change)]
    return Explanation([*own, *found.grounds], changes, found.incomplete)


def _ground(refusal: GiroError) -> StartGround:
    short = refusal.metadata.get("short_seconds")
    return StartGround(refusal.reason.value, None if short is None else int(short))


def _away(grounds: Grounds, query: ExplainSlot) -> list[StartGround]:
    try:
        grounds.absences.require_none(query.agent_id, query.window)
    except GiroError as refusal:
        return [_ground(refusal)]
    return []


def _question(
    query: ExplainSlot, grounds: Grounds, own: Sequence[StartGround], others: Sequence[str]
) -> StartQuestion:
    counts, start = grounds.parameters, query.window.start
    earliest = earliest_start(grounds.now + TO_ACT, counts.lead_time)
    around = Window(max(earliest, start - _AROUND), max(earliest, start) + _AROUND)
    point = query.point or grounds.required_contact_point()
    plain = replace(grounds, agent_works=True, absences=NO_ABSENCES)  # absences are grounds of our own
    plan = plain.plan(query.agent_id, query.window, point)
    return StartQuestion(
        plan=replace(plan, arrival=None),  # another start would come with a promise of its own
        windows=grounds.absences.left_for(query.agent_id, [around]),
        agent_ids=others,
        as_of=grounds.now.replace(microsecond=0),
        granularity=counts[parameters.SLOT_GRANULARITY],
        postpone_up_to=counts[parameters.POSTPONE_UP_TO],
        refused=bool(own),
    )


async def _others(desk: Desk, grounds: Grounds, query: ExplainSlot) -> list[str]:
    """Who else may be proposed for that very start: nobody who would not be suggested for it."""
    too_early = query.window.start < earliest_start(grounds.now, grounds.parameters.lead_time)
    if too_early or any(one.overlaps(query.window) for one in grounds.absences.of_contact):
        return []
    agents = [agent for agent in grounds.campaign.agent_ids if agent != query.agent_id]
    due = await agents_with_outcomes_due(desk, caller().tenant, agents, grounds)
    away = grounds.absences.away_in([query.window])
    return [agent for agent in agents if agent not in away | due]


async def _may_be_made(desk: Desk, tx: Tx, change: FoundChange) -> bool:
    """Whether the neighbour is one that the caller could postpone so; other changes need nobody's leave."""
    if not change.appointment_id:
        return True
    try:
        neighbour = await appointments.get(tx, change.appointment_id)
        reach().require_campaign(neighbour.campaign_id)
        require_movable(neighbour, 0)
        await plan_postponement(desk, tx, neighbour, change.start)
    except GiroError:
        return False
    return True
