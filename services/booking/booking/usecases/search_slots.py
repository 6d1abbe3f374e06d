"""Asks the ledger for slots around what only booking knows: unavailable days, and outcomes that are due."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any, Final, TypeVar

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
from booking.usecases.ports import NO_SLOTS, FoundSlot, FoundSlots, SlotQuery
from kit.errors import Reason, Unavailable
from kit.values.latlng import LatLng
from kit.values.window import Window

MOST_WINDOWS: Final = 62
"""Windows of one question to the ledger, by its contract."""
_AT_ONCE: Final = 8

Found = TypeVar("Found")


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
        postcode=grounds.contact_postcode,
    )


async def search_slots(
    desk: Desk, tenant: str, search: SlotQuery, grounds: Grounds
) -> tuple[FoundSlots, Sequence[LeftOut]]:
    """The slots in the ledger's order, and what was left out.

    Those who are away at some time in the windows are asked about with what is left of the windows for them,
    all others together. So the answer is what one search over all would give.
    """
    due = await agents_with_outcomes_due(desk, tenant, search.agent_ids, grounds)
    search = replace(search, agent_ids=[agent for agent in search.agent_ids if agent not in due])
    away = grounds.absences.away_in(search.windows) & set(search.agent_ids)
    questions = list(questions_around(search, grounds))
    parts, unanswered = _answered(questions, await asked(questions, partial(desk.ledger.search, tenant)))
    left_out = [
        _absent(agent, aways) for agent in sorted(away) for aways in grounds.absences.of_agents[agent]
    ]
    whole = Window(search.windows[0].start, search.windows[-1].end)
    late = [LeftOut(agent, whole, Reason.OUTCOMES_DUE.value) for agent in sorted(due)]
    return _merged(parts, search.limit), [*late, *left_out, *unanswered]


def _answered(
    questions: Sequence[SlotQuery], answers: Sequence[FoundSlots | Unavailable]
) -> tuple[Sequence[FoundSlots], Sequence[LeftOut]]:
    """The answers, and the agents of whom there are none: a question about some of the agents alone may meet
    none but those whose roads do not answer. Raises Unavailable where all questions did."""
    parts = [answer for answer in answers if isinstance(answer, FoundSlots)]
    failures = [answer for answer in answers if isinstance(answer, Unavailable)]
    if not failures:
        return parts, ()
    if not parts:
        raise failures[0]
    unanswered = [
        LeftOut(agent, Window(question.windows[0].start, question.windows[-1].end), answer.reason.value)
        for question, answer in zip(questions, answers, strict=True)
        if isinstance(answer, Unavailable)
        for agent in question.agent_ids
    ]
    return [replace(part, incomplete=True) for part in parts], unanswered


def questions_around(search: SlotQuery, grounds: Grounds) -> Iterator[SlotQuery]:
    """The search around absences: one question for all who have the same windows left, and as many as it
    takes where those are too many for one. Each start lies in one window, so that it is found in one."""
    away = grounds.absences.away_in(search.windows)
    alike: dict[tuple[Window, ...], list[str]] = {}
    for agent in search.agent_ids:
        windows = grounds.absences.left_for(agent if agent in away else "", search.windows)
        alike.setdefault(windows, []).append(agent)
    for windows, agents in alike.items():
        for first in range(0, len(windows), MOST_WINDOWS):
            yield replace(search, windows=windows[first : first + MOST_WINDOWS], agent_ids=agents)


async def asked(
    questions: Sequence[SlotQuery], ask: Callable[[SlotQuery], Awaitable[Found]]
) -> Sequence[Found | Unavailable]:
    """The ledger's answers, some questions at once; in its place where no roads answered one. The first other
    failure ends them all."""
    turn = asyncio.Semaphore(_AT_ONCE)

    async def one(question: SlotQuery) -> Found | Unavailable:
        async with turn:
            try:
                return await ask(question)
            except Unavailable as failure:
                if failure.reason is not Reason.TRAVEL_UNAVAILABLE:
                    raise
                return failure

    tasks = [asyncio.create_task(one(question)) for question in questions]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


async def agents_with_outcomes_due(
    desk: Desk, tenant: str, agent_ids: Sequence[str], grounds: Grounds
) -> frozenset[str]:
    """Those who have not told for too long how a visit went; nobody where that is not asked for (BK-42)."""
    days: int = grounds.parameters[OUTCOMES_DUE_DAYS]
    if not days:
        return frozenset()
    async with desk.db.uow(tenant) as tx:
        return await appointments.with_outcomes_due(tx, agent_ids, grounds.now - timedelta(days=days))


def _absent(agent_id: str, window: Window) -> LeftOut:
    return LeftOut(agent_id, window, Reason.ABSENT.value)


def _merged(parts: Sequence[FoundSlots], limit: int) -> FoundSlots:
    if len(parts) <= 1:
        return parts[0] if parts else NO_SLOTS
    slots = [slot for part in parts for slot in part.slots]
    slots.sort(key=lambda slot: slot.position)
    return FoundSlots(
        slots=slots[:limit],
        refused=_refused(parts, slots),
        refused_truncated=any(part.refused_truncated for part in parts),
        travel_version=parts[0].travel_version,
        estimated=any(part.estimated for part in parts),
        incomplete=any(part.incomplete for part in parts),
    )


def _refused(parts: Sequence[FoundSlots], slots: Sequence[FoundSlot]) -> Sequence[Any]:
    """By agent and time. A gap that several questions looked at is told once, and not at all where one found
    a start in it."""
    by_gap = {
        (gap.agent_id, gap.gap.start.seconds, gap.gap.end.seconds): gap
        for part in parts
        for gap in part.refused
    }
    starts: dict[str, list[int]] = {}
    for slot in slots:
        starts.setdefault(slot.agent_id, []).append(slot.start)
    return [
        by_gap[agent, start, end]
        for agent, start, end in sorted(by_gap)
        if not any(start <= at < end for at in starts.get(agent, ()))
    ]
