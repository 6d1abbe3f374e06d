"""A repair: changes of several appointments that are made together or not at all (GEO-31)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from booking.domain import errors
from booking.domain.appointment import Appointment, Change, Move, cancel, moved
from kit.values.ids import is_id
from kit.values.window import Window

GIVING_UP: Final = "gup"
"""Prefix of the ids under which appointments are given up."""


@dataclass(frozen=True, slots=True)
class GivenUp:
    """An appointment that is cancelled by a repair; `move_id` is in its row while the repair is pending."""

    move_id: str
    appointment_id: str


Step = Move | GivenUp


@dataclass(frozen=True, slots=True)
class Repair:
    """What is changed together. `note` is kept with what is cancelled."""

    repair_id: str
    note: str
    steps: tuple[Step, ...]

    @property
    def moves(self) -> tuple[Move, ...]:
        """The steps that move something, in order."""
        return tuple(step for step in self.steps if isinstance(step, Move))

    @property
    def given_up(self) -> tuple[str, ...]:
        """The appointments that are cancelled, in order."""
        return tuple(step.appointment_id for step in self.steps if isinstance(step, GivenUp))

    @property
    def appointment_ids(self) -> tuple[str, ...]:
        """All appointments, in the order in which their rows are locked."""
        return tuple(sorted(step.appointment_id for step in self.steps))


def is_being_given_up(appointment: Appointment) -> bool:
    """Whether a pending repair cancels it, so that its stop may be gone already."""
    return appointment.move_id is not None and is_id(appointment.move_id, GIVING_UP)


def require_distinct(moved_ids: Sequence[str], cancelled_ids: Sequence[str]) -> None:
    """Raises InvalidInput for a repair of nothing, and for an appointment that is named twice."""
    if not moved_ids and not cancelled_ids:
        raise errors.invalid("moves", "moves or cancellations must be given")
    seen: set[str] = set()
    for field, ids in (("moves", moved_ids), ("cancellations", cancelled_ids)):
        for index, appointment_id in enumerate(ids):
            if appointment_id in seen:
                raise errors.invalid(f"{field}[{index}].appointment_id", "is named for the second time")
            seen.add(appointment_id)


def require_planned(appointment: Appointment, move: Move, now: datetime, field: str) -> None:
    """A plan moves what is flexible, has not begun, and stays with its agent within what was promised.

    Raises OUTSIDE_WINDOWS naming the field for what is not, whoever made the plan (GEO-27).
    """
    promise = appointment.promise
    if promise is None:
        raise errors.outside_promise("the appointment is fixed", field)
    if not promise.keeps(move.window):
        raise errors.outside_promise(f"the contact was promised another {promise.kind.lower()}", field)
    if move.agent_id != appointment.agent_id:
        raise errors.outside_promise("a plan keeps the agent", field)
    if appointment.window.start <= now:
        raise errors.outside_promise("the visit has begun", field)


def decided(
    repair: Repair,
    appointments: Mapping[str, Appointment],
    promised: Mapping[str, Window | None],
    now: datetime,
) -> list[Change]:
    """What follows once the ledger has made the repair, in its order; `promised` are the arrival windows that
    count from now on, by appointment."""
    found = []
    for step in repair.steps:
        before = appointments[step.appointment_id]
        if isinstance(step, Move):
            found.append(moved(before, step, now, promised[step.appointment_id]))
        else:
            found.append(_given_up(before, repair.note, now))
    return found


def _given_up(before: Appointment, note: str, now: datetime) -> Change:
    change = cancel(replace(before, move_id=None), 0, note, now)
    if change is None:
        raise RuntimeError(f"{before.appointment_id} was cancelled while a repair was pending")
    return replace(change, before=before)
