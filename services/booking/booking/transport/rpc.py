"""BookingService: each RPC turns its message into a command, runs the use case, and answers."""

from typing import Any

from booking.transport import commands, messages
from booking.usecases import list_campaigns, list_contacts, set_parameter
from booking.usecases.book_appointment import book_appointment
from booking.usecases.cancel_appointment import CancelAppointment, cancel_appointment
from booking.usecases.confirm_appointment import ConfirmAppointment, confirm_appointment
from booking.usecases.create_campaign import create_campaign
from booking.usecases.desk import Desk
from booking.usecases.detour_calendar import detour_calendar
from booking.usecases.explain_slot import explain_slot
from booking.usecases.get_appointment import get_appointment
from booking.usecases.hold_slot import hold_slot
from booking.usecases.import_contacts import import_contacts
from booking.usecases.list_appointments import list_appointments
from booking.usecases.list_recent_changes import list_recent_changes
from booking.usecases.ports import Places
from booking.usecases.postpone_appointment import postpone_appointment
from booking.usecases.reassign_appointment import reassign_appointment
from booking.usecases.release_hold import release_hold
from booking.usecases.suggest_slots import suggest_slots
from booking.usecases.update_contact import update_contact
from booking.usecases.verify_ownership import verify_ownership
from giro.booking.v1 import booking_pb2 as pb
from giro.booking.v1.booking_pb2_grpc import BookingServiceServicer


