"""What an appointment's state hides from its agent, wherever its characteristics are told (R-076)."""

from dataclasses import replace

from booking.domain import outcomes as rules
from booking.domain.appointment import Appointment
from booking.domain.history import Entry, HistoryKind
from booking.domain.outcomes import OutcomeState
from booking.usecases.reach import reach_as
from kit.rpc.context import caller

_AGENT = "AGENT"


def as_seen(appointment: Appointment, state: OutcomeState | None) -> Appointment:
    """The appointment with the characteristics that the caller may see; `state` is its present one."""
    if _sees_all(appointment):
        return appointment
    return replace(appointment, characteristics=rules.shown(state, appointment.characteristics))


def entry_as_seen(entry: Entry, appointment: Appointment, state: OutcomeState | None) -> Entry:
    """An entry of its history, by what the present state shows."""
    if entry.kind is not HistoryKind.OUTCOME or _sees_all(appointment):
        return entry
    return replace(entry, facts=rules.facts_shown(state, entry.facts))


def _sees_all(appointment: Appointment) -> bool:
    others = {grant.role for grant in caller().grants} - {_AGENT}
    return reach_as(*others).covers(appointment.campaign_id)
