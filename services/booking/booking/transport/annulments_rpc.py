"""AnnulmentsService: contacts before the visit, and claims."""

from datetime import datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from booking.domain.annulment import (
    AgentContact,
    AnnulmentClaim,
    AnnulmentReason,
    ClaimChannel,
    ClaimState,
    ContactChannel,
    Decision,
)
from booking.transport import fields
from booking.transport.messages import timestamp
from booking.usecases import annulments
from booking.usecases.annulments import ClaimAnnulment, RecordAgentContact
from booking.usecases.desk import Desk
from giro.booking.v1 import annulments_pb2 as pb
from giro.booking.v1.annulments_pb2_grpc import AnnulmentsServiceServicer
from kit.rpc.context import caller

_CHANNEL, _REASON = "CONTACT_CHANNEL_", "ANNULMENT_REASON_"
_BY, _STATE = "CLAIM_CHANNEL_", "CLAIM_STATE_"


class AnnulmentsServicer(AnnulmentsServiceServicer):
    """Contacts and claims; requests arrive checked against the contract."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def RecordAgentContact(self, request: pb.RecordAgentContactRequest, _: Any) -> pb.AgentContact:
        """Keeps a contact."""
        command = RecordAgentContact(
            appointment_id=request.appointment_id,
            channel=ContactChannel(pb.ContactChannel.Name(request.channel).removeprefix(_CHANNEL)),
            contacted_at=_given(request, "contacted_at"),
            note=request.note,
            claim=fields.claim(request, request.request_id),
        )
        return _contact(await annulments.record_agent_contact(self._desk, command))

    async def ListAgentContacts(
        self, request: pb.ListAgentContactsRequest, _: Any
    ) -> pb.ListAgentContactsResponse:
        """A page of contacts."""
        wanted = request.page_size, request.page_token
        page = await annulments.list_agent_contacts(self._desk, request.appointment_id, wanted)
        return pb.ListAgentContactsResponse(
            contacts=map(_contact, page.contacts), next_page_token=page.next_page_token
        )

    async def ClaimAnnulment(self, request: pb.ClaimAnnulmentRequest, _: Any) -> pb.AnnulmentClaim:
        """Claims."""
        channel = pb.ClaimChannel.Name(request.channel or pb.CLAIM_CHANNEL_PORTAL)
        command = ClaimAnnulment(
            appointment_id=request.appointment_id,
            reason=AnnulmentReason(pb.AnnulmentReason.Name(request.reason).removeprefix(_REASON)),
            note=request.note,
            channel=ClaimChannel(channel.removeprefix(_BY)),
            received_at=_given(request, "received_at"),
            claim=fields.claim(request, request.request_id),
        )
        return _claim(await annulments.claim_annulment(self._desk, command))

    async def GetAnnulmentClaim(self, request: pb.GetAnnulmentClaimRequest, _: Any) -> pb.AnnulmentClaim:
        """One claim."""
        return _claim(await annulments.get_annulment_claim(self._desk, request.claim_id))

    async def ListAnnulmentClaims(
        self, request: pb.ListAnnulmentClaimsRequest, _: Any
    ) -> pb.ListAnnulmentClaimsResponse:
        """A page of claims."""
        name = pb.ClaimState.Name(request.state).removeprefix(_STATE)
        state = ClaimState(name) if request.state else None
        wanted = request.page_size, request.page_token
        page = await annulments.list_annulment_claims(self._desk, request.campaign_id, state, wanted)
        return pb.ListAnnulmentClaimsResponse(
            claims=map(_claim, page.claims), next_page_token=page.next_page_token
        )

    async def DecideAnnulment(self, request: pb.DecideAnnulmentRequest, _: Any) -> pb.AnnulmentClaim:
        """Decides."""
        decision = Decision(request.accepted, caller().subject, request.note)
        return _claim(await annulments.decide_annulment(self._desk, request.claim_id, decision))


def _given(request: Any, field: str) -> datetime | None:
    stamp: Timestamp = getattr(request, field)
    return fields.instant(stamp, field) if request.HasField(field) else None


def _contact(found: AgentContact) -> pb.AgentContact:
    return pb.AgentContact(
        agent_contact_id=found.agent_contact_id,
        appointment_id=found.appointment_id,
        channel=pb.ContactChannel.Value(f"{_CHANNEL}{found.channel}"),
        contacted_at=timestamp(found.contacted_at),
        note=found.note,
        recorded_by=found.recorded_by,
        recorded_at=timestamp(found.recorded_at),
    )


def _claim(found: AnnulmentClaim) -> pb.AnnulmentClaim:
    return pb.AnnulmentClaim(
        claim_id=found.claim_id,
        appointment_id=found.appointment_id,
        campaign_id=found.campaign_id,
        reason=pb.AnnulmentReason.Value(f"{_REASON}{found.reason}"),
        note=found.note,
        channel=pb.ClaimChannel.Value(f"{_BY}{found.channel}"),
        received_at=timestamp(found.received_at),
        closes_at=timestamp(found.closes_at),
        claimed_by=found.claimed_by,
        state=pb.ClaimState.Value(f"{_STATE}{found.state}"),
        decided_by=found.decided_by,
        decision_note=found.decision_note,
        decided_at=timestamp(found.decided_at) if found.decided_at else None,
    )
