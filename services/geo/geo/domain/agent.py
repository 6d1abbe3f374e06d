"""Somebody who travels to appointments."""

from dataclasses import dataclass

from geo.domain.calendar import Calendar
from geo.domain.modes import TravelMode
from geo.domain.quotas import Quota


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent. `buffer` (seconds) is kept on top of every drive to a visit; `agenda_version` counts the
    writes of the agenda, and the changes of what limits it: zones and quota. Without `zone_ids` the agent
    works everywhere. All drives are by `mode`."""

    agent_id: str
    display_name: str
    skills: tuple[str, ...]
    buffer: int
    calendar: Calendar
    agenda_version: int = 0
    zone_ids: tuple[str, ...] = ()
    quota: Quota | None = None
    mode: TravelMode = TravelMode.CAR
