"""VisitsService, for other services of Giro alone."""

from typing import Any

from booking.transport.messages import timestamp
from booking.usecases.desk import Desk
from booking.usecases.get_visit import Visit, get_visit, get_visits
from giro.booking.v1 import visits_pb2 as pb
from giro.booking.v1.visits_pb2_grpc import VisitsServiceServicer


class VisitsServicer(VisitsServiceServicer):
    """Who is visited."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def GetVisit(self, request: pb.GetVisitRequest, _: Any) -> pb.Visit:
        """One appointment with its contact."""
        return _visit(await get_visit(self._desk, request.appointment_id))

    async def GetVisits(self, request: pb.GetVisitsRequest, _: Any) -> pb.GetVisitsResponse:
        """Several appointments with their contacts."""
        found = await get_visits(self._desk, request.appointment_ids)
        return pb.GetVisitsResponse(visits=map(_visit, found))


def _visit(found: Visit) -> pb.Visit:
    appointment, contact = found.appointment, found.contact
    return pb.Visit(
        appointment_id=appointment.appointment_id,
        version=appointment.version,
        campaign_id=appointment.campaign_id,
        contact_id=appointment.contact_id,
        start=timestamp(appointment.window.start),
        time_zone=found.time_zone,
        display_name=contact.display_name,
        phone=contact.phone,
        email=contact.email,
        language=contact.language,
        takes_place=found.takes_place,
    )
