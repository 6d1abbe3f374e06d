"""ExplanationsService."""

from typing import Any

from booking.transport.explanation_messages import explanation
from booking.usecases.desk import Desk
from booking.usecases.explain_appointment import explain_appointment
from giro.booking.v1 import explanations_pb2 as pb
from giro.booking.v1.explanations_pb2_grpc import ExplanationsServiceServicer


class ExplanationsServicer(ExplanationsServiceServicer):
    """Why an appointment is where it is."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def ExplainAppointment(
        self, request: pb.ExplainAppointmentRequest, _: Any
    ) -> pb.ExplainAppointmentResponse:
        """All changes of one appointment."""
        return explanation(await explain_appointment(self._desk, request.appointment_id))
