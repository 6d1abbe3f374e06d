"""An appointment (card) and the changes it may go through (R-018).

PENDING -> TO_CONFIRM -> CONFIRMED       booked, confirmed; a postponed one is TO_CONFIRM again
   |            \\           /
 FAILED    HELD, CANCELLED, SUPERSEDED   all final, but that HELD may be annulled or corrected
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from booking.domain import errors
from booking.domain.itinerary import Leg, StopPlan
from booking.domain.package import NOTHING, Count
from booking.domain.promise import Promise
from booking.domain.refix_writes import Refix
from kit.values.latlng import LatLng
from kit.values.window import Window


class State(StrEnum):
    """Where an appointment is in its life; equal to giro.booking.v1.AppointmentState."""

    PENDING = "PENDING"
    TO_CONFIRM = "TO_CONFIRM"
    CONFIRMED = "CONFIRMED"
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"
    HELD = "HELD"
    SUPERSEDED = "SUPERSEDED"


LIVE = frozenset({State.TO_CONFIRM, State.CONFIRMED})
"""States in which an appointment is still to take place and may be changed."""

WITH_STOP = LIVE | {State.HELD}
"""States with a stop in the ledger: what took place has taken the agent's time."""

UNTOLD = frozenset({State.PENDING, State.FAILED})
"""States that no event has told: the booking is not decided, or never came to be."""

LISTED = frozenset(State) - UNTOLD
"""States of what lists and reports show."""


class Colour(StrEnum):
    """What the reminders of an appointment brought (R-123 to R-126); without any it has none (R-127)."""

    GREY = "GREY"
    GREEN = "GREEN"
    RED = "RED"
    ORANGE = "ORANGE"


class MoveKind(StrEnum):
    """Why a stop is swapped."""

    POSTPONE = "POSTPONE"
    REASSIGN = "REASSIGN"
    REFIX = "REFIX"


@dataclass(frozen=True, slots=True)
class Appointment:
    """A visit of an agent to a contact. `version` grows by one with every change.

    `move_id` names the move that is not decided yet, or the new card that is about to take this one's place;
    until then nothing else may change. `characteristics` are texts by id, `refix_at` is the date that the
    agent named with the present outcome (R-061). `linked` tells whether the link between this card and the
    one that it supersedes is shown (R-052).
    `zone` is the sub-folder that it is filed in (R-004), `postcode` the place's, as it was booked (empty:
    unknown). `arrival` is the window in which the arrival was promised, None for the exact start (BK-39);
    `promise` the day or week in which the visit was, for one that is flexible (GEO-27).
    """

    appointment_id: str
    campaign_id: str
    contact_id: str
    agent_id: str
    window: Window
    point: LatLng
    state: State
    version: int
    operator_id: str
    note: str
    created_at: datetime
    updated_at: datetime
    move_id: str | None = None
    cancel_note: str = ""
    colour: Colour | None = None
    outcome_state_id: str = ""
    characteristics: Mapping[str, str] = field(default_factory=dict)
    refix_at: datetime | None = None
    supersedes: str | None = None
    superseded_by: str | None = None
    linked: bool = False
    zone: str = ""
    postcode: str = ""
    arrival: Window | None = None
    promise: Promise | None = None

    def keeps_promise(self, start: datetime) -> bool:
        """Whether a visit at this start arrives when it was promised, both ends included (BK-39)."""
        return self.arrival is None or self.arrival.start <= start <= self.arrival.end


@dataclass(frozen=True, slots=True)
class NewCard:
    """Which visit a new card is for, and who makes it."""

    appointment_id: str
    campaign_id: str
    contact_id: str
    operator_id: str
    note: str


def pending(new: NewCard, stop: StopPlan, now: datetime, promise: Promise | None = None) -> Appointment:
    """A new card with the stop that it needs, as each begins; with a day or week promised no arrival within
    it is (GEO-27)."""
    return Appointment(
        appointment_id=new.appointment_id,
        campaign_id=new.campaign_id,
        contact_id=new.contact_id,
        agent_id=stop.agent_id,
        window=stop.window,
        point=stop.point,
        state=State.PENDING,
        version=1,
        operator_id=new.operator_id,
        note=new.note,
        created_at=now,
        updated_at=now,
        postcode=stop.postcode,
        arrival=None if promise else stop.arrival,
        promise=promise,
    )


@dataclass(frozen=True, slots=True)
class Card:
    """An appointment with its present legs, as a caller sees it."""

    appointment: Appointment
    leg_before: Leg | None = None
    leg_after: Leg | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """A postponement, reassignment or re-fix that geo has been or will be asked for."""

    move_id: str
    appointment_id: str
    kind: MoveKind
    agent_id: str
    window: Window
    refix: Refix | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """A decided change: the appointment after it, and what it adds to the campaign's counters."""

    before: Appointment
    after: Appointment
    count: Count = NOTHING


def confirm(appointment: Appointment, version: int, now: datetime) -> Change | None:
    """TO_CONFIRM -> CONFIRMED, at any moment (R-011); None when it is confirmed already."""
    _require_seen(appointment, version)
    if appointment.state is State.CONFIRMED and appointment.move_id is None:
        return None
    _require_changeable(appointment)
    return _changed(appointment, now, State.CONFIRMED, Count(to_confirm=-1))


