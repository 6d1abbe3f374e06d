"""What booking knows of the agenda that geo keeps: plans for stops, and the drives around them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from kit.values.latlng import LatLng
from kit.values.window import Window


@dataclass(frozen=True, slots=True)
class Leg:
    """One drive between two consecutive stops; `source` is a name of giro.common.v1.TravelSource."""

    travel: timedelta
    metres: int
    source: str
    version: str
    via: bool
    buffer: timedelta
    from_point: LatLng | None
    to_point: LatLng | None


@dataclass(frozen=True, slots=True)
class StopPlan:
    """The time and place to take on an agent's agenda.

    `postcode` is the place's, empty when unknown. `arrival` is the window in which the arrival is promised;
    None for a move keeps what was promised, and otherwise stands for the exact start (BK-39).
    """

    agent_id: str
    window: Window
    point: LatLng
    buffer: timedelta = timedelta()
    skills: tuple[str, ...] = ()
    postcode: str = ""
    arrival: Window | None = None

    def is_at(self, other: "StopPlan") -> bool:
        """Whether both are the same agent's, at the same time and place."""
        return (self.agent_id, self.window, self.point) == (other.agent_id, other.window, other.point)


@dataclass(frozen=True, slots=True)
class Certificate:
    """What the ledger said that a suggested start rests on, in its own words, and until when that counts."""

    packed: bytes
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class MoveTerms:
    """On which terms a stop is swapped.

    `certificate` is what the new start rests on, where it was suggested. A promised arrival window stays, and
    the new start has to be in it, unless the customer agreed to what the plan says (`promised_anew`).
    """

    certificate: Certificate | None = None
    promised_anew: bool = False


AS_PROMISED: Final = MoveTerms()
"""Whatever fits now, within what was promised."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """An appointment's stop in the ledger; a leg is None when nothing comes before or after."""

    appointment_id: str
    plan: StopPlan
    leg_before: Leg | None
    leg_after: Leg | None


@dataclass(frozen=True, slots=True)
class Hold:
    """A kept slot; `campaign_id` and `hidden` are what booking wrote into its context.

    `hidden`: whoever books it shall not learn the agent.
    """

    hold_id: str
    campaign_id: str
    plan: StopPlan
    expires_at: datetime
    leg_before: Leg | None
    leg_after: Leg | None
    hidden: bool = False
