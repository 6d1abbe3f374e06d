"""Stops and legs: the words of the itinerary ledger.

All of an agent's stops form one chain in time order. A place is the key of a `kit.values.latlng.LatLng`;
`NOWHERE` stands for a stop that nobody drives to.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from geo.domain.profile import Profile
from kit.values.window import Window

NOWHERE = -1


class StopKind(StrEnum):
    """What occupies an agent's time."""

    APPOINTMENT = "APPOINTMENT"
    HOLD = "HOLD"
    BREAK = "BREAK"
    ABSENCE = "ABSENCE"
    DAY_START = "DAY_START"
    DAY_END = "DAY_END"


PLACELESS = frozenset({StopKind.BREAK, StopKind.ABSENCE})
"""Kinds without a place of their own: they are taken where the stop before them ends."""

VISITS = frozenset({StopKind.APPOINTMENT, StopKind.HOLD})

DAY_FRAME = frozenset({StopKind.DAY_START, StopKind.DAY_END, StopKind.BREAK})
"""Kinds that come with the first visit of a shift, made from the agent's calendar."""


class TravelSource(StrEnum):
    """Where a travel time comes from."""

    ESTIMATE = "ESTIMATE"
    ROAD = "ROAD"
    MATRIX = "MATRIX"
    NONE = "NONE"


@dataclass(frozen=True, slots=True)
class Leg:
    """A drive between two places.

    `seconds` is what the guarantee counts on; `via` marks a drive kept over a place that left the agenda.

    With a `profile` the drive takes another time at another hour: `seconds` are those of one departure, and
    `free_seconds` those at free flow. A `mixed` drive is kept over a place, partly by one profile and partly
    by another or none: it is known for the one departure alone.
    """

    from_place: int
    to_place: int
    seconds: int
    metres: int
    source: TravelSource
    version: str
    via: bool = False
    free_seconds: int | None = None
    profile: Profile | None = field(default=None, compare=False, repr=False)
    mixed: bool = field(default=False, compare=False)

    @property
    def free(self) -> int:
        """Seconds at free flow."""
        return self.seconds if self.free_seconds is None else self.free_seconds

    def departing(self, at: datetime) -> "Leg":
        """The drive as it is for who leaves then."""
        if self.profile is None:
            return self
        seconds = self.profile.seconds(int(at.timestamp()), self.free)
        return replace(self, seconds=seconds, free_seconds=self.free)

    def moved(self, known_at: datetime, at: datetime) -> "Leg | None":
        """The drive known for one departure, as it is for another; None where that cannot be told.

        A mixed one that departs earlier arrives when it would have: leaving earlier never arrives later.
        """
        if at == known_at:
            return self
        if not self.mixed:
            return self.departing(at)
        if at > known_at:
            return None
        seconds = self.seconds + int((known_at - at).total_seconds())
        return replace(self, seconds=seconds)


@dataclass(frozen=True, slots=True)
class Stop:
    """One stop of an agent, without its link to the stop before.

    `starts_at < ends_at` always, whole seconds, UTC. `buffer` (seconds) is kept on top of the drive *to* this
    stop. `owner_id` is the appointment, hold or absence it belongs to; None for the day frame. The frame's
    bases last one second outside the shift (DAY_START ends at its start, DAY_END begins at its end), so that
    every stop has a length and the order of the chain is strict. `arrival` is the window in which the start
    was promised, both ends included; it stays when the start moves.
    """

    stop_id: str
    kind: StopKind
    starts_at: datetime
    ends_at: datetime
    place: int
    buffer: int = 0
    owner_id: str | None = None
    expires_at: datetime | None = None
    arrival: Window | None = None

    @property
    def duration(self) -> timedelta:
        """How long it lasts."""
        return self.ends_at - self.starts_at


@dataclass(frozen=True, slots=True)
class LinkedStop:
    """A stop with the leg it relies on; `previous_id` and `leg` are None on the agent's first stop."""

    stop: Stop
    previous_id: str | None
    leg: Leg | None
