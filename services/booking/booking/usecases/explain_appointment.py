"""Why an appointment is where it is: what applied to each change, what was offered, who chose (BK-47)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from booking.domain import offered
from booking.domain.appointment import Appointment
from booking.domain.campaign import Campaign
from booking.domain.decision import Decision, Shown
from booking.domain.itinerary import Leg
from booking.domain.replay import Happened
from booking.events.kept import read
from booking.storage import appointment_events, appointments, campaigns
from booking.storage.appointment_events import KeptEvent
from booking.usecases.desk import Desk
from booking.usecases.reach import reach
from kit.rpc.context import caller


@dataclass(frozen=True, slots=True)
class OfferedSlot:
    """A slot that was offered; `agent_id` is empty for one who is not in the campaign any more."""

    agent_id: str
    start: datetime
    added_travel: int
    grade: int


@dataclass(frozen=True, slots=True)
class OfferedPage:
    """The page of suggestions that a slot was chosen from; `chosen` counts from 1."""

    at: datetime
    count: int
    chosen: int
    slots: Sequence[OfferedSlot]


@dataclass(frozen=True, slots=True)
class Explained:
    """One change. `decision` is None where none was recorded."""

    event_id: str
    happened: Happened
    after: Appointment
    decision: Decision | None
    legs: tuple[Leg | None, Leg | None]
    page: OfferedPage | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """All recorded changes; `complete`: from the first version on."""

    appointment_id: str
    changes: Sequence[Explained]
    complete: bool


async def explain_appointment(desk: Desk, appointment_id: str) -> Explanation:
    """Raises NotFound naming `appointment_id`, NotAllowed (OUT_OF_SCOPE).

    The record alone is read: nothing is worked out anew, so that it says what was, not what would be.
    """
    async with desk.db.uow(caller().tenant) as tx:
        appointment = await appointments.get(tx, appointment_id)
        reach().require_campaign(appointment.campaign_id)
        kept = await appointment_events.of(tx, [appointment_id])
        campaign = await campaigns.get(tx, appointment.campaign_id)
    changes = [_explained(each, campaign) for each in kept if each.event != Happened.COLOUR_CHANGED]
    shown = [each if appointment.linked else _unlinked(each) for each in changes]
    return Explanation(appointment_id, shown, _complete(appointment, changes))


def _explained(kept: KeptEvent, campaign: Campaign) -> Explained:
    told = read(kept.event, kept.payload, kept.personal)
    shown = _shown(kept)
    page = None if shown is None else _page(shown, campaign)
    return Explained(kept.event_id, told.happened, told.after, kept.decision, kept.legs, page)


def _shown(kept: KeptEvent) -> Shown | None:
    """What the slot was chosen from: told by its token, or by the one that its hold was made with."""
    for decision in (kept.decision, kept.held):
        if decision is not None and decision.shown is not None:
            return decision.shown
    return None


def _page(shown: Shown, campaign: Campaign) -> OfferedPage | None:
    page = offered.read(bytes.fromhex(shown.page))
    if page is None:
        return None
    by_mark = {offered.agent_mark(agent_id): agent_id for agent_id in campaign.agent_ids}
    slots = [
        OfferedSlot(by_mark.get(slot.agent, ""), _instant(slot.start), slot.added_travel, slot.grade)
        for slot in page.slots
    ]
    return OfferedPage(_instant(shown.at), page.size, page.chosen, slots)


def _unlinked(change: Explained) -> Explained:
    return replace(change, after=replace(change.after, supersedes=None, superseded_by=None))


def _complete(appointment: Appointment, changes: Sequence[Explained]) -> bool:
    versions = [change.after.version for change in changes]
    return versions == list(range(1, appointment.version + 1))


def _instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
