"""An appointment, rebuilt from the events that told its changes (BK-47).

Each event may change what its kind changes and nothing else; from what it says of the card only that is taken
over, and then the whole must be what it says. So an event that is doubled, out of order or untrue is found
out, and one that is missing is counted: a replica of before the record keeps none of what it changes.
"""

from collections.abc import Collection, Mapping, Sequence
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
    Happened.POSTPONED: frozenset({"state", "window", "arrival", "promise"}),
    Happened.REASSIGNED: frozenset({"window", "agent_id", "arrival", "promise"}),
    Happened.REFIXED: frozenset(
        {"state", "window", "agent_id", "operator_id", "outcome_state_id", "refix_at", "arrival", "promise"}
        | {"point", "postcode"}
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


_EVER: Final = frozenset().union(*MAY_CHANGE.values()) | _ALWAYS
"""What changes that no event tells may have changed."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A card after its last event, and its last change of colour, if one was kept.

    `partly`: the record begins later than the card. `gaps` is how many changes no event tells.
    """

    card: Appointment
    paint: Paint | None
    partly: bool
    gaps: int

    def held_against(self, row: Appointment) -> "Rebuilt":
        """With what the events cannot know: what changed after the last one, and a colour of before the
        record."""
        missing = max(row.version - self.card.version, 0)
        card = _coloured(_taken_over(self.card, row, _EVER) if missing else self.card, self.paint)
        if self.paint is None and (self.partly or self.gaps + missing):
            card = replace(card, colour=row.colour)
        return replace(self, card=card, gaps=self.gaps + missing)


def replay(events: Sequence[Kept]) -> Rebuilt:
    """The card after its last event. Raises Broken.

    A card that is older than the record of events begins with what its first event says.
    """
    if not events:
        raise Broken("there is no event")
    first, *later = events
    card, paint, gaps = _first(first), first.paint, 0
    for event in later:
        gaps += max(event.after.version - _follows(card, event), 0)
        card, paint = _next(card, event), event.paint or paint
    partly = first.happened is not Happened.BOOKED
    return Rebuilt(_coloured(card, paint), paint, partly, gaps)


def _coloured(card: Appointment, paint: Paint | None) -> Appointment:
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
    version, expected = event.after.version, _follows(card, event)
    if version < expected:
        raise Broken(f"version {version} follows {card.version}")
    changing = MAY_CHANGE[event.happened] | (frozenset() if event.paint else _ALWAYS)
    after = _taken_over(card, event.after, changing if version == expected else _EVER)
    untrue = differences(after, event.after)
    if untrue:
        raise Broken(f"{event.happened} of version {version} changes {', '.join(untrue)}")
    return after


def _follows(card: Appointment, event: Kept) -> int:
    """The version after the next event; a change of colour makes none."""
    return card.version + (0 if event.paint else 1)


def _taken_over(card: Appointment, other: Appointment, names: Collection[str]) -> Appointment:
    return replace(card, **{name: getattr(other, name) for name in names})


def differences(one: Appointment, other: Appointment) -> list[str]:
    """The fields that events tell and in which two cards differ."""
    told = [each.name for each in fields(Appointment) if each.name not in _NOT_TOLD]
    return [name for name in told if getattr(one, name) != getattr(other, name)]
