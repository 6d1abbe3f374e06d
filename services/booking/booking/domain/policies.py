"""What a new appointment has to satisfy; the same function judges suggestions and bookings (BK-02)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from booking.domain import errors
from booking.domain.appointment import Appointment
from booking.domain.package import Package
from kit.errors import GiroError

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Terms:
    """What new appointments of one campaign are judged by."""

    package: Package
    lead_time: timedelta


def refusals(now: datetime, start: datetime, terms: Terms) -> tuple[GiroError, ...]:
    """Every reason against a new appointment at `start`, in the order in which a caller is told; empty: none.

    LEAD_TIME (R-009, R-010): refused when `now >= start - lead time`, elapsed hours on instants, so that a
    DST change between them alters nothing. PACKAGE_FULL (R-136).
    """
    found: list[GiroError] = []
    if now >= start - terms.lead_time:
        found.append(errors.lead_time(terms.lead_time, earliest_start(now, terms.lead_time), start))
    package = terms.package
    if package.full:
        found.append(errors.package_full(package.purchased, package.taken, package.waiting))
    return tuple(found)


def require_allowed(now: datetime, start: datetime, terms: Terms) -> None:
    """Raises the first of `refusals`."""
    for refusal in refusals(now, start, terms):
        raise refusal


def earliest_start(now: datetime, lead_time: timedelta) -> datetime:
    """The first whole second that the lead time does not refuse."""
    return (now + lead_time).replace(microsecond=0) + _SECOND


def require_postponable(
    now: datetime, appointment: Appointment, start: datetime, lead_time: timedelta | None
) -> None:
    """Raises NOT_LATER unless `start` is later than the present one (R-011).

    A postponement is exempt from the lead time; a tenant that sets `postpone_respects_lead_time` passes it
    here, and then LEAD_TIME may be raised. Into the past nothing is postponed: LEAD_TIME without any lead.
    """
    if start <= appointment.window.start:
        raise errors.not_later()
    _require_lead(now, start, lead_time or timedelta())


def require_refixable(now: datetime, start: datetime, lead_time: timedelta | None) -> None:
    """Raises LEAD_TIME for a start in the past, or too near where postponements keep a lead time (R-011)."""
    _require_lead(now, start, lead_time or timedelta())


def require_reassignable(
    now: datetime, appointment: Appointment, start: datetime, leads: tuple[timedelta, timedelta | None]
) -> None:
    """Raises LEAD_TIME when giving the appointment to another agent moves it too near (R-009, R-011, R-083).

    `leads` are the lead time of new appointments and that of postponements (None: exempt). The present start
    is always kept; a later one is judged as a postponement; an earlier one as a new appointment.
    """
    new, postponed = leads
    if start > appointment.window.start:
        _require_lead(now, start, postponed or timedelta())
    elif start < appointment.window.start:
        _require_lead(now, start, new)


def _require_lead(now: datetime, start: datetime, lead_time: timedelta) -> None:
    if now >= start - lead_time:
        raise errors.lead_time(lead_time, earliest_start(now, lead_time), start)
