"""An appointment, rebuilt from the events that told its changes (BK-47).

Each event may change what its kind changes and nothing else; from what it says of the card only that is taken
over, and then the whole must be what it says. So an event that is missing, doubled, out of order or untrue
is found out.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from booking.domain.appointment import Appointment, Colour


class Happened(StrEnum):
    """What an event of an appointment tells; equal to the names of the events."""

    BOOKED = "appointment_booked"
    CONFIRMED = "appointment_confirmed"
    POSTPONED = "appointment_postponed"
    REASSIGNED = "appointment_reassigned"
    REFIXED = "appointment_refixed"
    OUTCOME_SET = "appointment_outcome_set"
    CANCELLED = "appointment_cancelled"
    SUPERSEDED = "appointment_superseded"
    COLOUR_CHANGED = "appointment_colour_changed"


@dataclass(frozen=True, slots=True)
class Paint:
    """What reminders brought, and the start that was reminded of."""

    colour: Colour | None
    start: datetime


@dataclass(frozen=True, slots=True)
class Kept:
    """One stored event: the card as it says it was after it; `paint` is a change of colour's."""

    happened: Happened
    after: Appointment
    paint: Paint | None = None


class Broken(Exception):
    """The events do not tell the life of an appointment; the message says why."""


MAY_CHANGE: Final[Mapping[Happened, frozenset[str]]] = {
    Happened.CONFIRMED: frozenset({"state"}),
    Happened.POSTPONED: frozenset({"state", "window", "arrival"}),
    Happened.REASSIGNED: frozenset({"window", "agent_id", "arrival"}),
    Happened.REFIXED: frozenset(
        {"state", "window", "agent_id", "operator_id", "outcome_state_id", "refix_at", "arrival"}
    ),
    Happened.OUTCOME_SET: frozenset({"state", "outcome_state_id", "characteristics", "refix_at"}),
    Happened.CANCELLED: frozenset({"state", "cancel_note"}),
    Happened.SUPERSEDED: frozenset({"state", "superseded_by", "linked", "outcome_state_id", "refix_at"}),
    Happened.COLOUR_CHANGED: frozenset(),
}
"""The fields that each kind may change, besides version and instant."""

_ALWAYS: Final = frozenset({"version", "updated_at"})
_NOT_TOLD: Final = frozenset({"colour", "move_id"})
"""What no event says of the card: the colour has events of its own, a move under way is none yet."""


def replay(events: Iterable[Kept]) -> Appointment:
    """The card after its last event. Raises Broken.

    A card that is older than the record of events begins with what its first event says.
    """
    card: Appointment | None = None
    paint: Paint | None = None
    for event in events:
        card = _first(event) if card is None else _next(card, event)
        paint = event.paint or paint
    if card is None:
        raise Broken("there is no event")
    shows = paint is not None and paint.start == card.window.start
    return replace(card, colour=paint.colour if paint and shows else None, move_id=None)


def _first(event: Kept) -> Appointment:
    if event.happened is Happened.BOOKED and event.after.version != 1:
        raise Broken(f"version {event.after.version} was booked")
    if event.happened is not Happened.BOOKED and event.after.version == 1 and event.paint is None:
        raise Broken(f"the first version was not booked but {event.happened}")
    return event.after


def _next(card: Appointment, event: Kept) -> Appointment:
    if event.happened is Happened.BOOKED:
        raise Broken(f"booked again at version {event.after.version}")
    expected = card.version + (0 if event.paint else 1)
    if event.after.version != expected:
        raise Broken(f"version {event.after.version} follows {card.version}")
    changing = MAY_CHANGE[event.happened] | (frozenset() if event.paint else _ALWAYS)
    after = replace(card, **{name: getattr(event.after, name) for name in changing})
    untrue = differences(after, event.after)
    if untrue:
        raise Broken(f"{event.happened} of version {expected} changes {', '.join(untrue)}")
    return after


def differences(one: Appointment, other: Appointment) -> list[str]:
    """The fields that events tell and in which two cards differ."""
    told = [each.name for each in fields(Appointment) if each.name not in _NOT_TOLD]
    return [name for name in told if getattr(one, name) != getattr(other, name)]
