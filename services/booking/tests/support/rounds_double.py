"""Changes of several stops in the ledger double, and plans as a test puts them there."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from ledger_double import Key, LedgerDouble

from booking.domain.itinerary import Reservation
from booking.usecases.ports import NewStop, StopMove
from booking.usecases.repair_ports import FoundRepair, PlanQuery, RepairQuery
from kit.errors import AlreadyExists, FieldViolation, GiroError, InvalidInput, NotFound, Reason, RuleViolated

NOTHING = FoundRepair((), (), timedelta(0), timedelta(0), proved_best=True, travel_version="estimate-1")


@dataclass
class RoundsDouble:
    """Implements `usecases.repair_ports.Rounds` on a ledger double; faults as with `ledger.lose`."""

    ledger: LedgerDouble
    proposal: FoundRepair = NOTHING
    queries: list[RepairQuery] = field(default_factory=list)
    plans: list[PlanQuery] = field(default_factory=list)
    gone: set[str] = field(default_factory=set)
    """Appointments that are on no shift of the days asked about."""

    async def repair(self, tenant: str, query: RepairQuery) -> FoundRepair:
        """The proposal that the test has put there."""
        self.queries.append(query)

        async def told() -> FoundRepair:
            return self.proposal

        found: FoundRepair = await self.ledger._answered("repair", told)
        return found

    async def optimize(self, tenant: str, query: PlanQuery) -> FoundRepair:
        """As `repair`; NotFound, as geo says it, for a flexible appointment that is gone."""
        self.plans.append(query)
        for at, appointment in enumerate(query.flexible):
            if appointment in self.gone:
                field_name = f"flexible[{at}].appointment_id"
                raise NotFound(Reason.NOT_FOUND, "no such appointment", field=field_name)
        return self.proposal

    async def move_all(
        self, tenant: str, moves: Sequence[StopMove], given_up: Sequence[str]
    ) -> Sequence[Reservation]:
        """All of them, or nothing."""

        async def make() -> list[Reservation]:
            return self._move_all(tenant, moves, given_up)

        made: list[Reservation] = await self.ledger._answered("move_all", make)
        return made

    async def reserve_all(self, tenant: str, stops: Sequence[NewStop]) -> Sequence[Reservation]:
        """All of them, or nothing."""

        async def make() -> list[Reservation]:
            before = dict(self.ledger.stops)
            outcomes = await self.ledger._reserve_each(tenant, stops)
            for at, one in enumerate(outcomes):
                if isinstance(one, GiroError):
                    self.ledger.stops.clear()
                    self.ledger.stops.update(before)
                    fault = FieldViolation(f"stops[{at}].plan", one.message)
                    raise type(one)(one.reason, one.message, violations=[fault])
            return [one for one in outcomes if not isinstance(one, GiroError)]

        made: list[Reservation] = await self.ledger._answered("reserve_all", make)
        return made

    def _move_all(self, tenant: str, moves: Sequence[StopMove], given_up: Sequence[str]) -> list[Reservation]:
        earlier = [
            self.ledger.moves[tenant, m.move_id] for m in moves if (tenant, m.move_id) in self.ledger.moves
        ]
        if None in earlier:
            raise RuleViolated(Reason.SETTLED, "this move_id was settled before")
        if earlier:
            if len(earlier) < len(moves):
                raise InvalidInput(Reason.REQUEST_ID_REUSED, "others were made with it", field="move_id")
            return [one for one in earlier if one is not None]
        coming = {(tenant, m.appointment_id): m for m in moves}
        leaving = {*coming, *((tenant, one) for one in given_up)}
        self._refuse(tenant, coming, leaving)
        made = []
        for key, move in coming.items():
            stop = replace(self.ledger.stops[key], plan=move.plan)
            self.ledger.stops[key] = self.ledger.moves[tenant, move.move_id] = stop
            made.append(stop)
        for one in given_up:
            self.ledger.stops.pop((tenant, one), None)
            self.ledger.settled.add((tenant, one))
        return made

    def _refuse(self, tenant: str, coming: dict[Key, StopMove], leaving: set[Key]) -> None:
        taken = [
            stop.plan for key, stop in self.ledger.stops.items() if key[0] == tenant and key not in leaving
        ]
        taken += [hold.plan for key, hold in self.ledger.holds.items() if key[0] == tenant]
        for key, move in coming.items():
            if key not in self.ledger.stops:
                raise NotFound(Reason.NOT_FOUND, "no such reservation", field="appointment_id")
            if any(p.agent_id == move.plan.agent_id and p.window.overlaps(move.plan.window) for p in taken):
                raise AlreadyExists(Reason.SLOT_TAKEN, "somebody has that time")
            taken.append(move.plan)
