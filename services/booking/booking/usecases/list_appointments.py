"""The folder: appointments, upcoming or all, by campaign, agent or zone (R-001, R-003, R-004)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from booking.domain.appointment import Appointment, State
from booking.domain.pages import DEFAULT_SIZE, Position
from booking.storage import folder
from booking.storage.folder import Filter
from booking.usecases import views
from booking.usecases.desk import Desk
from booking.usecases.reach import reach
from kit.rpc.context import caller


@dataclass(frozen=True, slots=True)
class ListAppointments:
    """`upcoming`: those not ended and not cancelled; of them `states`. What is empty: all within reach."""

    upcoming: bool
    campaign_id: str
    agent_id: str
    zone: str
    page_size: int
    page_token: str
    states: Sequence[State] = ()


@dataclass(frozen=True, slots=True)
class AppointmentPage:
    """Appointments by start, then id; the token is empty on the last page."""

    appointments: Sequence[Appointment]
    next_page_token: str


async def list_appointments(desk: Desk, query: ListAppointments) -> AppointmentPage:
    """One page; what a customer or an agent is shown is kept (R-017).

    Raises InvalidInput naming `page_token`, NotAllowed (OUT_OF_SCOPE).
    """
    who = caller()
    narrowed = query.campaign_id, query.agent_id, query.zone
    shape = ("appointments", str(query.upcoming), *narrowed, *sorted(query.states))
    position = desk.page_tokens.read(who.tenant, shape, query.page_token)
    mine = reach()
    mine.require_sight(query.campaign_id, query.agent_id)
    size = query.page_size or DEFAULT_SIZE
    async with desk.db.uow(who.tenant) as tx:
        present = await tx.now() if query.upcoming else None
        wanted = Filter(mine, present, *narrowed, query.states)
        found = await folder.page(tx, wanted, after_of(position), size + 1)
        await views.record_for_clients(tx, found[:size])
    return page_of(desk, shape, found, size)


def page_of(desk: Desk, shape: Sequence[str], found: Sequence[Appointment], size: int) -> AppointmentPage:
    """A page of what was found, one row more than it holds, with the token of the next."""
    return AppointmentPage(*desk.page_tokens.cut(caller().tenant, shape, found, size, _position))


def _position(appointment: Appointment) -> Position:
    return int(appointment.window.start.timestamp()), appointment.appointment_id


def after_of(position: Position | None) -> tuple[datetime, str]:
    """Where a list by start and id goes on."""
    if position is None:
        return folder.START_OF_TIME, ""
    start, appointment_id = position
    return datetime.fromtimestamp(int(start), UTC), str(appointment_id)