class BookingServicer(BookingServiceServicer):
    """Campaigns, contacts, slots and appointments; requests arrive checked against the contract."""

    def __init__(self, desk: Desk, places: Places) -> None:
        self._desk, self._places = desk, places

    async def CreateCampaign(self, request: pb.CreateCampaignRequest, _: Any) -> pb.Campaign:
        """Makes a campaign."""
        return messages.campaign(await create_campaign(self._desk, commands.create_campaign(request)))

    async def GetCampaign(self, request: pb.GetCampaignRequest, _: Any) -> pb.Campaign:
        """One campaign."""
        return messages.campaign(await list_campaigns.get_campaign(self._desk, request.campaign_id))

    async def ListCampaigns(self, request: pb.ListCampaignsRequest, _: Any) -> pb.ListCampaignsResponse:
        """A page of campaigns."""
        page = await list_campaigns.list_campaigns(self._desk, request.page_size, request.page_token)
        return pb.ListCampaignsResponse(
            campaigns=map(messages.campaign, page.campaigns), next_page_token=page.next_page_token
        )

    async def ImportContacts(self, request: pb.ImportContactsRequest, _: Any) -> pb.ImportContactsResponse:
        """Takes people in."""
        ids = await import_contacts(self._desk, self._places, commands.import_contacts(request))
        return pb.ImportContactsResponse(contact_ids=ids)

    async def GetContact(self, request: pb.GetContactRequest, _: Any) -> pb.Contact:
        """One person."""
        return messages.contact(await list_contacts.get_contact(self._desk, request.contact_id))

    async def UpdateContact(self, request: pb.UpdateContactRequest, _: Any) -> pb.Contact:
        """Corrects a person."""
        correction, version = commands.correction(request), request.version
        places, contact_id = self._places, request.contact_id
        return messages.contact(await update_contact(self._desk, places, contact_id, correction, version))

    async def ListContacts(self, request: pb.ListContactsRequest, _: Any) -> pb.ListContactsResponse:
        """A page of people."""
        page = await list_contacts.list_contacts(
            self._desk, request.campaign_id, request.page_size, request.page_token
        )
        return pb.ListContactsResponse(
            contacts=map(messages.contact, page.contacts), next_page_token=page.next_page_token
        )

    async def SuggestSlots(self, request: pb.SuggestSlotsRequest, _: Any) -> pb.SuggestSlotsResponse:
        """The best slots."""
        made = await suggest_slots(self._desk, commands.suggest_slots(request))
        return messages.suggestions(made, explain=request.explain)

    async def GetDetourCalendar(
        self, request: pb.GetDetourCalendarRequest, _: Any
    ) -> pb.GetDetourCalendarResponse:
        """What each day would cost."""
        return messages.detour_month(await detour_calendar(self._desk, commands.detour_calendar(request)))

    async def ExplainSlot(self, request: pb.ExplainSlotRequest, _: Any) -> pb.ExplainSlotResponse:
        """Reasons and changes."""
        return messages.explanation(await explain_slot(self._desk, commands.explain_slot(request)))

    async def HoldSlot(self, request: pb.HoldSlotRequest, _: Any) -> pb.Hold:
        """Keeps a slot."""
        return messages.hold(await hold_slot(self._desk, commands.hold_slot(request)))

    async def ReleaseHold(self, request: pb.ReleaseHoldRequest, _: Any) -> pb.ReleaseHoldResponse:
        """Gives a slot back."""
        await release_hold(self._desk, request.hold_id)
        return pb.ReleaseHoldResponse()

    async def BookAppointment(self, request: pb.BookAppointmentRequest, _: Any) -> pb.Appointment:
        """Books."""
        return messages.card(await book_appointment(self._desk, commands.book_appointment(request)))

    async def GetAppointment(self, request: pb.GetAppointmentRequest, _: Any) -> pb.Appointment:
        """One appointment."""
        return messages.card(await get_appointment(self._desk, request.appointment_id))

    async def ListAppointments(
        self, request: pb.ListAppointmentsRequest, _: Any
    ) -> pb.ListAppointmentsResponse:
        """A page of appointments."""
        page = await list_appointments(self._desk, commands.list_appointments(request))
        return pb.ListAppointmentsResponse(
            appointments=map(messages.appointment, page.appointments), next_page_token=page.next_page_token
        )

    async def ConfirmAppointment(self, request: pb.ConfirmAppointmentRequest, _: Any) -> pb.Appointment:
        """Confirms."""
        command = ConfirmAppointment(request.appointment_id, request.version)
        return messages.card(await confirm_appointment(self._desk, command))

    async def PostponeAppointment(self, request: pb.PostponeAppointmentRequest, _: Any) -> pb.Appointment:
        """Postpones."""
        return messages.card(await postpone_appointment(self._desk, commands.postpone_appointment(request)))

    async def CancelAppointment(self, request: pb.CancelAppointmentRequest, _: Any) -> pb.Appointment:
        """Cancels."""
        command = CancelAppointment(request.appointment_id, request.version, request.note)
        return messages.card(await cancel_appointment(self._desk, command))

    async def ReassignAppointment(self, request: pb.ReassignAppointmentRequest, _: Any) -> pb.Appointment:
        """Gives to another agent."""
        return messages.card(await reassign_appointment(self._desk, commands.reassign_appointment(request)))

    async def ListRecentChanges(
        self, request: pb.ListRecentChangesRequest, _: Any
    ) -> pb.ListRecentChangesResponse:
        """A page of the feed."""
        page = await list_recent_changes(
            self._desk, request.campaign_id, request.page_size, request.page_token
        )
        return pb.ListRecentChangesResponse(
            changes=map(messages.recent_change, page.changes), next_page_token=page.next_page_token
        )

    async def SetParameter(self, request: pb.SetParameterRequest, _: Any) -> pb.EffectiveParameter:
        """Sets a parameter."""
        shown = await set_parameter.set_parameter(
            self._desk, request.name, request.campaign_id, request.value, request.user_id
        )
        return messages.parameter(shown)

    async def GetEffectiveParameter(
        self, request: pb.GetEffectiveParameterRequest, _: Any
    ) -> pb.EffectiveParameter:
        """The value that counts."""
        shown = await set_parameter.get_effective_parameter(
            self._desk, request.name, request.campaign_id, request.user_id
        )
        return messages.parameter(shown)

    async def VerifyOwnership(self, _: pb.VerifyOwnershipRequest, __: Any) -> pb.VerifyOwnershipResponse:
        """Holds appointments against stops."""
        found = await verify_ownership(self._desk)
        return pb.VerifyOwnershipResponse(
            appointments=found.appointments,
            stops=found.stops,
            appointments_without_stop=found.without_stop,
            stops_without_appointment=found.without_appointment,
        )
