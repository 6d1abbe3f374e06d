"""What booking asks of other services."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, Protocol

from booking.domain.contact import Located
from booking.domain.itinerary import AS_PROMISED, Certificate, Hold, MoveTerms, Reservation, StopPlan
from kit.errors import AlreadyExists, GiroError, InvalidInput, NotFound, RuleViolated
from kit.values.latlng import LatLng
from kit.values.window import Window

REFUSALS = (RuleViolated, AlreadyExists, NotFound, InvalidInput)
"""The errors by which the ledger says no for good. After any other one it is not known whether it acted."""


class StopMove(NamedTuple):
    """A stop to swap under the move's id; `promised_anew`: the contact agreed to another arrival window."""

    move_id: str
    appointment_id: str
    plan: StopPlan
    promised_anew: bool = False


class NewStop(NamedTuple):
    """A stop to make for an appointment."""

    appointment_id: str
    plan: StopPlan


@dataclass(frozen=True, slots=True)
class SlotQuery:
    """A search for slots over agents and windows; `not_before` is the first start that policy allows.

    `starts` are choices of the contract, handed on; `after` is the last slot of the page before.
    """

    campaign_id: str
    point: LatLng
    duration: timedelta
    windows: Sequence[Window]
    not_before: datetime
    as_of: datetime
    agent_ids: Sequence[str]
    skills: Sequence[str]
    buffer: timedelta
    limit: int
    explain: bool
    granularity: timedelta
    ideal_up_to: timedelta
    ok_up_to: timedelta
    starts: Sequence[Any] = ()
    near: Sequence[datetime] = ()
    after: "SlotPosition | None" = None
    postcode: str = ""


EVERY_CHOICE: Final = (1, 2, 3)
"""The earliest start of a gap, the latest, and the nearest: all of giro.common.v1.StartChoice."""


class SlotPosition(NamedTuple):
    """Where a slot stands in the ledger's order; seconds and Unix seconds."""

    added_travel: int
    start: int
    agent_id: str


class FoundSlot(NamedTuple):
    """One start that fits. Instants are Unix seconds; `anatomy` is the ledger's message, handed on.

    `certificate` is what the start rests on, in the ledger's words.
    """

    agent_id: str
    start: int
    end: int
    anatomy: Any
    added_travel: int = 0
    grade: Any = None
    certificate: bytes = b""

    @property
    def position(self) -> SlotPosition:
        """Where it stands in the order."""
        return SlotPosition(self.added_travel, self.start, self.agent_id)

    @property
    def worth(self) -> tuple[int, int, int | None]:
        """Start, added travel and grade."""
        return self.start, self.added_travel, self.grade


@dataclass(frozen=True, slots=True)
class FoundSlots:
    """Slots in the order in which they are shown; `refused` are the ledger's messages, handed on."""

    slots: Sequence[FoundSlot]
    refused: Sequence[Any]
    refused_truncated: bool
    travel_version: str
    estimated: bool
    incomplete: bool = False
    """Whether the roads of some agents did not answer, while those of others did."""


NO_SLOTS = FoundSlots((), (), refused_truncated=False, travel_version="", estimated=False)
"""What there is when policy leaves nothing to search for."""


class FoundDetour(NamedTuple):
    """The best slot of an agent in a window, which is counted from 0; `grade` is the ledger's, handed on."""

    agent_id: str
    window: int
    start: int
    added_travel: int
    grade: Any
    certificate: bytes = b""


@dataclass(frozen=True, slots=True)
class FoundDetours:
    """By agent id, then window."""

    detours: Sequence[FoundDetour]
    travel_version: str
    estimated: bool
    incomplete: bool = False


NO_DETOURS = FoundDetours((), travel_version="", estimated=False)
"""What there is when policy leaves nothing to search for."""


@dataclass(frozen=True, slots=True)
class NewHold:
    """A slot to keep; the ledger keeps `campaign_id`, `caller_id` and `hidden` as the hold's context."""

    hold_id: str
    campaign_id: str
    caller_id: str
    plan: StopPlan
    ttl: timedelta
    certificate: Certificate | None = None
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class StartQuestion:
    """Asks why a start cannot be had; the changes wanted are other starts in `windows`, other agents, and
    neighbours postponed so far at most. `refused`: something else speaks against it; none is moved then."""

    plan: StopPlan
    windows: Sequence[Window]
    agent_ids: Sequence[str]
    as_of: datetime
    granularity: timedelta
    postpone_up_to: timedelta
    refused: bool


