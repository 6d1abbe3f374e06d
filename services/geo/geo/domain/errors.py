"""The refusals of the ledger, each made in one place."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Final

from geo.domain.chain import Refusal
from geo.domain.modes import TravelMode
from geo.domain.owner import Ending, Owner
from kit.errors import AlreadyExists, Conflict, GiroError, InvalidInput, NotFound, Reason, RuleViolated

MOST_NAMED: Final = 20
"""Owners that one refusal names: clients drop a status of more than 8 KiB, and the refusal with it."""

_SAID = {
    Reason.SLOT_TAKEN: "somebody else has that time",
    Reason.ON_BREAK: "the agent has a break then",
    Reason.ABSENT: "the agent is absent then",
    Reason.TRAVEL_IN: "the agent cannot get there in time from the stop before",
    Reason.TRAVEL_OUT: "the agent cannot get to the stop after in time",
    Reason.OUTSIDE_SHIFT: "the time is outside the agent's shifts",
    Reason.UNREACHABLE: "no road leads there",
}


class StartAgain(Exception):
    """Somebody else changed what this attempt had read: nothing is written, and it is tried again."""


class StaleLegs(StartAgain):
    """The tenant's travel matrix was replaced since the legs were measured: they are measured again."""


def refused(agent_id: str, refusals: Iterable[Refusal]) -> GiroError:
    """The error of the first refusal; SLOT_TAKEN is ALREADY_EXISTS, the others FAILED_PRECONDITION."""
    first = next(iter(refusals))
    kind = AlreadyExists if first.reason is Reason.SLOT_TAKEN else RuleViolated
    metadata: dict[str, object] = {"agent_id": agent_id}
    if first.short_seconds is not None:
        metadata["short_seconds"] = first.short_seconds
    return kind(first.reason, _SAID[first.reason], metadata=metadata)


def outside_shift(agent_id: str) -> GiroError:
    """The window lies in no shift."""
    return RuleViolated(Reason.OUTSIDE_SHIFT, _SAID[Reason.OUTSIDE_SHIFT], metadata={"agent_id": agent_id})


def no_skill(skill: str, agent_id: str) -> GiroError:
    """The agent lacks a skill."""
    metadata = {"skill": skill, "agent_id": agent_id}
    return RuleViolated(Reason.NO_SKILL, f"the agent lacks the skill {skill}", metadata=metadata)


def outside_zone(agent_id: str) -> GiroError:
    """The place lies in none of the agent's zones."""
    metadata = {"agent_id": agent_id}
    return RuleViolated(Reason.OUTSIDE_ZONE, "the place is outside the agent's zones", metadata=metadata)


def outside_promise(agent_id: str) -> GiroError:
    """The start lies outside the window in which the customer was promised it."""
    message = "the start is outside the arrival window that was promised"
    return RuleViolated(Reason.OUTSIDE_WINDOWS, message, metadata={"agent_id": agent_id})


def day_full(agent_id: str, day: date, limit: int) -> GiroError:
    """The agent's day has as many visits as it may have."""
    metadata = {"agent_id": agent_id, "day": day.isoformat(), "limit": limit}
    return RuleViolated(Reason.QUOTA, f"the agent takes no further visit on {day}", metadata=metadata)


def not_found(resource: str, resource_id: str, field: str) -> GiroError:
    """Nothing of this id in the tenant."""
    message = f"there is no {resource} {resource_id}"
    return NotFound(Reason.NOT_FOUND, message, metadata={"resource": resource}, field=field)


def reused(field: str) -> GiroError:
    """The id was used before, for something else."""
    return InvalidInput(
        Reason.REQUEST_ID_REUSED, f"this {field} was used before, with another plan", field=field
    )


def settled(field: str) -> GiroError:
    """The id was settled and is refused for ever."""
    return RuleViolated(Reason.SETTLED, f"this {field} was settled before", field=field)


def ended_hold(hold: Owner, field: str) -> GiroError:
    """The hold is over: expired, released or booked."""
    return hold_expired() if hold.ending is Ending.EXPIRED else settled(field)


def hold_expired() -> GiroError:
    """The hold's time is up."""
    return RuleViolated(Reason.HOLD_EXPIRED, "the hold has expired")


def calendar_in_use(owner_ids: Iterable[str]) -> GiroError:
    """Stops are there already; the metadata names their owners, as many as an answer can carry."""
    ids = ",".join(list(dict.fromkeys(owner_ids))[:MOST_NAMED])
    return RuleViolated(Reason.CALENDAR_IN_USE, f"stops are there already: {ids}", metadata={"stop_ids": ids})


def slot_token_stale(agent_id: str, cause: str, short_seconds: object = None) -> GiroError:
    """What the suggested slot rests on has changed; `cause` tells what, or why it fits no more."""
    message = "the agenda around this start has changed since it was suggested; ask for slots again"
    metadata: dict[str, object] = {"agent_id": agent_id, "cause": cause}
    if short_seconds is not None:
        metadata["short_seconds"] = short_seconds
    return RuleViolated(Reason.SLOT_TOKEN_STALE, message, metadata=metadata)


def slot_token_expired(expires_at: datetime) -> GiroError:
    """The suggestion is too old to act on."""
    shown = expires_at.isoformat()
    message = f"the slot was suggested until {shown}; ask for slots again"
    return RuleViolated(Reason.SLOT_TOKEN_EXPIRED, message, metadata={"expired_at": shown})


def zone_in_use(agent_ids: Iterable[str]) -> GiroError:
    """Agents work in the zone; the metadata names as many as an answer can carry."""
    ids = ",".join(agent_ids)
    return RuleViolated(Reason.ZONE_IN_USE, f"agents work there: {ids}", metadata={"agent_ids": ids})


def no_roads(mode: TravelMode) -> GiroError:
    """Nobody could tell the drives of this mode."""
    message = f"this deployment has no roads for {mode}"
    return RuleViolated(
        Reason.NO_ROADS_FOR_MODE, message, metadata={"travel_mode": mode.value}, field="travel_mode"
    )


def travel_mode_in_use(change: tuple[str, TravelMode], owner_ids: Iterable[str], short: int) -> RuleViolated:
    """What is promised could not be kept by this mode; `owner_ids` are those of the stops around."""
    agent_id, mode = change
    ids = ",".join(list(dict.fromkeys(owner_ids))[:MOST_NAMED])
    metadata = {"agent_id": agent_id, "travel_mode": mode.value, "stop_ids": ids, "short_seconds": short}
    message = f"by {mode} these could not all be reached in time: {ids}"
    return RuleViolated(Reason.TRAVEL_MODE_IN_USE, message, metadata=metadata)


def contention() -> GiroError:
    """The call gave way to others too often."""
    return Conflict(Reason.CONTENTION, "others keep changing the same agenda; try again")
