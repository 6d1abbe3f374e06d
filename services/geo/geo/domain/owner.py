"""Who takes an agent's time: appointments, holds, absences; and the moves of appointments."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from geo.domain.plan import Plan


class OwnerKind(StrEnum):
    """What kind of owner it is."""

    APPOINTMENT = "APPOINTMENT"
    HOLD = "HOLD"
    ABSENCE = "ABSENCE"


class Ending(StrEnum):
    """How an owner let go of its time; NEVER: it was settled before it had taken any."""

    RELEASED = "RELEASED"
    EXPIRED = "EXPIRED"
    BOOKED = "BOOKED"
    NEVER = "NEVER"


@dataclass(frozen=True, slots=True)
class Owner:
    """An owner's row. It has time while `ending` is None, and never again after.

    `request` and `answer` are the first call and what it was told, as JSON values.
    """

    owner_id: str
    kind: OwnerKind
    agent_id: str | None
    ending: Ending | None = None
    plan: Plan | None = None
    request: Any = None
    answer: Any = None


@dataclass(frozen=True, slots=True)
class Move:
    """A move's row: applied with its first answer, or abandoned for ever."""

    move_id: str
    applied: bool
    appointment_id: str | None = None
    request: Any = None
    answer: Any = None
