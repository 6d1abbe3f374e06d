"""Several changes of several agendas, woven together: each agenda's in one splice, since they may be
neighbours, and the legs that all of them lack asked for at once."""

from collections import defaultdict
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from geo.domain.calendar import ConcreteShift, frame_to_add
from geo.domain.chain import Splice, splice
from geo.domain.legs import MissingLegs, Pair
from geo.domain.modes import TravelMode
from geo.domain.stop import Stop
from geo.usecases import visits
from geo.usecases.ledger import Desk
from geo.usecases.visits import Span

T = TypeVar("T")


@dataclass(slots=True)
class AgendaChange:
    """What changes on one agent's agenda: something, at least."""

    leaving: list[Stop] = field(default_factory=list)
    coming: list[tuple[Stop, ConcreteShift]] = field(default_factory=list)

    @property
    def owners(self) -> set[str]:
        """Whose stops leave."""
        return {stop.owner_id for stop in self.leaving if stop.owner_id is not None}

    @property
    def span(self) -> Span:
        """Everything that is touched."""
        found = [Span(stop.starts_at, stop.ends_at) for stop in self.leaving]
        found += [visits.span_of(shift) for _, shift in self.coming]
        whole = found[0]
        for one in found[1:]:
            whole |= one
        return whole


@dataclass(slots=True)
class Lacking:
    """Legs that some of the changes lack, gathered so that they are asked for once: where there are many
    changes, a question for each would be given up as contention."""

    pairs: dict[TravelMode, set[Pair]] = field(default_factory=lambda: defaultdict(set))

    async def of(self, deciding: Awaitable[T]) -> T | None:
        """What is decided; None where legs are lacking."""
        try:
            return await deciding
        except MissingLegs as missing:
            self.pairs[missing.mode] |= missing.pairs
            return None

    def require_none(self) -> None:
        """Raises MissingLegs with all that are lacking of one mode's."""
        for mode, pairs in self.pairs.items():
            raise MissingLegs(pairs, mode)


async def woven(desk: Desk, agendas: Mapping[str, AgendaChange]) -> dict[str, Splice]:
    """A splice of each agenda, possible or not. Raises MissingLegs with what all of them lack."""
    lacking = Lacking()
    found = {agent_id: await lacking.of(_woven(desk, agent_id, one)) for agent_id, one in agendas.items()}
    lacking.require_none()
    return {agent_id: one for agent_id, one in found.items() if one is not None}


async def _woven(desk: Desk, agent_id: str, change: AgendaChange) -> Splice:
    span = change.span
    segment = await desk.segment(agent_id, span.lo, span.hi)
    gone = {stop.stop_id for stop in (*segment.expired(desk.now), *change.leaving)}
    present = [linked.stop for linked in segment.stops if linked.stop.stop_id not in gone]
    if segment.before is not None:
        present.append(segment.before.stop)
    frames = {
        part.stop_id: part
        for _, shift in change.coming
        for part in frame_to_add(shift, _near(shift, present))
    }
    insert = [*(stop for stop, _ in change.coming), *frames.values()]
    return splice(segment, desk.book(agent_id), remove=gone, insert=insert)


def _near(shift: ConcreteShift, present: Sequence[Stop]) -> list[Stop]:
    """Stops that touch a shift, with its bases."""
    around_it = visits.span_of(shift)
    return [stop for stop in present if stop.starts_at <= around_it.hi and around_it.lo <= stop.ends_at]
