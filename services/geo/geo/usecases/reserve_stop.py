"""Making an appointment's stop, from a hold or afresh."""

from dataclasses import dataclass, replace
from typing import Any

from geo.domain import errors
from geo.domain.certificate import Certified
from geo.domain.chain import around, drive_to
from geo.domain.errors import StartAgain
from geo.domain.owner import Ending, Owner, OwnerKind
from geo.domain.plan import Plan, Reserved
from geo.domain.stop import StopKind
from geo.storage import owners, stops
from geo.storage.documents import plan_document, reserved_document, reserved_of
from geo.storage.rewrite import Booked, Changes
from geo.usecases import visits
from geo.usecases.admission import admitted
from geo.usecases.ledger import Desk, Draft, Ledger, write
from kit.errors import InvalidInput, Reason


@dataclass(frozen=True, slots=True)
class ReserveStop:
    """Take this plan's time for an appointment; with `hold_id` it has to be the hold's own plan.

    `certified`: only if the slot is still what it was when it was suggested.
    """

    appointment_id: str
    plan: Plan
    hold_id: str = ""

    certified: Certified | None = None

    @property
    def document(self) -> dict[str, Any]:
        """What has to be equal when the same id is asked for again."""
        return {"plan": plan_document(self.plan), "hold_id": self.hold_id}


async def reserve_stop(ledger: Ledger, tenant: str, command: ReserveStop) -> Reserved:
    """The appointment's stop, or the first answer when the id was used before.

    Raises what refuses a visit (see `hold_stop`), HOLD_EXPIRED by the database's clock after the lock,
    SETTLED for an id that was settled or a hold that is over, REQUEST_ID_REUSED for another plan.
    """

    async def decide(desk: Desk) -> Draft[Reserved]:
        known = await owners.find(desk.tx, command.appointment_id, command.hold_id)
        earlier = known.get(command.appointment_id)
        if earlier is not None:
            return Draft(repeated(earlier, command))
        if command.hold_id:
            return await _from_hold(desk, command, known.get(command.hold_id))
        return await _afresh(desk, command)

    return await write(ledger, tenant, "reserve_stop", [command.plan.agent_id], decide)


def repeated(earlier: Owner, command: ReserveStop) -> Reserved:
    """The first answer. Raises SETTLED, and REQUEST_ID_REUSED for another plan."""
    if earlier.ending is not None:
        raise errors.settled("appointment_id")
    if earlier.kind is not OwnerKind.APPOINTMENT or earlier.request != command.document:
        raise errors.reused("appointment_id")
    return reserved_of(earlier.answer)


async def _afresh(desk: Desk, command: ReserveStop) -> Draft[Reserved]:
    plan = command.plan
    agent = desk.agent(plan.agent_id, "plan.agent_id")
    shift = await admitted(desk, agent, plan)
    stop = visits.visit_stop(StopKind.APPOINTMENT, command.appointment_id, plan, agent)
    found = await visits.put_in_as_certified(desk, stop, shift, plan.agent_id, command.certified)
    reserved = Reserved(command.appointment_id, plan, *around(found.chain, stop.stop_id))
    changes = visits.changes(desk, {plan.agent_id: found})
    return Draft(reserved, replace(changes, taken=(owner_of(command, reserved),)))


async def _from_hold(desk: Desk, command: ReserveStop, hold: Owner | None) -> Draft[Reserved]:
    if hold is None or hold.kind is not OwnerKind.HOLD:
        raise errors.not_found("hold", command.hold_id, "hold_id")
    if hold.ending is not None:
        raise errors.ended_hold(hold, "hold_id")
    if hold.plan != command.plan:
        raise InvalidInput(Reason.INVALID_FIELD, "is not the plan of the hold", field="plan")
    desk.agent(command.plan.agent_id, "plan.agent_id")
    taken = await stops.of_owner(desk.tx, command.hold_id)
    if taken is None:
        raise StartAgain
    stop = taken.linked.stop
    if stop.expires_at is not None and stop.expires_at <= desk.now:
        raise errors.hold_expired()
    reserved = Reserved(command.appointment_id, command.plan, drive_to(taken.linked), drive_to(taken.after))
    booked = Booked(taken.agent_id, stop.stop_id, command.hold_id, command.appointment_id)
    return Draft(reserved, _booked(booked, owner_of(command, reserved)))


def _booked(booked: Booked, owner: Owner) -> Changes:
    return Changes(
        booked=booked,
        taken=(owner,),
        ended={booked.hold_id: Ending.BOOKED},
        tell=(visits.hold_ended(booked.hold_id, booked.agent_id, Ending.BOOKED),),
    )


def owner_of(command: ReserveStop, reserved: Reserved) -> Owner:
    """The row that remembers what was asked and answered."""
    return Owner(
        command.appointment_id,
        OwnerKind.APPOINTMENT,
        command.plan.agent_id,
        plan=command.plan,
        request=command.document,
        answer=reserved_document(reserved),
    )
