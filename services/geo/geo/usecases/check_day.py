"""The guarantee of one agent's day, pair by pair (GEO-01). Reads alone, apart from the code that writes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from geo.domain import errors
from geo.domain.legs import free_leg
from geo.domain.stop import TravelSource
from geo.domain.verification import (
    Evidence,
    LegKey,
    StoredStop,
    Violation,
    broken_between,
    consecutive,
    drive_between,
)
from geo.storage import agents
from geo.storage.verification import stops_around
from geo.usecases.ledger import Ledger
from geo.usecases.slices import Slices
from geo.usecases.verify_invariants import evidence_on, recorded
from kit.values.days import days_window
from kit.values.window import Window


@dataclass(frozen=True, slots=True)
class CheckedPair:
    """Two stops that follow each other: `end + travel + buffer <= start`, in seconds.

    `travel` and `slack` are None where no way leads from one to the other. A leg that no record tells has no
    source and no version.
    """

    earlier: StoredStop
    later: StoredStop
    travel: int | None
    source: TravelSource | None
    version: str
    violations: tuple[Violation, ...]

    @property
    def slack(self) -> int | None:
        """What is left of the time between both; negative by what is missing."""
        if self.travel is None:
            return None
        gap = int((self.later.starts_at - self.earlier.ends_at).total_seconds())
        return gap - self.travel - self.later.buffer


@dataclass(frozen=True, slots=True)
class CheckedDay:
    """A local calendar day, and every pair that has a stop in it."""

    time_zone: str
    window: Window
    pairs: tuple[CheckedPair, ...]


async def check_day(ledger: Ledger, tenant: str, agent_id: str, day: date) -> CheckedDay:
    """Every pair of consecutive stops of which at least one touches the agent's local day.

    So a pair over midnight is checked with both days, and so are the ways into the day from the stop before
    it and out of it to the next one.

    Raises NotFound for the agent, InvalidInput naming `date` for a day that its zone left out, and
    Unavailable (TRAVEL_UNAVAILABLE) when a stop names no drive and no engine answers.
    """
    slices = Slices()
    async with ledger.db.uow(tenant) as tx:
        agent = (await agents.read(tx, [agent_id])).get(agent_id)
        if agent is None:
            raise errors.not_found("agent", agent_id, "agent_id")
        window = days_window(day, day, ZoneInfo(agent.calendar.time_zone), "date")
        record = await recorded(tx, await stops_around(tx, agent_id, window), slices)
    evidence = await evidence_on(ledger, tenant, record, slices)
    pairs = [
        _checked(earlier, later, evidence, record.legs)
        for earlier, later in consecutive(record.stops)
        if _touches(earlier, window) or _touches(later, window)
    ]
    return CheckedDay(agent.calendar.time_zone, window, tuple(pairs))


def _touches(stop: StoredStop, window: Window) -> bool:
    return stop.starts_at < window.end and window.start < stop.ends_at


def _checked(
    earlier: StoredStop, later: StoredStop, evidence: Evidence, legs: Mapping[LegKey, str]
) -> CheckedPair:
    leg = later.leg
    told = legs.get(leg) if leg is not None else None
    source = None if told is None else TravelSource(told)
    if free_leg(earlier.place, later.place) is not None:
        source = TravelSource.NONE
    return CheckedPair(
        earlier=earlier,
        later=later,
        travel=drive_between(earlier, later, evidence),
        source=source,
        version=leg[2] if leg is not None and source is not None else "",
        violations=tuple(broken_between(earlier, later, evidence)),
    )
