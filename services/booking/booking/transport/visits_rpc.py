"""VisitsService, for other services of Giro alone."""

from typing import Any

from booking.transport.messages import timestamp
from booking.usecases.desk import Desk
from booking.usecases.get_visit import get_visit
from giro.booking.v1 import visits_pb2 as pb
from giro.booking.v1.visits_pb2_grpc import VisitsServiceServicer


class VisitsServicer(VisitsServiceServicer):
    """Who is visited."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def GetVisit(self, request: pb.GetVisitRequest, _: Any) -> pb.Visit:
        """One appointment with its contact."""
        found = await get_visit(self._desk, request.appointment_id)
        appointment, contact = found.appointment, found.contact
        return pb.Visit(
            appointment_id=appointment.appointment_id,
            version=appointment.version,
            campaign_id=appointment.campaign_id,
            contact_id=appointment.contact_id,
            start=timestamp(appointment.window.start),
            time_zone=found.campaign.time_zone,
            display_name=contact.display_name,
            phone=contact.phone,
            email=contact.email,
            language=contact.language,
            takes_place=found.takes_place,
        )
