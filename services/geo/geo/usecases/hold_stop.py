"""Keeping a slot for an operator on the phone, until it expires."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from geo import events
from geo.domain import errors
from geo.domain.certificate import Certified
from geo.domain.chain import around
from geo.domain.owner import Owner, OwnerKind
from geo.domain.plan import Held, Plan
from geo.domain.stop import StopKind
from geo.storage import owners
from geo.storage.documents import held_document, held_of, plan_document
from geo.usecases import visits
from geo.usecases.admission import admitted
from geo.usecases.ledger import Desk, Draft, Ledger, whole_second_after, write


@dataclass(frozen=True, slots=True)
class HoldStop:
    """Keep this plan's time for `ttl`, under the owner's id; `context` comes back with the hold.

    `certified`: only if the slot is still what it was when it was suggested.
    """

    hold_id: str
    plan: Plan
    ttl: timedelta
    context: str = ""

    certified: Certified | None = None

    @property
    def document(self) -> dict[str, Any]:
        """What has to be equal when the same id is asked for again."""
        seconds = int(self.ttl.total_seconds())
        return {"plan": plan_document(self.plan), "ttl": seconds, "context": self.context}


async def hold_stop(ledger: Ledger, tenant: str, command: HoldStop) -> Held:
    """The hold, or the first answer when the id was used before.

    Raises what refuses a visit (NO_SKILL, OUTSIDE_ZONE, OUTSIDE_SHIFT, QUOTA, SLOT_TAKEN, ON_BREAK, ABSENT,
    TRAVEL_IN, TRAVEL_OUT, UNREACHABLE), SLOT_TOKEN_STALE or SLOT_TOKEN_EXPIRED for a certified one,
    HOLD_EXPIRED or SETTLED for one that is over, REQUEST_ID_REUSED for another plan.
    """

    async def decide(desk: Desk) -> Draft[Held]:
        earlier = (await owners.find(desk.tx, command.hold_id)).get(command.hold_id)
        if earlier is not None:
            return Draft(_repeated(earlier, command, desk.now))
        return await _take(desk, command)

    return await write(ledger, tenant, "hold_stop", [command.plan.agent_id], decide)


def _repeated(earlier: Owner, command: HoldStop, now: datetime) -> Held:
    if earlier.kind is not OwnerKind.HOLD or earlier.request != command.document:
        raise errors.reused("hold_id")
    if earlier.ending is not None:
        raise errors.ended_hold(earlier, "hold_id")
    held = held_of(earlier.answer)
    if held.expires_at <= now:
        raise errors.hold_expired()
    return held


async def _take(desk: Desk, command: HoldStop) -> Draft[Held]:
    plan = command.plan
    agent = desk.agent(plan.agent_id, "plan.agent_id")
    shift = await admitted(desk, agent, plan)
    expires_at = whole_second_after(desk.now) + command.ttl
    stop = replace(visits.visit_stop(StopKind.HOLD, command.hold_id, plan, agent), expires_at=expires_at)
    found = await visits.put_in_as_certified(desk, stop, shift, plan.agent_id, command.certified)
    held = Held(command.hold_id, plan, expires_at, command.context, *around(found.chain, stop.stop_id))
    changes = visits.changes(desk, {plan.agent_id: found})
    owner = Owner(
        command.hold_id,
        OwnerKind.HOLD,
        plan.agent_id,
        plan=plan,
        request=command.document,
        answer=held_document(held),
    )
    return Draft(
        held,
        replace(
            changes,
            taken=(owner,),
            contexts={stop.stop_id: command.context},
            tell=(*changes.tell, partial(events.hold_placed, held=held)),
        ),
    )
