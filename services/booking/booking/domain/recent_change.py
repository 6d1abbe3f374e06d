"""One line of the feed of recent changes (R-002)."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class RecentChange:
    """What an event told: `change` is booked, noted or the like, as giro.booking.v1.RecentChange has it."""

    event_id: str
    change: str
    appointment_id: str
    campaign_id: str
    agent_id: str
    start: datetime
    version: int
    happened_at: datetime
