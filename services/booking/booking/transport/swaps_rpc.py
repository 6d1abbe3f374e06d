"""SwapsService: two appointments whose agents change places."""

from typing import Any

from booking.transport import fields, messages
from booking.usecases.desk import Desk
from booking.usecases.repair_ports import Rounds
from booking.usecases.swap_appointments import SwapAppointments, swap_appointments
from giro.booking.v1 import swaps_pb2 as pb
from giro.booking.v1.swaps_pb2_grpc import SwapsServiceServicer


class SwapsServicer(SwapsServiceServicer):
    """Requests arrive checked against the contract."""

    def __init__(self, desk: Desk, rounds: Rounds) -> None:
        self._desk, self._rounds = desk, rounds

    async def SwapAppointments(
        self, request: pb.SwapAppointmentsRequest, _: Any
    ) -> pb.SwapAppointmentsResponse:
        """Swaps."""
        command = SwapAppointments(
            first=(request.appointment_id, request.version),
            second=(request.other_appointment_id, request.other_version),
            claim=fields.claim(request, request.request_id),
        )
        first, second = await swap_appointments(self._desk, self._rounds, command)
        return pb.SwapAppointmentsResponse(appointment=messages.card(first), other=messages.card(second))
