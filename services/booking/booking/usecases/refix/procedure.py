"""What the runs of all kinds of procedures have in common."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from booking.domain import errors
from booking.domain.appointment import Appointment
from booking.domain.decision import Decision, SlotSource
from booking.domain.grounds import Grounds
from booking.domain.policies import require_refixable
from booking.domain.refix_modes import Policy, Procedure
from booking.domain.refix_writes import Refix
from booking.storage.refix_requests import RefixRequest
from booking.usecases import move_stop, record
from booking.usecases.desk import Desk
from booking.usecases.refix.exceptions import Failure, raise_exception
from booking.usecases.refix.taking import Asked, Taken
from kit import telemetry
from kit.bounded import at_most
from kit.errors import GiroError, Unavailable

_log = telemetry.logger(__name__)

_AT_ONCE: Final = 4
"""Searches for alternatives at the same time."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a procedure of a tenant."""

    desk: Desk
    tenant: str
    procedure: Procedure


def planned(grounds: Grounds, appointment: Appointment, request: RefixRequest) -> move_stop.Planned:
    """The stop at the agent's date. Raises AGENT_NOT_IN_CAMPAIGN, ABSENT, LEAD_TIME once the date is past, or
    too near where postponements keep a lead time (R-011)."""
    agent_id = appointment.agent_id
    if not grounds.agent_works:
        raise errors.agent_not_in_campaign(agent_id)
    require_refixable(grounds.now, request.refix_at, grounds.parameters.lead_time_of_postponement)
    return move_stop.new_plan(grounds, appointment, agent_id, request.refix_at, anew=True)


def why(run: Run, policy: Policy, outcome_state_id: str, grounds: Grounds) -> Decision:
    """What the procedure decides upon: itself, the outcome, the mode, and the parameters."""
    row = record.rule("procedure", run.procedure.procedure_id, run.procedure)
    return record.by_policy(
        record.procedure(run.procedure.procedure_id),
        policy.parameters,
        move_stop.ASKED,
        grounds.campaign,
        rules=(*record.refix_rules(policy, outcome_state_id), row),
        slot_source=SlotSource.AGENTS_DATE,
    )


def writes(run: Run, policy: Policy, item: Asked, *, on_new: bool = False) -> Refix:
    """What the change writes: the procedure's state goes on the card, or on the old one of a new card."""
    appointment, request = item
    mode = policy.mode_of(policy.states.get(appointment.outcome_state_id))
    return Refix(
        actor_id=f"procedure:{run.procedure.procedure_id}",
        owner_id=appointment.operator_id,
        mode_id=mode.mode_id if mode else "",
        state_id="" if on_new else run.procedure.state_id,
        old_state_id=run.procedure.state_id if on_new else "",
        refix_id=request.refix_id,
    )


@dataclass(frozen=True, slots=True)
class Refused:
    """A request that cannot be done; it waits to be told."""

    appointment: Appointment
    request: RefixRequest
    refusal: GiroError


def overtaken(taken: Taken) -> list[Refused]:
    """Requests of which it is not known whether the date counts: people decide (STALE_VERSION)."""
    return [Refused(*asked, errors.date_overtaken()) for asked in taken.overtaken]


async def tell(run: Run, refused: Sequence[Refused]) -> list[str]:
    """Raises an exception item for each, some at the same time; the outcomes. What fails waits."""

    async def one(each: Refused) -> str:
        return await _tell(run, each)

    return await at_most(_AT_ONCE, one, refused)


async def _tell(run: Run, refused: Refused) -> str:
    failure = Failure(run.procedure.procedure_id, refused.request, refused.refusal)
    try:
        await raise_exception(run.desk, run.tenant, refused.appointment, failure)
    except Exception as error:
        _log.warning("refix_waits", id=refused.request.refix_id, error=str(error))
        return "error"
    return "exception"


async def one_by_one_after_a_defect(
    together: Callable[[Sequence[RefixRequest]], Awaitable[Mapping[str, int]]],
    requests: Sequence[RefixRequest],
) -> Mapping[str, int]:
    """How many requests had which outcome when they were worked together; where that fails, one by one.

    Raises Unavailable when the database, or geo, does not answer.
    """
    try:
        return await together(requests)
    except Unavailable:
        raise
    except Exception as error:
        if len(requests) == 1:
            _log.warning("refix_waits", id=requests[0].refix_id, error=str(error))
            return {"error": 1}
    found: Counter[str] = Counter()
    for request in requests:
        found.update(await one_by_one_after_a_defect(together, [request]))
    return found
