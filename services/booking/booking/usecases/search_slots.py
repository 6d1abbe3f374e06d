"""Asks the ledger for slots around what only booking knows: unavailable days, and outcomes that are due."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from booking.domain.grounds import Grounds
from booking.domain.parameters import (
    GRADE_IDEAL_UP_TO,
    GRADE_OK_UP_TO,
    OUTCOMES_DUE_DAYS,
    SLOT_GRANULARITY,
)
from booking.domain.policies import earliest_start
from booking.storage import appointments
from booking.usecases.desk import Desk
from booking.usecases.ports import NO_SLOTS, FoundSlots, SlotQuery
from kit.errors import Reason
from kit.rpc.context import caller
from kit.values.latlng import LatLng
from kit.values.window import Window


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Time of an agent that was not searched, and why: the name of a reason."""

    agent_id: str
    window: Window
    reason: str


def query_of(
    grounds: Grounds,
    point: LatLng,
    duration: timedelta,
    windows: Sequence[Window],
    *,
    limit: int,
) -> SlotQuery:
    """A search over all agents of a campaign by its own terms: on its grid, from its lead time on."""
    counts = grounds.parameters
    return SlotQuery(
        campaign_id=grounds.campaign.campaign_id,
        point=point,
        duration=duration,
        windows=windows,
        not_before=earliest_start(grounds.now, counts.lead_time),
        as_of=grounds.now.replace(microsecond=0),
        agent_ids=grounds.campaign.agent_ids,
        skills=grounds.campaign.skills,
        buffer=grounds.campaign.buffer,
        limit=limit,
        explain=False,
        granularity=counts[SLOT_GRANULARITY],
        ideal_up_to=counts[GRADE_IDEAL_UP_TO],
        ok_up_to=counts[GRADE_OK_UP_TO],
    )


async def search_slots(
    desk: Desk, search: SlotQuery, grounds: Grounds
) -> tuple[FoundSlots, Sequence[LeftOut]]:
    """The slots in the ledger's order, and what was left out.

    Those who are away at some time in the windows are asked about one by one, with what is left of the
    windows for them; all others at once. So the answer is what one search over all would give.
    """
    due = await agents_with_outcomes_due(desk, search.agent_ids, grounds)
    search = replace(search, agent_ids=[agent for agent in search.agent_ids if agent not in due])
    away = grounds.absences.away_in(search.windows) & set(search.agent_ids)
    common = grounds.absences.left_for("", search.windows)
    asked = [replace(search, windows=common, agent_ids=[a for a in search.agent_ids if a not in away])]
    for agent in sorted(away):
        windows = grounds.absences.left_for(agent, search.windows)
        asked.append(replace(search, windows=windows, agent_ids=[agent]))
    tenant = caller().tenant
    parts = [await desk.ledger.search(tenant, each) for each in asked if each.agent_ids and each.windows]
    left_out = [
        _absent(agent, aways) for agent in sorted(away) for aways in grounds.absences.of_agents[agent]
    ]
    whole = Window(search.windows[0].start, search.windows[-1].end)
    late = [LeftOut(agent, whole, Reason.OUTCOMES_DUE.value) for agent in sorted(due)]
    return _merged(parts, search.limit), [*late, *left_out]


async def agents_with_outcomes_due(desk: Desk, agent_ids: Sequence[str], grounds: Grounds) -> frozenset[str]:
    """Those who have not told for too long how a visit went; nobody where that is not asked for (BK-42)."""
    days: int = grounds.parameters[OUTCOMES_DUE_DAYS]
    if not days:
        return frozenset()
    async with desk.db.uow(caller().tenant) as tx:
        return await appointments.with_outcomes_due(tx, agent_ids, grounds.now - timedelta(days=days))


def _absent(agent_id: str, window: Window) -> LeftOut:
    return LeftOut(agent_id, window, Reason.ABSENT.value)


def _merged(parts: Sequence[FoundSlots], limit: int) -> FoundSlots:
    if len(parts) <= 1:
        return parts[0] if parts else NO_SLOTS
    slots = [slot for part in parts for slot in part.slots]
    slots.sort(key=lambda slot: slot.position)
    refused = [gap for part in parts for gap in part.refused]
    refused.sort(key=lambda gap: (gap.agent_id, gap.gap.start.seconds))
    return FoundSlots(
        slots=slots[:limit],
        refused=refused,
        refused_truncated=any(part.refused_truncated for part in parts),
        travel_version=parts[0].travel_version,
        estimated=any(part.estimated for part in parts),
    )
