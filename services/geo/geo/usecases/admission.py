"""Whether an agent may take a visit at all, before its drives are looked at: skills, zones, shift, quota.

In this order, which is the order in which slot search tells its reasons.
"""

from collections.abc import Collection, Sequence

from geo.domain import errors
from geo.domain.agent import Agent
from geo.domain.calendar import ConcreteShift, day_around, day_of, shift_of
from geo.domain.legs import MissingLegs, free_leg
from geo.domain.plan import Plan
from geo.domain.quotas import Quota
from geo.domain.zones import anchors, in_band, standing
from geo.storage import stops, zones
from geo.usecases.ledger import Desk


async def admitted(
    desk: Desk, agent: Agent, plan: Plan, leaving: Collection[str] = (), coming: Sequence[Plan] = ()
) -> ConcreteShift:
    """The shift to put the visit in. `leaving` are owners whose stops on this agenda go in the same
    transaction, `coming` the plans for it that were admitted before.

    Raises RuleViolated: NO_SKILL, OUTSIDE_ZONE, OUTSIDE_SHIFT, OUTSIDE_WINDOWS, QUOTA; and MissingLegs.
    """
    for skill in plan.skills:
        if skill not in agent.skills:
            raise errors.no_skill(skill, agent.agent_id)
    band = await _band(desk, agent, plan)
    shift = shift_of(agent.calendar, plan.window)
    if shift is None:
        raise errors.outside_shift(agent.agent_id)
    if band is not None:
        await _check_band(desk, shift, plan, (band, leaving))
    if plan.arrival is not None and not plan.arrival.start <= plan.window.start <= plan.arrival.end:
        raise errors.outside_promise(agent.agent_id)
    if agent.quota is not None:
        await _check_day(desk, (agent, agent.quota), plan, leaving, coming)
    return shift


async def _band(desk: Desk, agent: Agent, plan: Plan) -> int | None:
    """Seconds of the travel band that decides; None where nothing is left to decide. Raises OUTSIDE_ZONE."""
    if not agent.zone_ids:
        return None
    found = await zones.grounds(desk.tx, agent.zone_ids)
    where = standing([found[zone_id] for zone_id in agent.zone_ids], plan.place, plan.postcode)
    if not where.inside and where.band is None:
        raise errors.outside_zone(agent.agent_id)
    return where.band


async def _check_band(
    desk: Desk, shift: ConcreteShift, plan: Plan, within: tuple[int, Collection[str]]
) -> None:
    band, leaving = within
    visits = await stops.visits_between(desk.tx, plan.agent_id, shift.window, desk.now)
    around = anchors(shift, visits, leaving)
    pairs = {(place, plan.place) for place in around if free_leg(place, plan.place) is None}
    book = desk.book(plan.agent_id)
    missing = {pair for pair in pairs if not book.knows(pair)}
    if missing:
        raise MissingLegs(missing, book.mode)

    def drive(place: int) -> int | None:
        leg = free_leg(place, plan.place) or book.leg((place, plan.place))
        return None if leg is None else leg.free

    if not in_band(band, around, drive):
        raise errors.outside_zone(plan.agent_id)


async def _check_day(
    desk: Desk,
    limited: tuple[Agent, Quota],
    plan: Plan,
    leaving: Collection[str],
    coming: Sequence[Plan],
) -> None:
    """Raises QUOTA where the visit makes a day longer that is full; one that moves within it does not."""
    agent, quota = limited
    day = day_around(agent.calendar.time_zone, plan.window.start)
    there = await stops.visits_between(desk.tx, agent.agent_id, day, desk.now)
    added = sum(one.agent_id == agent.agent_id and day.start <= one.window.start < day.end for one in coming)
    gone = sum(stop.owner_id in leaving for stop in there)
    if len(there) - gone + added >= quota.limit and added >= gone:
        local = day_of(agent.calendar.time_zone, plan.window.start)
        raise errors.day_full(agent.agent_id, local, quota.limit)