@dataclass(frozen=True, slots=True)
class StartGround:
    """A reason against a start, by name, with the seconds missing where it has an amount."""

    reason: str
    short_seconds: int | None


@dataclass(frozen=True, slots=True)
class FoundChange:
    """A change that opens a start; `kind` is the ledger's, handed on. See StartChange of the contract."""

    kind: Any
    by: timedelta
    start: datetime
    agent_id: str
    appointment_id: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """What speaks against a start, and what would open it."""

    grounds: Sequence[StartGround]
    changes: Sequence[FoundChange]
    incomplete: bool = False
    """Whether nothing is told of some other agents, whose roads did not answer."""


class Ledger(Protocol):
    """The itinerary ledger of geo.

    Every write names an id of ours and may be repeated: it gets the first answer. What was settled is
    refused for ever (SETTLED). Raises Unavailable when it is not known whether the ledger acted, Conflict
    (CONTENTION) when it gave way and did nothing, and one of REFUSALS when it said no.
    """

    async def search(self, tenant: str, query: SlotQuery) -> FoundSlots:
        """The starts that fit."""
        ...

    async def detours(self, tenant: str, query: SlotQuery) -> FoundDetours:
        """The best slot of each agent in each of the windows, which are in order and apart."""
        ...

    async def explain(self, tenant: str, question: StartQuestion) -> Explanation:
        """Why a start cannot be had, and what would open it."""
        ...

    async def hold(self, tenant: str, new: NewHold) -> Hold:
        """Keeps a slot."""
        ...

    async def get_hold(self, tenant: str, hold_id: str) -> Hold:
        """A hold that has not expired. Raises NotFound naming `hold_id`."""
        ...

    async def release_hold(self, tenant: str, hold_id: str) -> None:
        """Frees a hold; one that is gone already is no error."""
        ...

    async def reserve(
        self,
        tenant: str,
        appointment_id: str,
        plan: StopPlan,
        source: str | Certificate | None,
    ) -> Reservation:
        """Makes an appointment's stop: from a hold's id, from a suggestion, or afresh (None)."""
        ...

    async def move(
        self,
        tenant: str,
        move_id: str,
        appointment_id: str,
        plan: StopPlan,
        terms: MoveTerms = AS_PROMISED,
    ) -> Reservation:
        """Swaps an appointment's stop under the move's id."""
        ...

    async def move_each(self, tenant: str, moves: Sequence[StopMove]) -> Sequence[Reservation | GiroError]:
        """Swaps those of these stops that can be, in this order; for each the stop after all of it, or one of
        REFUSALS, and then it never will be made."""
        ...

    async def reserve_each(self, tenant: str, stops: Sequence[NewStop]) -> Sequence[Reservation | GiroError]:
        """Makes those of these stops that fit, in this order; for each the stop after all of it, or one of
        REFUSALS. Whoever gives one up has its id fenced, as after `reserve`."""
        ...

    async def settle_stop(self, tenant: str, appointment_id: str) -> None:
        """Frees an appointment's stop, if there is one, and refuses the id for ever."""
        ...

    async def settle_move(self, tenant: str, move_id: str) -> Reservation | None:
        """The stop that a move made; None: the move was not made and never will be."""
        ...

    async def reservation(self, tenant: str, appointment_id: str) -> Reservation:
        """The present stop. Raises NotFound."""
        ...

    async def reservations(self, tenant: str) -> Sequence[Reservation]:
        """All stops of appointments, without legs."""
        ...


class Places(Protocol):
    """The places of addresses."""

    async def find(self, tenant: str, address: str) -> Located:
        """Where an address is, if that is sure enough (GEO-18). Raises Unavailable when nobody answers."""
        ...


class Agents(Protocol):
    """The agents that geo knows."""

    async def known(self, tenant: str) -> frozenset[str]:
        """Ids of all agents of the tenant."""
        ...

    async def zone(self, tenant: str, agent_id: str) -> str:
        """IANA zone of an agent's calendar. Raises NotFound naming `agent_id`."""
        ...