def cancel(appointment: Appointment, version: int, note: str, now: datetime) -> Change | None:
    """-> CANCELLED; the unit counts against the package until the step ends (R-136). None when it is so."""
    _require_seen(appointment, version)
    if appointment.state is State.CANCELLED:
        return None
    _require_changeable(appointment)
    to_confirm = -1 if appointment.state is State.TO_CONFIRM else 0
    change = _changed(appointment, now, State.CANCELLED, Count(-1, to_confirm, 1))
    return replace(change, after=replace(change.after, cancel_note=note))


def annul(appointment: Appointment, note: str, now: datetime) -> Change | None:
    """-> CANCELLED by an accepted claim, also of a visit that was held; None when it is so already."""
    if appointment.state is State.CANCELLED:
        return None
    if appointment.state is not State.HELD:
        return cancel(appointment, 0, note, now)
    change = _changed(appointment, now, State.CANCELLED, Count(-1, 0, 1))
    return replace(change, after=replace(change.after, cancel_note=note))


def require_movable(appointment: Appointment, version: int) -> None:
    """Raises unless it may be moved now: STALE_VERSION, WRONG_STATE or CHANGE_IN_PROGRESS."""
    _require_seen(appointment, version)
    _require_changeable(appointment)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an agent says of a visit: characteristics are the written ones; `held` that it took place."""

    state_id: str
    held: bool
    characteristics: Mapping[str, str]
    refix_at: datetime | None = None


def with_outcome(appointment: Appointment, version: int, outcome: Outcome, now: datetime) -> Change:
    """The appointment after its agent's outcome, which alone makes it HELD (R-018).

    Characteristics that were not written keep their values; the agent's date is the present outcome's alone.
    """
    require_movable(appointment, version)
    return _said(appointment, State.HELD if outcome.held else appointment.state, outcome, now)


def corrected(appointment: Appointment, version: int, outcome: Outcome, was: State, now: datetime) -> Change:
    """A visit that is HELD after the outcome that is true; by one that says that it was not held, it is again
    what it `was` before. Raises SUPERSEDED, STALE_VERSION, WRONG_STATE unless it is HELD."""
    _require_seen(appointment, version)
    if appointment.state is not State.HELD:
        raise errors.wrong_state(appointment.state)
    return _said(appointment, State.HELD if outcome.held else was, outcome, now)


def _said(appointment: Appointment, state: State, outcome: Outcome, now: datetime) -> Change:
    waits = int(state is State.TO_CONFIRM) - int(appointment.state is State.TO_CONFIRM)
    changed = _changed(appointment, now, state, Count(to_confirm=waits))
    after = replace(
        changed.after,
        outcome_state_id=outcome.state_id,
        characteristics={**appointment.characteristics, **outcome.characteristics},
        refix_at=outcome.refix_at,
    )
    return replace(changed, after=after)


def moved(appointment: Appointment, move: Move, now: datetime, promised: Window | None = None) -> Change:
    """What follows once geo has swapped the stop.

    `promised` is the window that counts for the arrival from now on: the one of before, unless it was
    promised anew (BK-39).

    A visit that was postponed or fixed again has to be confirmed anew (R-018). A re-fix writes its state, or
    none, and its owner; the agent's date has served its purpose (R-042, R-050, R-062).

    Who was promised a day or a week has confirmed that: within it nothing has to be confirmed anew (GEO-27).
    """
    start, promise = move.window.start, appointment.promise
    within = move.kind is MoveKind.POSTPONE and promise is not None and promise.keeps(move.window)
    postponed = move.kind is not MoveKind.REASSIGN and appointment.state is State.CONFIRMED and not within
    state = State.TO_CONFIRM if postponed else appointment.state
    at_new_place = replace(
        appointment,
        agent_id=move.agent_id,
        window=move.window,
        move_id=None,
        # what reminders brought was about the start that they reminded of
        colour=appointment.colour if move.window.start == appointment.window.start else None,
        arrival=promised,
        promise=None if promise is None else promise.around(start),
    )
    if move.refix is not None:
        at_new_place = replace(
            at_new_place,
            outcome_state_id=move.refix.state_id,
            operator_id=move.refix.owner_id,
            refix_at=None,
        )
    change = _changed(at_new_place, now, state, Count(to_confirm=1 if postponed else 0))
    return replace(change, before=appointment)


def moved_to(appointment: Appointment, move: Move, now: datetime, stop: StopPlan) -> Change:
    """The same with the stop that geo has made: a re-fix is agreed anew in all, so the place is the stop's
    too; any other move keeps the one that was booked."""
    change = moved(appointment, move, now, stop.arrival)
    if move.refix is None:
        return change
    postcode = move.refix.spelled(stop.postcode)
    return replace(change, after=replace(change.after, point=stop.point, postcode=postcode))


def _changed(appointment: Appointment, now: datetime, state: State, count: Count) -> Change:
    after = replace(appointment, state=state, version=appointment.version + 1, updated_at=now)
    return Change(appointment, after, count)


def require_writable(appointment: Appointment) -> None:
    """R-059: a card that another took the place of is read-only. Raises SUPERSEDED."""
    if appointment.state is State.SUPERSEDED:
        raise errors.superseded(appointment.superseded_by if appointment.linked else None)


def _require_seen(appointment: Appointment, version: int) -> None:
    require_writable(appointment)
    if version and version != appointment.version:
        raise errors.stale_version(appointment.version)


def _require_changeable(appointment: Appointment) -> None:
    if appointment.state not in LIVE:
        raise errors.wrong_state(appointment.state)
    if appointment.move_id is not None:
        raise errors.change_in_progress()
