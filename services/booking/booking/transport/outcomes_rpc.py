"""OutcomesService: outcome states, what agents write with them, and the history."""

from typing import Any

from booking.transport import outcome_messages as messages
from booking.usecases import outcome_states
from booking.usecases.add_note import add_note
from booking.usecases.desk import Desk
from booking.usecases.get_outcome import get_outcome
from booking.usecases.list_history import list_history
from booking.usecases.set_outcome import set_outcome
from giro.booking.v1 import outcomes_pb2 as pb
from giro.booking.v1.outcomes_pb2_grpc import OutcomesServiceServicer


class OutcomesServicer(OutcomesServiceServicer):
    """What became of visits; requests arrive checked against the contract."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def UpsertListState(self, request: pb.UpsertListStateRequest, _: Any) -> pb.ListState:
        """Makes or replaces a list state."""
        state = messages.to_list_state(request)
        return messages.list_state(await outcome_states.upsert_list_state(self._desk, state))

    async def ListListStates(self, _: pb.ListListStatesRequest, __: Any) -> pb.ListListStatesResponse:
        """All list states."""
        found = await outcome_states.list_list_states(self._desk)
        return pb.ListListStatesResponse(list_states=map(messages.list_state, found))

    async def UpsertCharacteristic(
        self, request: pb.UpsertCharacteristicRequest, _: Any
    ) -> pb.Characteristic:
        """Makes or replaces a characteristic."""
        wanted = messages.to_characteristic(request)
        return messages.characteristic(await outcome_states.upsert_characteristic(self._desk, wanted))

    async def ListCharacteristics(
        self, _: pb.ListCharacteristicsRequest, __: Any
    ) -> pb.ListCharacteristicsResponse:
        """All characteristics."""
        found = await outcome_states.list_characteristics(self._desk)
        return pb.ListCharacteristicsResponse(characteristics=map(messages.characteristic, found))

    async def UpsertOutcomeState(self, request: pb.UpsertOutcomeStateRequest, _: Any) -> pb.OutcomeState:
        """Makes or replaces an outcome state."""
        wanted = messages.to_state(request)
        return messages.state(await outcome_states.upsert_outcome_state(self._desk, wanted))

    async def GetOutcomeState(self, request: pb.GetOutcomeStateRequest, _: Any) -> pb.OutcomeState:
        """One outcome state."""
        return messages.state(await outcome_states.get_outcome_state(self._desk, request.state_id))

    async def ListOutcomeStates(
        self, _: pb.ListOutcomeStatesRequest, __: Any
    ) -> pb.ListOutcomeStatesResponse:
        """All outcome states."""
        found = await outcome_states.list_outcome_states(self._desk)
        return pb.ListOutcomeStatesResponse(outcome_states=map(messages.state, found))

    async def SetOutcome(self, request: pb.SetOutcomeRequest, _: Any) -> pb.Outcome:
        """Writes what became of a visit."""
        return messages.outcome(await set_outcome(self._desk, messages.to_outcome(request)))

    async def CorrectOutcome(self, request: pb.CorrectOutcomeRequest, _: Any) -> pb.Outcome:
        """Writes the true outcome of a visit that is held."""
        return messages.outcome(await set_outcome(self._desk, messages.to_correction(request)))

    async def GetOutcome(self, request: pb.GetOutcomeRequest, _: Any) -> pb.Outcome:
        """The present outcome."""
        return messages.outcome(await get_outcome(self._desk, request.appointment_id))

    async def AddNote(self, request: pb.AddNoteRequest, _: Any) -> pb.HistoryEntry:
        """Adds a note."""
        return messages.entry(await add_note(self._desk, messages.to_note(request)))

    async def ListHistory(self, request: pb.ListHistoryRequest, _: Any) -> pb.ListHistoryResponse:
        """A page of the history."""
        page = await list_history(self._desk, request.appointment_id, request.page_size, request.page_token)
        return pb.ListHistoryResponse(
            entries=map(messages.entry, page.entries), next_page_token=page.next_page_token
        )
