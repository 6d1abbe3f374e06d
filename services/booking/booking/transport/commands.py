"""Requests as commands and queries; each raises InvalidInput naming the field at fault."""

from booking.domain.contact import Contact, Correction
from booking.domain.promise import PromiseKind
from booking.transport import fields
from booking.usecases.book_appointment import BookAppointment, ChosenTime, HeldSlot, TokenSlot
from booking.usecases.create_campaign import CreateCampaign
from booking.usecases.detour_calendar import DetourCalendar
from booking.usecases.explain_slot import ExplainSlot
from booking.usecases.hold_slot import HoldSlot
from booking.usecases.import_contacts import ImportContacts
from booking.usecases.list_appointments import ListAppointments
from booking.usecases.postpone_appointment import PostponeAppointment
from booking.usecases.reassign_appointment import ReassignAppointment
from booking.usecases.suggest_slots import SuggestSlots
from giro.booking.v1 import booking_pb2 as pb
from giro.common.v1 import travel_pb2
from kit.values.window import Window


def create_campaign(request: pb.CreateCampaignRequest) -> CreateCampaign:
    """A campaign to make."""
    return CreateCampaign(
        display_name=request.display_name,
        purchased=request.purchased,
        agent_ids=tuple(request.agent_ids),
        skills=tuple(request.skills),
        time_zone=request.time_zone,
        buffer=fields.span(request.buffer, "buffer"),
        claim=fields.claim(request, request.request_id),
    )


def import_contacts(request: pb.ImportContactsRequest) -> ImportContacts:
    """People to take in."""
    contacts = [
        Contact(
            contact_id="",
            campaign_id=request.campaign_id,
            display_name=contact.display_name,
            phone=contact.phone,
            address=contact.address,
            point=fields.point(contact.point) if contact.HasField("point") else None,
            email=contact.email,
            language=contact.language,
            zone=contact.zone,
            postcode=contact.postcode,
        )
        for contact in request.contacts
    ]
    return ImportContacts(request.campaign_id, contacts, fields.claim(request, request.request_id))


_CORRECTED = ("display_name", "phone", "address", "email", "language", "zone", "postcode")


def correction(request: pb.UpdateContactRequest) -> Correction:
    """What to correct of a person."""
    told = {each.name: value for each, value in request.ListFields() if each.name in _CORRECTED}
    point = fields.point(request.point) if request.HasField("point") else None
    return Correction(point=point, **told)


def suggest_slots(request: pb.SuggestSlotsRequest) -> SuggestSlots:
    """Slots to look for."""
    return SuggestSlots(
        campaign_id=request.campaign_id,
        contact_id=request.contact_id,
        point=fields.point(request.point) if request.HasField("point") else None,
        duration=fields.span(request.duration, "duration"),
        first_day=request.first_day,
        last_day=request.last_day,
        windows=[fields.window(found, f"windows[{n}]") for n, found in enumerate(request.windows)],
        agent_ids=tuple(request.agent_ids),
        limit=request.limit,
        explain=request.explain,
        starts=tuple(request.starts) or _starts(request.near),
        near=request.near,
        ideal_first=request.ideal_first,
        page_token=request.page_token,
        reveal_agent=not request.HasField("reveal_agent") or request.reveal_agent,
    )


def _starts(near: str) -> tuple[travel_pb2.StartChoice.ValueType, ...]:
    """What is offered where no choice is named."""
    if not near:
        return ()
    return travel_pb2.START_CHOICE_EARLIEST, travel_pb2.START_CHOICE_NEAREST


def detour_calendar(request: pb.GetDetourCalendarRequest) -> DetourCalendar:
    """A month to look at."""
    return DetourCalendar(
        campaign_id=request.campaign_id,
        contact_id=request.contact_id,
        point=fields.point(request.point) if request.HasField("point") else None,
        duration=fields.span(request.duration, "duration"),
        month=request.month,
        agent_ids=tuple(request.agent_ids),
        reveal_agent=not request.HasField("reveal_agent") or request.reveal_agent,
    )


def explain_slot(request: pb.ExplainSlotRequest) -> ExplainSlot:
    """A start to explain."""
    start = fields.instant(request.start, "start")
    return ExplainSlot(
        campaign_id=request.campaign_id,
        contact_id=request.contact_id,
        point=fields.point(request.point) if request.HasField("point") else None,
        agent_id=request.agent_id,
        window=Window(start, start + fields.span(request.duration, "duration")),
    )


def hold_slot(request: pb.HoldSlotRequest) -> HoldSlot:
    """A slot to keep."""
    ttl = fields.span(request.ttl, "ttl") if request.HasField("ttl") else None
    return HoldSlot(request.slot_token, ttl, fields.claim(request, request.request_id))


def promise(asked: pb.Promise.ValueType) -> PromiseKind | None:
    """What is promised besides a start or an arrival window."""
    return PromiseKind(pb.Promise.Name(asked).removeprefix("PROMISE_")) if asked else None


def book_appointment(request: pb.BookAppointmentRequest) -> BookAppointment:
    """An appointment to book."""
    slot: HeldSlot | TokenSlot | ChosenTime
    if request.HasField("hold_id"):
        slot = HeldSlot(request.hold_id)
    elif request.HasField("slot_token"):
        slot = TokenSlot(request.slot_token)
    else:
        slot = _chosen(request.time)
    claim = fields.claim(request, request.request_id)
    return BookAppointment(slot, request.contact_id, request.note, claim, promise=promise(request.promise))


def postpone_appointment(request: pb.PostponeAppointmentRequest) -> PostponeAppointment:
    """An appointment to move to a later start."""
    return PostponeAppointment(
        appointment_id=request.appointment_id,
        start=fields.instant(request.start, "start"),
        version=request.version,
        claim=fields.claim(request, request.request_id),
    )


def reassign_appointment(request: pb.ReassignAppointmentRequest) -> ReassignAppointment:
    """An appointment to give to another agent."""
    return ReassignAppointment(
        appointment_id=request.appointment_id,
        agent_id=request.agent_id,
        start=fields.instant(request.start, "start") if request.HasField("start") else None,
        version=request.version,
        claim=fields.claim(request, request.request_id),
    )


def list_appointments(request: pb.ListAppointmentsRequest) -> ListAppointments:
    """Appointments to list."""
    return ListAppointments(
        upcoming=request.scope != pb.APPOINTMENT_SCOPE_ALL,
        campaign_id=request.campaign_id,
        agent_id=request.agent_id,
        zone=request.zone,
        page_size=request.page_size,
        page_token=request.page_token,
        states=fields.states(request.states),
    )


def _chosen(time: pb.ChosenTime) -> ChosenTime:
    start = fields.instant(time.start, "time.start")
    length = fields.span(time.duration, "time.duration")
    return ChosenTime(time.campaign_id, time.agent_id, Window(start, start + length))
