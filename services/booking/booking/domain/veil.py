"""What is told to somebody who shall not learn which agent would come (GEO-09).

Nothing of the agent is left: not who it is, not where the agent comes from or goes to, not when the agent is
busy, not what the agent is like. When the visit is, how good it is and how much room it has stays.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from booking.domain.appointment import Card
from booking.domain.itinerary import Hold
from kit.errors import AlreadyExists, GiroError, Reason

SEES_AGENTS = ("ADMINISTRATOR", "PROJECT_MANAGER", "AGENT_SUPERVISOR", "AGENT")
"""Roles that see agents whatever the campaign hides; AGENT for one agent sees that one alone."""

_TOLD = frozenset({"agent_id", "cause", "short_seconds"})

TELLS_NOTHING: Final = frozenset(
    {
        "lead_seconds",
        "earliest_start",
        "purchased",
        "taken",
        "cancelled_in_step",
        "state",
        "current_version",
        "resource",
        "service",
        "roles",
        "limit_bytes",
        "expired_at",
        "characteristic",
        "codes",
        "expected",
        "closed_from",
        "notice_days",
        "superseded_by",
    }
)
"""Metadata of refusals that says nothing of an agent; any other is left out."""

_OF_THE_AGENT: Final = frozenset(
    {
        Reason.NO_SKILL,
        Reason.AGENT_NOT_IN_CAMPAIGN,
        Reason.OUTSIDE_SHIFT,
        Reason.ON_BREAK,
        Reason.ABSENT,
        Reason.OUTSIDE_ZONE,
        Reason.QUOTA,
        Reason.TRAVEL_LIMIT,
    }
)
"""Reasons that tell what the agent is like, or how the agent's day is."""

_AGENT_ID: Final = re.compile(r"\bagt_[0-9a-f]{32}\b")


@dataclass(frozen=True, slots=True)
class Sight:
    """From which campaigns' agents somebody is kept, and which agents are seen in any case: one's own.

    `hidden` says it of the campaigns where it was decided, `elsewhere` of all others, and `unsaid` of what
    belongs to no campaign.
    """

    hidden: Mapping[str, bool]
    elsewhere: bool
    unsaid: bool
    own: frozenset[str] = frozenset()

    @property
    def hides_nothing(self) -> bool:
        """Whether every agent is seen, whatever it belongs to."""
        return not (self.elsewhere or self.unsaid or any(self.hidden.values()))

    def hides(self, campaign_id: str, agent_id: str = "") -> bool:
        """Whether what belongs to this campaign, and tells of this agent, is hidden."""
        if agent_id and agent_id in self.own:
            return False
        return self.hidden.get(campaign_id, self.elsewhere) if campaign_id else self.unsaid


ALL_SEEN: Final = Sight({}, elsewhere=False, unsaid=False)
"""Of somebody who sees every agent."""


def hold(held: Hold) -> Hold:
    """The hold without its agent and drives."""
    return replace(held, plan=replace(held.plan, agent_id=""), leg_before=None, leg_after=None)


def card(booked: Card) -> Card:
    """The appointment without its agent and drives."""
    return Card(replace(booked.appointment, agent_id=""), None, None)


def refusal(error: GiroError) -> GiroError:
    """The same refusal without what it tells of an agent's agenda."""
    kept = {key: value for key, value in error.metadata.items() if key not in _TOLD}
    return type(error)(error.reason, error.message, metadata=kept, violations=error.violations)


def tells(error: GiroError) -> bool:
    """Whether a refusal says anything that some may not learn."""
    return (
        error.reason in _OF_THE_AGENT
        or not error.metadata.keys() <= TELLS_NOTHING
        or names_an_agent(error.message)
    )


def blind(error: GiroError) -> GiroError:
    """The refusal for somebody from whom the agents are hidden, whatever it is about."""
    if error.reason in _OF_THE_AGENT:
        return AlreadyExists(Reason.SLOT_TAKEN, "nobody can come at that time")
    kept = {key: value for key, value in error.metadata.items() if key in TELLS_NOTHING}
    return type(error)(error.reason, unnamed(error.message), metadata=kept, violations=error.violations)


def reason(name: str) -> str:
    """A reason's name as it is told to somebody from whom the agents are hidden."""
    return Reason.SLOT_TAKEN.value if name in _OF_THE_AGENT else name


def names_an_agent(text: str) -> bool:
    """Whether an agent's id is in it."""
    return "agt_" in text and _AGENT_ID.search(text) is not None


def unnamed(text: str) -> str:
    """The text without agents' ids."""
    return _AGENT_ID.sub("agt_…", text)
