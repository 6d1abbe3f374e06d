"""Booking's appointments with who is visited, over gRPC; implements `usecases.outside.Visits`."""

from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any

from giro.booking.v1 import visits_pb2, visits_pb2_grpc
from kit.rpc.client import Client
from reminders.domain.reminder import Visit


class BookingVisits:
    """Asks booking for appointments."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._stub: Any = visits_pb2_grpc.VisitsServiceStub(client.channel)

    async def get(self, tenant: str, appointment_id: str) -> Visit:
        """The appointment as it is now. Raises NotFound, Unavailable."""
        request = visits_pb2.GetVisitRequest(appointment_id=appointment_id)
        found = await self._client.call(self._stub.GetVisit, request, tenant=tenant)
        return _visit(found)

    async def get_all(self, tenant: str, appointment_ids: Sequence[str]) -> Mapping[str, Visit]:
        """Those of them that there are, as they are now. Raises Unavailable."""
        request = visits_pb2.GetVisitsRequest(appointment_ids=appointment_ids)
        found = await self._client.call(self._stub.GetVisits, request, tenant=tenant)
        return {each.appointment_id: _visit(each) for each in found.visits}


def _visit(found: visits_pb2.Visit) -> Visit:
    return Visit(
        appointment_id=found.appointment_id,
        version=found.version,
        campaign_id=found.campaign_id,
        contact_id=found.contact_id,
        start=found.start.ToDatetime(tzinfo=UTC),
        zone=found.time_zone,
        name=found.display_name,
        phone=found.phone,
        email=found.email,
        language=found.language,
        takes_place=found.takes_place,
    )
