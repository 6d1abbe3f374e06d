"""WaitlistService: who waits, and what they are offered."""

from datetime import datetime
from typing import Any

from booking.domain.waitlist import Entry
from booking.transport import fields, messages
from booking.transport.messages import timestamp
from booking.usecases import offers, waitlist
from booking.usecases.desk import Desk
from booking.usecases.waitlist import JoinWaitlist
from giro.booking.v1 import booking_pb2
from giro.booking.v1 import waitlist_pb2 as pb
from giro.booking.v1.waitlist_pb2_grpc import WaitlistServiceServicer


class WaitlistServicer(WaitlistServiceServicer):
    """Requests arrive checked against the contract."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def JoinWaitlist(self, request: pb.JoinWaitlistRequest, _: Any) -> pb.WaitlistEntry:
        """Joins."""
        command = JoinWaitlist(
            campaign_id=request.campaign_id,
            contact_id=request.contact_id,
            duration=fields.span(request.duration, "duration"),
            not_before=_given(request, "not_before"),
            not_after=_given(request, "not_after"),
            claim=fields.claim(request, request.request_id),
        )
        return _message(await waitlist.join_waitlist(self._desk, command))

    async def LeaveWaitlist(self, request: pb.LeaveWaitlistRequest, _: Any) -> pb.WaitlistEntry:
        """Leaves."""
        return _message(await waitlist.leave_waitlist(self._desk, request.entry_id))

    async def ListWaitlist(self, request: pb.ListWaitlistRequest, _: Any) -> pb.ListWaitlistResponse:
        """A page of who waits."""
        page = await waitlist.list_waitlist(
            self._desk, request.campaign_id, request.page_size, request.page_token
        )
        return pb.ListWaitlistResponse(
            entries=map(_message, page.entries), next_page_token=page.next_page_token
        )

    async def AcceptOffer(self, request: pb.AcceptOfferRequest, _: Any) -> booking_pb2.Appointment:
        """Books what was offered."""
        claim = fields.claim(request, request.request_id)
        return messages.card(await offers.accept_offer(self._desk, request.offer_id, claim))

    async def DeclineOffer(self, request: pb.DeclineOfferRequest, _: Any) -> pb.DeclineOfferResponse:
        """Declines."""
        await offers.decline_offer(self._desk, request.offer_id)
        return pb.DeclineOfferResponse()


def _given(request: Any, field: str) -> datetime | None:
    return fields.instant(getattr(request, field), field) if request.HasField(field) else None


def _message(found: Entry) -> pb.WaitlistEntry:
    made = pb.WaitlistEntry(
        entry_id=found.entry_id,
        campaign_id=found.campaign_id,
        contact_id=found.contact_id,
        state=pb.WaitlistState.Value(f"WAITLIST_STATE_{found.state}"),
        joined_at=timestamp(found.joined_at),
    )
    if found.offer is not None:
        offer = found.offer
        made.offer.CopyFrom(
            pb.Offer(
                offer_id=offer.offer_id,
                agent_id=offer.agent_id,
                start=timestamp(offer.window.start),
                end=timestamp(offer.window.end),
                expires_at=timestamp(offer.expires_at),
            )
        )
    return made
