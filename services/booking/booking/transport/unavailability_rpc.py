"""UnavailabilityService: days on which somebody cannot come."""

from typing import Any

from booking.domain.unavailability import Unavailability
from booking.transport import fields, messages
from booking.transport.messages import timestamp
from booking.usecases import unavailability
from booking.usecases.desk import Desk
from booking.usecases.unavailability import SetUnavailability
from giro.booking.v1 import unavailability_pb2 as pb
from giro.booking.v1.unavailability_pb2_grpc import UnavailabilityServiceServicer


class UnavailabilityServicer(UnavailabilityServiceServicer):
    """Notes of days; requests arrive checked against the contract."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def SetUnavailability(
        self, request: pb.SetUnavailabilityRequest, _: Any
    ) -> pb.SetUnavailabilityResponse:
        """Notes days."""
        command = SetUnavailability(
            agent_id=request.agent_id,
            contact_id=request.contact_id,
            first_day=request.first_day,
            last_day=request.last_day,
            note=request.note,
            override_note=request.override_note,
            claim=fields.claim(request, request.request_id),
        )
        noted = await unavailability.set_unavailability(self._desk, command)
        return pb.SetUnavailabilityResponse(
            unavailability=_message(noted.unavailability),
            hit=map(messages.appointment, noted.hit),
            hit_total=noted.hit_total,
        )

    async def ListUnavailabilities(
        self, request: pb.ListUnavailabilitiesRequest, _: Any
    ) -> pb.ListUnavailabilitiesResponse:
        """What was noted."""
        found = await unavailability.list_unavailabilities(self._desk, request.agent_id, request.contact_id)
        return pb.ListUnavailabilitiesResponse(unavailabilities=map(_message, found))

    async def WithdrawUnavailability(
        self, request: pb.WithdrawUnavailabilityRequest, _: Any
    ) -> pb.Unavailability:
        """Takes a note back."""
        found = await unavailability.withdraw_unavailability(self._desk, request.unavailability_id)
        return _message(found)


def _message(found: Unavailability) -> pb.Unavailability:
    return pb.Unavailability(
        unavailability_id=found.unavailability_id,
        agent_id=found.agent_id,
        contact_id=found.contact_id,
        first_day=found.days.first.isoformat(),
        last_day=found.days.last.isoformat(),
        time_zone=found.days.time_zone,
        note=found.note,
        reported_by=found.reported_by,
        reported_at=timestamp(found.reported_at),
        overridden_by=found.overridden_by,
        override_note=found.override_note,
        withdrawn_at=timestamp(found.withdrawn_at) if found.withdrawn_at else None,
    )
