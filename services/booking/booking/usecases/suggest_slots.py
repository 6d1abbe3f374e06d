"""The best slots over all of a campaign's agents (R-189)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from booking.domain import days, errors, offered
from booking.domain.campaign import zone
from booking.domain.days import hours_near
from booking.domain.grounds import Grounds
from booking.domain.policies import refusals
from booking.domain.slot_token import SuggestedSlot
from booking.usecases import slot_pages
from booking.usecases.desk import Desk
from booking.usecases.ports import NO_SLOTS, FoundDetour, FoundSlot, FoundSlots, SlotQuery
from booking.usecases.reach import reach
from booking.usecases.search_slots import LeftOut, query_of, search_slots
from booking.usecases.telling import agent_hidden, require_agents_shown
from kit.errors import GiroError
from kit.rpc.context import caller
from kit.values.latlng import LatLng
from kit.values.window import Window

DEFAULT_LIMIT = 10


@dataclass(frozen=True, slots=True)
class SuggestSlots:
    """What to look for. A place is a contact of the campaign or a point; days are "YYYY-MM-DD" or empty."""

    campaign_id: str
    contact_id: str
    point: LatLng | None
    duration: timedelta
    first_day: str
    last_day: str
    windows: Sequence[Window]
    agent_ids: Sequence[str]
    limit: int
    explain: bool
    starts: Sequence[Any] = ()
    near: str = ""
    ideal_first: bool = False
    page_token: str = ""
    reveal_agent: bool = True


@dataclass(frozen=True, slots=True)
class Suggestions:
    """Slots with their tokens, or, when policy leaves none, the reason and the time that was asked for.

    `left_out` is the agents' time that was not searched. `hidden`: nothing of the agents may be told.
    """

    found: FoundSlots
    tokens: Sequence[str]
    closed: GiroError | None = None
    windows: Sequence[Window] = ()
    next_page_token: str = ""
    left_out: Sequence[LeftOut] = ()
    hidden: bool = False


async def suggest_slots(desk: Desk, query: SuggestSlots) -> Suggestions:
    """A page of slots in the ledger's order, each with its token; empty when the package is used up.

    Raises NotFound, InvalidInput naming days, windows or the page token, AGENT_NOT_IN_CAMPAIGN, Unavailable,
    and OUT_OF_SCOPE for agents that were named where agents are hidden.
    """
    who = caller()
    reach().require_campaign(query.campaign_id)
    grounds = await desk.grounds.of(who.tenant, query.campaign_id, query.contact_id)
    if grounds is None:
        raise errors.not_found("campaign", "campaign_id")
    page = slot_pages.read(desk.page_tokens, _asked(query), query.page_token, grounds)
    as_shown = replace(grounds, now=page.as_of)
    search = slot_query(query, as_shown, _windows(query, as_shown))
    closed = next(iter(refusals(page.as_of, search.not_before, grounds.terms)), None)
    if closed is not None:
        return Suggestions(NO_SLOTS, (), closed, search.windows)
    hidden = agent_hidden(grounds, asked_for=query.reveal_agent)
    # one more than the page holds tells whether there is a next one
    wanted = replace(search, limit=search.limit + 1, after=page.after)
    further, left_out = await search_slots(desk, who.tenant, wanted, grounds)
    shown = slot_pages.cut(further.slots, search.limit, page, ideal_first=query.ideal_first)
    token = slot_pages.following(desk.page_tokens, _asked(query), page, shown, further.slots)
    pages = offered.page([offered.slot(each.agent_id, *each.worth) for each in shown])
    tokens = [
        slot_token(desk, search, slot, page, hidden=hidden) for slot, page in zip(shown, pages, strict=True)
    ]
    found = replace(further, slots=shown)
    return Suggestions(found, tokens, None, search.windows, token, left_out, hidden)


def slot_query(query: SuggestSlots, grounds: Grounds, windows: Sequence[Window]) -> SlotQuery:
    """What the ledger is asked. Raises AGENT_NOT_IN_CAMPAIGN, OUT_OF_SCOPE, and NotFound for a contact."""
    point = query.point or grounds.required_contact_point()
    limit = query.limit or DEFAULT_LIMIT
    return replace(
        query_of(grounds, point, query.duration, windows, limit=limit),
        agent_ids=_agents(query, grounds),
        explain=query.explain,
        starts=query.starts,
        near=hours_near(query.near, windows, zone(grounds.campaign.time_zone)),
    )


def slot_token(
    desk: Desk, search: SlotQuery, found: FoundSlot | FoundDetour, page: bytes = b"", *, hidden: bool
) -> str:
    """The token of a start that the search found, and was shown on this page of starts."""
    end, issued_at = found.start + int(search.duration.total_seconds()), int(search.as_of.timestamp())
    where = search.point.key
    rests = found.certificate, hidden, page, search.postcode
    slot = SuggestedSlot(search.campaign_id, found.agent_id, found.start, end, where, issued_at, *rests)
    return desk.slot_tokens.write(caller().tenant, slot)


def _asked(query: SuggestSlots) -> tuple[str, ...]:
    """What has to be the same on every page."""
    point = "" if query.point is None else str(query.point.key)
    windows = ",".join(f"{window.start.timestamp()}-{window.end.timestamp()}" for window in query.windows)
    days = f"{query.first_day}..{query.last_day}", windows, query.near
    what = query.campaign_id, query.contact_id, point, str(query.duration)
    starts = ",".join(map(str, query.starts))
    return "slots", *what, *days, ",".join(query.agent_ids), starts, str(query.ideal_first)


def _agents(query: SuggestSlots, grounds: Grounds) -> Sequence[str]:
    own = grounds.campaign.agent_ids
    if not query.agent_ids:
        return own
    require_agents_shown(grounds)
    strangers = set(query.agent_ids).difference(own)
    if strangers:
        first = next(n for n, agent in enumerate(query.agent_ids) if agent in strangers)
        raise errors.agent_not_in_campaign(query.agent_ids[first], f"agent_ids[{first}]")
    return query.agent_ids


def _windows(query: SuggestSlots, grounds: Grounds) -> Sequence[Window]:
    if not query.windows:
        local = zone(grounds.campaign.time_zone)
        return (days.days_window(query.first_day, query.last_day, grounds.now, local),)
    if query.first_day or query.last_day:
        raise errors.invalid("windows", "must not come together with first_day or last_day")
    return days.merged(query.windows)
