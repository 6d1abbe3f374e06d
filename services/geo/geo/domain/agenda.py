"""An agent's agenda as slot search reads it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from geo.domain.calendar import Calendar
from geo.domain.modes import TravelMode
from geo.domain.quotas import Quota
from geo.domain.stop import LinkedStop
from geo.domain.zones import Ground


@dataclass(frozen=True, slots=True, eq=False)
class Agenda:
    """One version of an agent's agenda; compared by identity.

    `stops` are in time order: every stop that ends after `since`, and before those as many as it takes to
    begin with one that has a place and no expiry, or with the agent's first. Where the latest are left out,
    the last one has a place and no expiry.
    """

    agent_id: str
    version: int
    skills: frozenset[str]
    buffer: int
    calendar: Calendar
    stops: Sequence[LinkedStop]
    since: datetime
    zones: tuple[Ground, ...] = ()
    quota: Quota | None = None
    mode: TravelMode = TravelMode.CAR
