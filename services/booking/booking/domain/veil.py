"""What is told to somebody who shall not learn which agent would come (GEO-09).

Nothing of the agent is left: not who it is, not where the agent comes from or goes to, not when the agent is
busy. When the visit is, how good it is and how much room it has stays.
"""

from dataclasses import replace

from booking.domain.appointment import Card
from booking.domain.itinerary import Hold
from kit.errors import GiroError

SEES_AGENTS = ("ADMINISTRATOR", "PROJECT_MANAGER", "AGENT_SUPERVISOR")
"""Roles that see agents whatever the campaign hides."""

_TOLD = frozenset({"agent_id", "cause", "short_seconds"})


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
