"""One line of the feed of recent changes (R-002)."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class RecentChange:
    """What an event told: `change` is booked, confirmed, postponed, reassigned or cancelled."""

    event_id: str
    change: str
    appointment_id: str
    campaign_id: str
    agent_id: str
    start: datetime
    version: int
    happened_at: datetime
