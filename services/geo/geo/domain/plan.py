"""What owners ask of the ledger, and what they are told."""

from dataclasses import dataclass
from datetime import datetime

from geo.domain.stop import Leg
from kit.values.window import Window


@dataclass(frozen=True, slots=True)
class Plan:
    """The time and place to take on an agent's agenda; `buffer` in seconds is the service's own.

    `postcode` is the place's, empty when unknown. `arrival` is the window in which the customer was promised
    the start, both ends included; None for the exact time.
    """

    agent_id: str
    window: Window
    place: int
    buffer: int = 0
    skills: tuple[str, ...] = ()
    postcode: str = ""
    arrival: Window | None = None


@dataclass(frozen=True, slots=True)
class Drive:
    """A leg and the buffer (seconds) kept on top of it."""

    leg: Leg
    buffer: int


@dataclass(frozen=True, slots=True)
class Reserved:
    """An appointment's stop with the drives around it; None where nothing comes before or after."""

    appointment_id: str
    plan: Plan
    before: Drive | None = None
    after: Drive | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """A hold with the drives around it. `context` is the owner's, kept and never read."""

    hold_id: str
    plan: Plan
    expires_at: datetime
    context: str
    before: Drive | None = None
    after: Drive | None = None


@dataclass(frozen=True, slots=True)
class Absence:
    """Blocked time of an agent."""

    absence_id: str
    agent_id: str
    window: Window
    note: str
