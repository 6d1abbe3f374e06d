"""What repairs ask of geo besides the ledger's single changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple, Protocol

from booking.domain.itinerary import Reservation
from booking.usecases.ports import StopMove
from kit.values.window import Window


@dataclass(frozen=True, slots=True)
class RepairQuery:
    """What happened to an agent: a delay, or an absence. `eligible` are the agents who may take each of the
    appointments over."""

    agent_id: str
    happened: timedelta | Window
    helpers: Sequence[str]
    tolerance: timedelta
    eligible: Mapping[str, Sequence[str]]
    search_time: timedelta
    seed: int


class FoundMove(NamedTuple):
    """A visit that a plan places anew."""

    appointment_id: str
    agent_id: str
    window: Window
    call_needed: bool


class FoundRefusal(NamedTuple):
    """Why an agent cannot take it; `reason` is an `ErrorReason` by name, the seconds 0 without an amount."""

    agent_id: str
    reason: str
    short_seconds: int = 0


class FoundUnplaced(NamedTuple):
    """A visit or a hold that has no place."""

    reference: str
    refusals: Sequence[FoundRefusal]


@dataclass(frozen=True, slots=True)
class FoundRepair:
    """geo's proposal."""

    moves: Sequence[FoundMove]
    unplaced: Sequence[FoundUnplaced]
    travel_before: timedelta
    travel_after: timedelta
    proved_best: bool
    travel_version: str


class Rounds(Protocol):
    """Planning and changing several stops at once, at geo. Raises as `ports.Ledger`."""

    async def repair(self, tenant: str, query: RepairQuery) -> FoundRepair:
        """The smallest change that keeps the most promises. Raises Unavailable (SOLVER_UNAVAILABLE) too."""
        ...

    async def move_all(
        self, tenant: str, moves: Sequence[StopMove], given_up: Sequence[str]
    ) -> Sequence[Reservation]:
        """Swaps all of these stops and frees those given up, or nothing; the stops, in order."""
        ...
