"""What a visit would add to each agent's day, over a month (GEO-11)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial

from booking.domain import errors
from booking.domain.campaign import zone
from booking.domain.days import month_days
from booking.domain.grounds import Grounds
from booking.domain.policies import refusals
from booking.usecases.desk import Desk
from booking.usecases.ports import NO_DETOURS, FoundDetour, FoundDetours, SlotQuery
from booking.usecases.reach import reach
from booking.usecases.search_slots import agents_with_outcomes_due, asked, questions_around
from booking.usecases.suggest_slots import SuggestSlots, slot_query, slot_token
from booking.usecases.telling import agent_hidden
from kit.errors import GiroError, Unavailable
from kit.rpc.context import caller
from kit.values.latlng import LatLng
from kit.values.window import Window

MOST_AGENTS = 100
"""Most agents of one calendar: a month of them is about what one answer can hold."""


@dataclass(frozen=True, slots=True)
class DetourCalendar:
    """What to look at. A place is a contact of the campaign or a point; the month is "YYYY-MM" or empty."""

    campaign_id: str
    contact_id: str
    point: LatLng | None
    duration: timedelta
    month: str
    agent_ids: Sequence[str]
    reveal_agent: bool = True


@dataclass(frozen=True, slots=True)
class Month:
    """What was found, `days` by the windows' numbers, a token for each; or the policy that leaves nothing."""

    found: FoundDetours
    days: Sequence[date]
    tokens: Sequence[str]
    closed: GiroError | None = None
    hidden: bool = False


async def detour_calendar(desk: Desk, query: DetourCalendar) -> Month:
    """The best slot of each agent on each day; nothing once the package is used up.

    Raises NotFound, InvalidInput naming `month` or `agent_ids`, AGENT_NOT_IN_CAMPAIGN, Unavailable,
    and OUT_OF_SCOPE for agents that were named where agents are hidden.
    """
    who = caller()
    reach().require_campaign(query.campaign_id)
    grounds = await desk.grounds.of(who.tenant, query.campaign_id, query.contact_id)
    if grounds is None:
        raise errors.not_found("campaign", "campaign_id")
    days = month_days(query.month, grounds.now, zone(grounds.campaign.time_zone))
    search = slot_query(_as_suggestion(query, grounds), grounds, [window for _, window in days])
    closed = next(iter(refusals(grounds.now, search.not_before, grounds.terms)), None)
    if closed is not None:
        return Month(NO_DETOURS, (), (), closed)
    due = await agents_with_outcomes_due(desk, who.tenant, search.agent_ids, grounds)
    search = replace(search, agent_ids=[agent for agent in search.agent_ids if agent not in due])
    if not search.agent_ids:
        return Month(NO_DETOURS, (), ())
    found = await _found(desk, who.tenant, search, grounds)
    hidden = agent_hidden(grounds, asked_for=query.reveal_agent)
    if hidden:
        found = _best_of_each_day(found)
    tokens = [slot_token(desk, search, detour, hidden=hidden) for detour in found.detours]
    return Month(found, [day for day, _ in days], tokens, hidden=hidden)


def _best_of_each_day(found: FoundDetours) -> FoundDetours:
    """One detour a day, by day: so many agents, and which of them work when, would tell who they are."""
    best: dict[int, FoundDetour] = {}
    for detour in sorted(found.detours, key=lambda one: (one.added_travel, one.start, one.agent_id)):
        best.setdefault(detour.window, detour)
    return replace(found, detours=[best[window] for window in sorted(best)])


async def _found(desk: Desk, tenant: str, search: SlotQuery, grounds: Grounds) -> FoundDetours:
    """The best start of each agent on each day, of those at which nobody is away.

    The ledger chooses within what is left of a day, so that an absence in the morning does not take the
    afternoon. Raises Unavailable where no roads answered any question.
    """
    questions = list(questions_around(search, grounds))
    answers = await asked(questions, partial(desk.ledger.detours, tenant))
    best: dict[tuple[str, int], FoundDetour] = {}
    for question, answer in zip(questions, answers, strict=True):
        for detour in () if isinstance(answer, Unavailable) else answer.detours:
            day = _day_of(question.windows[detour.window], search.windows)
            better, key = detour._replace(window=day), (detour.agent_id, day)
            best[key] = min(better, best.get(key, better), key=_cost)
    return _together(answers, [best[key] for key in sorted(best)])


def _cost(detour: FoundDetour) -> tuple[int, int]:
    return detour.added_travel, detour.start


def _day_of(piece: Window, days: Sequence[Window]) -> int:
    return next(number for number, day in enumerate(days) if day.start <= piece.start < day.end)


def _together(answers: Sequence[FoundDetours | Unavailable], detours: Sequence[FoundDetour]) -> FoundDetours:
    found = [answer for answer in answers if isinstance(answer, FoundDetours)]
    failures = [answer for answer in answers if isinstance(answer, Unavailable)]
    if failures and not found:
        raise failures[0]
    return FoundDetours(
        detours,
        travel_version=found[0].travel_version if found else "",
        estimated=any(answer.estimated for answer in found),
        incomplete=bool(failures) or any(answer.incomplete for answer in found),
    )


def _as_suggestion(query: DetourCalendar, grounds: Grounds) -> SuggestSlots:
    if not query.agent_ids and len(grounds.campaign.agent_ids) > MOST_AGENTS:
        raise errors.invalid("agent_ids", f"the campaign has more than {MOST_AGENTS} agents: name some")
    return SuggestSlots(
        campaign_id=query.campaign_id,
        contact_id=query.contact_id,
        point=query.point,
        duration=query.duration,
        first_day="",
        last_day="",
        windows=(),
        agent_ids=query.agent_ids,
        limit=1,
        explain=False,
    )
