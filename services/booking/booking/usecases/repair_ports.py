"""What repairs ask of geo besides the ledger's single changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from booking.domain.itinerary import Reservation
from booking.usecases.ports import NewStop, StopMove
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


@dataclass(frozen=True, slots=True)
class PlanQuery:
    """Days to plan: the shifts of these agents that start in the span, and what may move in which windows, in
    order and apart."""

    agent_ids: Sequence[str]
    span: Window
    flexible: Mapping[str, Sequence[Window]]
    keep_order: bool
    frozen_until: datetime | None
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

    async def optimize(self, tenant: str, query: PlanQuery) -> FoundRepair:
        """A plan with less driving, each visit with its own agent. Raises NotFound naming
        `flexible[N].appointment_id` for one that is not on these shifts; Unavailable as `repair`."""
        ...

    async def move_all(
        self, tenant: str, moves: Sequence[StopMove], given_up: Sequence[str]
    ) -> Sequence[Reservation]:
        """Swaps all of these stops and frees those given up, or nothing; the stops, in order."""
        ...

    async def reserve_all(self, tenant: str, stops: Sequence[NewStop]) -> Sequence[Reservation]:
        """Makes all of these stops, or nothing; a refusal names the one at fault as `stops[N].plan`. Whoever
        gives them up has their ids fenced, as after `reserve`."""
        ...
