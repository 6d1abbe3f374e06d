"""A ledger in memory that keeps the contract of geo's, with faults on demand.

Idempotent by id, refuses what overlaps, leaves tombstones. `lose` makes the next call of a method fail as a
network does: the request lost, the answer lost, or the request late (it acts when `deliver_late` is called).
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from house_clock import NINE

from booking.domain.itinerary import AS_PROMISED, Certificate, Hold, Leg, MoveTerms, Reservation, StopPlan
from booking.usecases.ports import (
    Explanation,
    FoundDetour,
    FoundDetours,
    FoundSlot,
    FoundSlots,
    NewHold,
    NewStop,
    SlotQuery,
    StartQuestion,
    StopMove,
)
from giro.common.v1 import travel_pb2
from kit.errors import AlreadyExists, GiroError, NotFound, Reason, RuleViolated, Unavailable
from kit.values.window import Window

LEG = Leg(
    travel=timedelta(seconds=900),
    metres=2500,
    source="ESTIMATE",
    version="estimate-1",
    via=False,
    buffer=timedelta(0),
    from_point=None,
    to_point=None,
)


def certificate_of(agent: str, start: datetime) -> bytes:
    """What this ledger says that a start rests on."""
    return f"{agent} {start.isoformat()}".encode()


class Lost(Enum):
    """What becomes of a call that gets no answer."""

    REQUEST = "the request never arrives"
    ANSWER = "the request acts, its answer is lost"
    LATE = "the request arrives after its caller has given up"


Key = tuple[str, str]


@dataclass
class LedgerDouble:
    """Implements `usecases.ports.Ledger` and `Agents`."""

    agents: set[str] = field(default_factory=set)
    stops: dict[Key, Reservation] = field(default_factory=dict)
    holds: dict[Key, Hold] = field(default_factory=dict)
    known_holds: set[Key] = field(default_factory=set)
    moves: dict[Key, Reservation | None] = field(default_factory=dict)
    settled: set[Key] = field(default_factory=set)
    slots: list[tuple[str, datetime]] = field(default_factory=list)
    grades: list[int] = field(default_factory=list)
    refused: list[Any] = field(default_factory=list)
    questions: list[StartQuestion] = field(default_factory=list)
    explanation: Explanation = field(default_factory=lambda: Explanation((), ()))
    sources: list[str | Certificate | None] = field(default_factory=list)
    queries: list[SlotQuery] = field(default_factory=list)
    searched: list[str] = field(default_factory=list)
    """The tenant of each search: rounds over all tenants may search for what other tests have left."""
    calls: list[str] = field(default_factory=list)
    down: bool = False
    zone_of_agents: str = "Europe/Rome"
    _faults: dict[str, list[Lost | GiroError]] = field(default_factory=dict)
    _late: list[Callable[[], Awaitable[Any]]] = field(default_factory=list)

    def lose(self, method: str, *faults: "Lost | GiroError") -> None:
        """The next calls of `method` fail so, one after the other."""
        self._faults.setdefault(method, []).extend(faults)

    def heal(self) -> None:
        """Forgets the faults that no call has met."""
        self._faults.clear()

    async def deliver_late(self) -> list[Any]:
        """Lets the late requests act; gives their answers or errors, that nobody waits for any more."""
        late, self._late = self._late, []
        return [await _outcome(request()) for request in late]

    async def known(self, tenant: str) -> frozenset[str]:
        """All agents, of whatever tenant."""
        return await self._answered("known", self._known)

    async def zone(self, tenant: str, agent_id: str) -> str:
        """The one of all agents."""
        if agent_id not in self.agents:
            raise _missing("agent", "agent_id")
        return self.zone_of_agents

    async def search(self, tenant: str, query: SlotQuery) -> FoundSlots:
        """Those of the slots put there which lie in the windows, and which neither stop nor hold takes."""
        self.queries.append(query)
        self.searched.append(tenant)
        return await self._answered("search", lambda: self._search(tenant, query))

    async def detours(self, tenant: str, query: SlotQuery) -> FoundDetours:
        """The earliest of those slots by agent and window; each adds ten minutes."""
        self.queries.append(query)
        return await self._answered("detours", lambda: self._detours(query))

    async def explain(self, tenant: str, question: StartQuestion) -> Explanation:
        """What the test has put there."""
        self.questions.append(question)
        return self.explanation

    async def hold(self, tenant: str, new: NewHold) -> Hold:
        """Keeps a slot."""
        return await self._answered("hold", lambda: self._hold(tenant, new))

    async def get_hold(self, tenant: str, hold_id: str) -> Hold:
        """A hold."""
        return await self._answered("get_hold", lambda: self._get_hold(tenant, hold_id))

    async def release_hold(self, tenant: str, hold_id: str) -> None:
        """Frees a hold."""
        await self._answered("release_hold", lambda: self._release_hold(tenant, hold_id))

    async def reserve(
        self, tenant: str, appointment_id: str, plan: StopPlan, source: str | Certificate | None
    ) -> Reservation:
        """Makes a stop."""
        key = (tenant, appointment_id)
        self.sources.append(source)
        hold_id = source if isinstance(source, str) else None
        return await self._answered("reserve", lambda: self._reserve(key, plan, hold_id))

    async def move(
        self,
        tenant: str,
        move_id: str,
        appointment_id: str,
        plan: StopPlan,
        terms: MoveTerms = AS_PROMISED,
    ) -> Reservation:
        """Swaps a stop."""
        self.sources.append(terms.certificate)
        return await self._answered(
            "move",
            lambda: self._move((tenant, move_id), (tenant, appointment_id), plan, anew=terms.promised_anew),
        )

    async def move_each(self, tenant: str, moves: Sequence[StopMove]) -> Sequence[Reservation | GiroError]:
        """Swaps those of these stops that can be."""
        self.sources.extend(None for _ in moves)
        return await self._answered("move_each", lambda: self._move_each(tenant, moves))

    async def reserve_each(self, tenant: str, stops: Sequence[NewStop]) -> Sequence[Reservation | GiroError]:
        """Makes those of these stops that fit."""
        self.sources.extend(None for _ in stops)
        return await self._answered("reserve_each", lambda: self._reserve_each(tenant, stops))

    async def settle_stop(self, tenant: str, appointment_id: str) -> None:
        """Frees and fences."""
        await self._answered("settle_stop", lambda: self._settle_stop((tenant, appointment_id)))

    async def settle_move(self, tenant: str, move_id: str) -> Reservation | None:
        """Made, or never."""
        return await self._answered("settle_move", lambda: self._settle_move((tenant, move_id)))

    async def reservation(self, tenant: str, appointment_id: str) -> Reservation:
        """The present stop."""
        return await self._answered("reservation", lambda: self._reservation((tenant, appointment_id)))

    async def reservations(self, tenant: str) -> Sequence[Reservation]:
        """All stops of the tenant."""
        return await self._answered("reservations", lambda: self._reservations(tenant))

    async def _answered(self, method: str, act: Callable[[], Awaitable[Any]]) -> Any:
        self.calls.append(method)
        await asyncio.sleep(0)
        if self.down:
            raise _no_answer()
        faults = self._faults.get(method)
        fault = faults.pop(0) if faults else None
        if isinstance(fault, GiroError):
            raise fault
        if fault is Lost.REQUEST:
            raise _no_answer()
        if fault is Lost.LATE:
            self._late.append(act)
            raise _no_answer()
        answer = await act()
        if fault is Lost.ANSWER:
            raise _no_answer()
        return answer

    async def _known(self) -> frozenset[str]:
        return frozenset(self.agents)

    async def _search(self, tenant: str, query: SlotQuery) -> FoundSlots:
        found = []
        for number, (agent, start) in enumerate(self.slots):
            end = start + query.duration
            fits = any(window.contains(Window(start, end)) for window in query.windows)
            fits = fits and not self._taken(tenant, agent, Window(start, end))
            if fits and start >= query.not_before and agent in query.agent_ids:
                anatomy = travel_pb2.SlotAnatomy(agent_id=agent)
                anatomy.start.FromDatetime(start)
                anatomy.end.FromDatetime(end)
                grade = self.grades[number] if self.grades else None
                span = int(start.timestamp()), int(end.timestamp())
                found.append(FoundSlot(agent, *span, anatomy, number, grade, certificate_of(agent, start)))
        rest = [slot for slot in found if query.after is None or slot.position > query.after]
        return FoundSlots(rest[: query.limit], self.refused, False, "estimate-1", True)

    async def _detours(self, query: SlotQuery) -> FoundDetours:
        found: dict[tuple[str, int], FoundDetour] = {}
        for agent, start in sorted(self.slots):
            for number, window in enumerate(query.windows):
                fits = window.start <= start and start + query.duration <= window.end
                if fits and start >= query.not_before and agent in query.agent_ids:
                    at = int(start.timestamp())
                    found.setdefault(
                        (agent, number), FoundDetour(agent, number, at, 600, 1, certificate_of(agent, start))
                    )
        return FoundDetours([found[key] for key in sorted(found)], "estimate-1", estimated=True)

    async def _hold(self, tenant: str, new: NewHold) -> Hold:
        key = (tenant, new.hold_id)
        if key in self.holds:
            return self.holds[key]
        self._refuse_settled(key)
        self._refuse_taken(tenant, new.plan, None)
        expires = NINE + new.ttl
        self.known_holds.add(key)
        self.holds[key] = Hold(new.hold_id, new.campaign_id, new.plan, expires, LEG, LEG, new.hidden)
        return self.holds[key]

    async def _get_hold(self, tenant: str, hold_id: str) -> Hold:
        if (tenant, hold_id) not in self.holds:
            raise _missing("hold", "hold_id")
        return self.holds[tenant, hold_id]

    async def _release_hold(self, tenant: str, hold_id: str) -> None:
        key = (tenant, hold_id)
        if key not in self.known_holds | self.holds.keys() | self.settled:
            raise _missing("hold", "hold_id")  # as geo, which never heard of it
        self.holds.pop(key, None)
        self.settled.add(key)

    async def _reserve(self, key: Key, plan: StopPlan, hold_id: str | None) -> Reservation:
        self._refuse_settled(key)
        if key in self.stops:
            return self.stops[key]
        if hold_id and (key[0], hold_id) not in self.holds:
            raise RuleViolated(Reason.HOLD_EXPIRED, "the hold has expired")
        self._refuse_taken(key[0], plan, hold_id)
        if hold_id:
            del self.holds[key[0], hold_id]
        self.stops[key] = Reservation(key[1], _as_kept(plan), LEG, LEG)
        return self.stops[key]

    async def _move(self, move: Key, appointment: Key, plan: StopPlan, *, anew: bool) -> Reservation:
        if move in self.moves:
            made = self.moves[move]
            if made is None:
                raise _settled()
            return made
        self._refuse_settled(appointment)
        if appointment not in self.stops:
            raise _missing("reservation", "appointment_id")
        self._refuse_taken(move[0], plan, None, besides=appointment)
        before = self.stops[appointment].plan.arrival
        if not anew and plan.arrival is None and before is not None:
            if not before.start <= plan.window.start <= before.end:
                raise RuleViolated(Reason.OUTSIDE_WINDOWS, "outside the arrival window that was promised")
            plan = replace(plan, arrival=before)
        self.stops[appointment] = self.moves[move] = replace(self.stops[appointment], plan=_as_kept(plan))
        return self.stops[appointment]

    async def _move_each(self, tenant: str, moves: Sequence[StopMove]) -> list[Reservation | GiroError]:
        outcomes: list[Reservation | GiroError] = []
        for asked in moves:
            move, appointment = (tenant, asked.move_id), (tenant, asked.appointment_id)
            try:
                made = await self._move(move, appointment, asked.plan, anew=asked.promised_anew)
            except (RuleViolated, AlreadyExists, NotFound) as refusal:
                self.moves.setdefault(move, None)  # abandoned, as geo does
                outcomes.append(refusal)
            else:
                outcomes.append(made)
        return outcomes

    async def _reserve_each(self, tenant: str, stops: Sequence[NewStop]) -> list[Reservation | GiroError]:
        outcomes: list[Reservation | GiroError] = []
        for asked in stops:
            try:
                outcomes.append(await self._reserve((tenant, asked.appointment_id), asked.plan, None))
            except (RuleViolated, AlreadyExists, NotFound) as refusal:
                outcomes.append(refusal)
        return outcomes

    async def _settle_stop(self, key: Key) -> None:
        self.settled.add(key)
        self.stops.pop(key, None)

    async def _settle_move(self, move: Key) -> Reservation | None:
        return self.moves.setdefault(move, None)

    async def _reservation(self, key: Key) -> Reservation:
        if key not in self.stops:
            raise _missing("reservation", "appointment_id")
        return self.stops[key]

    async def _reservations(self, tenant: str) -> list[Reservation]:
        return [stop for (owner, _), stop in sorted(self.stops.items()) if owner == tenant]

    def _refuse_settled(self, key: Key) -> None:
        if key in self.settled:
            raise _settled()

    def _refuse_taken(
        self, tenant: str, plan: StopPlan, hold_id: str | None, besides: Key | None = None
    ) -> None:
        if self._taken(tenant, plan.agent_id, plan.window, hold_id, besides):
            raise AlreadyExists(
                Reason.SLOT_TAKEN, "somebody has that time", metadata={"agent_id": plan.agent_id}
            )

    def _taken(
        self,
        tenant: str,
        agent_id: str,
        window: Window,
        hold_id: str | None = None,
        besides: Key | None = None,
    ) -> bool:
        stops = [stop.plan for key, stop in self.stops.items() if key[0] == tenant and key != besides]
        holds = [hold.plan for key, hold in self.holds.items() if key[0] == tenant and key[1] != hold_id]
        return any(plan.agent_id == agent_id and plan.window.overlaps(window) for plan in (*stops, *holds))


async def _outcome(work: Awaitable[Any]) -> Any:
    try:
        return await work
    except GiroError as error:
        return error


def _no_answer() -> Unavailable:
    return Unavailable(Reason.SERVICE_UNAVAILABLE, "geo did not answer", metadata={"service": "geo"})


def _settled() -> RuleViolated:
    return RuleViolated(Reason.SETTLED, "this id was settled before")


def _as_kept(plan: StopPlan) -> StopPlan:
    """Postcodes as geo keeps them: upper case, without spaces."""
    return replace(plan, postcode="".join(plan.postcode.split()).upper())


def _missing(resource: str, where: str) -> NotFound:
    return NotFound(Reason.NOT_FOUND, f"no such {resource}", metadata={"resource": resource}, field=where)
