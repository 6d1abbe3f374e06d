"""SeriesService: recurring appointments."""

from typing import Any

from booking.domain.series import Series, SeriesState
from booking.transport import fields, messages
from booking.transport.messages import timestamp
from booking.usecases.create_series import CreateSeries, create_series, get_series
from booking.usecases.desk import Desk
from giro.booking.v1 import series_pb2 as pb
from giro.booking.v1.series_pb2_grpc import SeriesServiceServicer


class SeriesServicer(SeriesServiceServicer):
    """Requests arrive checked against the contract."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def CreateSeries(self, request: pb.CreateSeriesRequest, _: Any) -> pb.Series:
        """Books all or none."""
        command = CreateSeries(
            campaign_id=request.campaign_id,
            contact_id=request.contact_id,
            agent_id=request.agent_id,
            start=fields.instant(request.start, "start"),
            duration=fields.span(request.duration, "duration"),
            every_days=request.every_days,
            count=request.count,
            note=request.note,
            claim=fields.claim(request, request.request_id),
        )
        return _message(await create_series(self._desk, command))

    async def GetSeries(self, request: pb.GetSeriesRequest, _: Any) -> pb.Series:
        """What became of it."""
        return _message(await get_series(self._desk, request.series_id))


def _message(found: Series) -> pb.Series:
    state = pb.SeriesState.Value(f"SERIES_STATE_{found.state}")
    made = pb.Series(series_id=found.series_id, state=state)
    if found.state is SeriesState.CREATED:
        made.appointments.extend(messages.appointment(each) for _, each in found.appointments)
    for conflict in found.conflicts:
        made.conflicts.add(
            number=conflict.number,
            start=timestamp(conflict.start),
            reason=conflict.refusal.reason,
            message=conflict.refusal.message,
            metadata=conflict.refusal.metadata,
        )
    return made
