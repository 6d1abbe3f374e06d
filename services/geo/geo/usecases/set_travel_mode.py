"""Another way to travel for an agent (GEO-25).

Nothing moves: every stop to come stays where and when it is, and all drives to come are measured anew by the
roads of the new mode, in the transaction that changes it. Where one of them does not fit, nothing is changed
(ADR 0031).
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

from geo.domain import errors
from geo.domain.agent import Agent
from geo.domain.chain import Refusal, measured_anew
from geo.domain.modes import TravelMode
from geo.usecases import visits
from geo.usecases.ledger import Desk, Draft, Ledger, book_of, whole_second_after, write
from kit.errors import RuleViolated

_FAR: Final = timedelta(days=36525)


async def set_travel_mode(ledger: Ledger, tenant: str, agent_id: str, mode: TravelMode) -> Agent:
    """The agent with the new mode; the present one again changes nothing.

    Raises NO_ROADS_FOR_MODE where the deployment has none, TRAVEL_MODE_IN_USE, naming who would not be
    reached in time, where what is promised could not be kept, and Unavailable.
    """
    require_roads(ledger, mode)

    async def decide(desk: Desk) -> Draft[Agent]:
        agent = desk.agent(agent_id)
        return Draft(agent) if agent.mode is mode else await _change(desk, agent, mode)

    return await write(ledger, tenant, "set_travel_mode", [agent_id], decide)


def require_roads(ledger: Ledger, mode: TravelMode) -> None:
    """Raises RuleViolated (NO_ROADS_FOR_MODE) for a mode whose drives nobody could tell."""
    if mode not in ledger.travel:
        raise errors.no_roads(mode)


async def _change(desk: Desk, agent: Agent, mode: TravelMode) -> Draft[Agent]:
    since = whole_second_after(desk.now)
    segment = await desk.segment(agent.agent_id, since, since + _FAR)
    expired = {stop.stop_id for stop in segment.expired(desk.now)}
    found = measured_anew(segment, book_of(desk.books, mode), remove=expired)
    if found.refusals:
        raise _in_use(agent, mode, found.refusals)
    changes = visits.changes(desk, {agent.agent_id: found})
    return Draft(replace(agent, mode=mode), replace(changes, modes={agent.agent_id: mode}))


def _in_use(agent: Agent, mode: TravelMode, refusals: Sequence[Refusal]) -> RuleViolated:
    met = [stop.owner_id for one in refusals for stop in (one.later, one.earlier)]
    short = max((one.short_seconds or 0 for one in refusals), default=0)
    return errors.travel_mode_in_use((agent.agent_id, mode), [owner for owner in met if owner], short)
