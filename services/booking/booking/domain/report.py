"""How many appointments a campaign has, by agent and by zone (R-005, R-006)."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from booking.domain.appointment import Appointment, State
from booking.domain.package import Package

_TAKEN = frozenset({State.PENDING, State.TO_CONFIRM, State.CONFIRMED, State.HELD})


@dataclass(frozen=True, slots=True)
class Tally:
    """How many appointments of one agent, in one zone, in one state."""

    agent_id: str
    zone: str
    state: State
    number: int


@dataclass(frozen=True, slots=True)
class ReportCount:
    """How many there are in each state; `of` is an agent's id or a zone's name, "" for all."""

    of: str
    by_state: Mapping[State, int]

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.by_state.values())

    def number(self, state: State) -> int:
        """Those in one state."""
        return self.by_state.get(state, 0)


@dataclass(frozen=True, slots=True)
class Report:
    """A campaign's counts, and the same by agent and by zone, each ordered by name."""

    campaign: ReportCount
    agents: Sequence[ReportCount]
    zones: Sequence[ReportCount]

    @classmethod
    def of(cls, tallies: Iterable[Tally]) -> Self:
        """The report that tallies make, each looked at once."""
        whole: Counter[State] = Counter()
        agents: defaultdict[str, Counter[State]] = defaultdict(Counter)
        zones: defaultdict[str, Counter[State]] = defaultdict(Counter)
        for tally in tallies:
            for counts in (whole, agents[tally.agent_id], zones[tally.zone]):
                counts[tally.state] += tally.number
        return cls(ReportCount("", whole), _ordered(agents), _ordered(zones))


def _ordered(by_name: Mapping[str, Mapping[State, int]]) -> Sequence[ReportCount]:
    return [ReportCount(name, by_name[name]) for name in sorted(by_name)]


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One appointment with who is visited."""

    appointment: Appointment
    contact_name: str
    address: str


@dataclass(frozen=True, slots=True)
class CountedPackage:
    """Counters as they were counted, whatever they say."""

    purchased: int
    taken: int
    to_confirm: int
    cancelled_in_step: int


@dataclass(frozen=True, slots=True)
class Recount:
    """The counters as they are kept, and as counting the appointments anew gives them."""

    kept: Package
    counted: CountedPackage

    @property
    def differing(self) -> Sequence[str]:
        """Names of the counters that are not what was counted."""
        names = ("purchased", "taken", "to_confirm", "cancelled_in_step")
        return [name for name in names if getattr(self.kept, name) != getattr(self.counted, name)]


@dataclass(frozen=True, slots=True)
class Counted:
    """What there is: units in all tranches, appointments by state."""

    bought: int
    by_state: Mapping[State, int]


def recounted(kept: Package, found: Counted) -> Recount:
    """Counts anew: bookings under way have their unit already; each cancelled one is of the present step,
    waits from an earlier one, or was set free."""
    by_state = found.by_state
    waiting = by_state.get(State.PENDING, 0) + by_state.get(State.TO_CONFIRM, 0)
    taken = sum(number for state, number in by_state.items() if state in _TAKEN)
    in_step = by_state.get(State.CANCELLED, 0) - kept.to_recover - kept.recovered
    counted = CountedPackage(found.bought, taken, waiting, in_step)
    return Recount(kept, counted)
