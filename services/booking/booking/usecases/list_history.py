"""What happened to an appointment, the oldest first (R-038, R-041)."""

from collections.abc import Sequence
from dataclasses import dataclass

from booking.domain.history import Entry
from booking.domain.pages import DEFAULT_SIZE
from booking.storage import appointments, history, outcomes
from booking.usecases.desk import Desk
from booking.usecases.reach import reach, reach_as
from booking.usecases.sight import entry_as_seen
from kit.rpc.context import caller

_AUDITORS = ("ADMINISTRATOR", "SRE")


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Entries, the oldest first; the token is empty on the last page."""

    entries: Sequence[Entry]
    next_page_token: str


async def list_history(desk: Desk, appointment_id: str, page_size: int, page_token: str) -> HistoryPage:
    """One page. A link that is not shown (R-052) is told to auditors alone, its note to all; to agents what
    the state shows.

    Raises NotFound, OUT_OF_SCOPE, InvalidInput naming `page_token`.
    """
    who = caller()
    shape = ("history", appointment_id)
    position = desk.page_tokens.read(who.tenant, shape, page_token)
    size = page_size or DEFAULT_SIZE
    async with desk.db.uow(who.tenant) as tx:
        appointment = await appointments.get(tx, appointment_id)
        reach().require_sight(appointment.campaign_id, appointment.agent_id)
        after = int(position[0]) if position else 0
        with_links = appointment.linked or reach_as(*_AUDITORS).covers(appointment.campaign_id)
        entries = await history.page(tx, appointment_id, after, size + 1, with_links=with_links)
        state = await outcomes.state_or_none(tx, appointment.outcome_state_id)
    found = [entry_as_seen(each, appointment, state) for each in entries]
    return HistoryPage(*desk.page_tokens.cut(who.tenant, shape, found, size, lambda last: (last.number,)))
