"""RefixService: modes, procedures, recalls, and fixing an appointment again."""

from typing import Any

from booking.storage.parameters import Place
from booking.transport import messages as common
from booking.transport import refix_messages as messages
from booking.usecases.desk import Desk
from booking.usecases.refix import policy
from booking.usecases.refix.exceptions import list_exceptions
from booking.usecases.refix.list_recalls import close_recall, list_recalls
from booking.usecases.refix.policy import Draft
from booking.usecases.refix.refix_appointment import get_refix_form, refix_appointment
from booking.usecases.set_parameter import import_parameters
from giro.booking.v1 import booking_pb2
from giro.booking.v1 import refix_pb2 as pb
from giro.booking.v1.refix_pb2_grpc import RefixServiceServicer


class RefixServicer(RefixServiceServicer):
    """How appointments that fell through are fixed again; requests arrive checked against the contract."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def GetRefixForm(self, request: pb.GetRefixFormRequest, _: Any) -> pb.RefixForm:
        """What may be chosen."""
        return messages.form(await get_refix_form(self._desk, request.appointment_id))

    async def RefixAppointment(self, request: pb.RefixAppointmentRequest, _: Any) -> booking_pb2.Appointment:
        """Fixes an appointment again."""
        return common.card(await refix_appointment(self._desk, messages.to_refix(request)))

    async def ListRecalls(self, request: pb.ListRecallsRequest, _: Any) -> pb.ListRecallsResponse:
        """A page of recalls."""
        page = await list_recalls(self._desk, request.campaign_id, request.page_size, request.page_token)
        return pb.ListRecallsResponse(
            recalls=map(messages.recall, page.recalls), next_page_token=page.next_page_token
        )

    async def CloseRecall(self, request: pb.CloseRecallRequest, _: Any) -> pb.Recall:
        """Closes a recall."""
        return messages.recall(await close_recall(self._desk, request.recall_id, request.note))

    async def UpsertRefixMode(self, request: pb.UpsertRefixModeRequest, _: Any) -> pb.RefixMode:
        """Makes or replaces a mode."""
        made = await policy.upsert_mode(self._desk, messages.to_mode(request))
        return messages.mode(made, built_in=False)

    async def ListRefixModes(self, _: pb.ListRefixModesRequest, __: Any) -> pb.ListRefixModesResponse:
        """All modes."""
        found = await policy.list_modes(self._desk)
        return pb.ListRefixModesResponse(
            modes=[messages.mode(mode, built_in=built_in) for mode, built_in in found]
        )

    async def UpsertProcedure(self, request: pb.UpsertProcedureRequest, _: Any) -> pb.Procedure:
        """Makes or replaces a procedure."""
        wanted = messages.to_procedure(request)
        return messages.procedure(await policy.upsert_procedure(self._desk, wanted))

    async def ListProcedures(self, _: pb.ListProceduresRequest, __: Any) -> pb.ListProceduresResponse:
        """All procedures."""
        found = await policy.list_procedures(self._desk)
        return pb.ListProceduresResponse(procedures=map(messages.procedure, found))

    async def ListRefixExceptions(
        self, request: pb.ListRefixExceptionsRequest, _: Any
    ) -> pb.ListRefixExceptionsResponse:
        """A page of exceptions."""
        page = await list_exceptions(self._desk, request.campaign_id, request.page_size, request.page_token)
        return pb.ListRefixExceptionsResponse(
            exceptions=map(messages.exception, page.exceptions), next_page_token=page.next_page_token
        )

    async def ImportParameters(
        self, request: pb.ImportParametersRequest, _: Any
    ) -> pb.ImportParametersResponse:
        """Sets several parameters."""
        place = Place(request.campaign_id, request.user_id)
        values = messages.named_values(request.parameters)
        shown = await import_parameters(self._desk, place, values)
        return pb.ImportParametersResponse(parameters=map(common.parameter, shown))

    async def ValidatePolicy(self, request: pb.ValidatePolicyRequest, _: Any) -> pb.ValidatePolicyResponse:
        """Every contradiction."""
        place = Place(request.campaign_id, request.user_id)
        draft = Draft(
            messages.named_values(request.parameters), [*map(messages.to_procedure, request.procedures)]
        )
        found = await policy.validate_policy(self._desk, place, draft)
        return pb.ValidatePolicyResponse(contradictions=map(messages.contradiction, found))
