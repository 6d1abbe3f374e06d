"""Calls of the public RPCs as one signed-in user, with a little patience for what passes by itself."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Self, TypeVar

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from allinone.errors import StartFailed
from allinone.keys import SERVICES
from giro.booking.v1 import (
    annulments_pb2_grpc,
    booking_pb2_grpc,
    documents_pb2,
    documents_pb2_grpc,
    outcomes_pb2_grpc,
    series_pb2_grpc,
    unavailability_pb2_grpc,
    waitlist_pb2_grpc,
)
from giro.geo.v1 import geo_pb2_grpc, zones_pb2_grpc
from giro.identity.v1 import identity_pb2, identity_pb2_grpc
from giro.reminders.v1 import reminders_pb2_grpc

Response = TypeVar("Response")
PASSES_BY_ITSELF = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.ABORTED, grpc.StatusCode.DEADLINE_EXCEEDED)
ATTEMPTS = 5
SECONDS = 20.0


class Refused(Exception):
    """A call refused for good: `reason` names a `giro.common.v1.ErrorReason`, without its prefix."""

    def __init__(self, error: grpc.aio.AioRpcError) -> None:
        super().__init__(error.details())
        self.code = error.code()
        self.reason = _reason(error)


class Services:
    """Channels to the public services, for any number of users."""

    def __init__(self, targets: Mapping[str, str]) -> None:
        self._channels = {name: grpc.aio.insecure_channel(targets[name]) for name in SERVICES}
        self.identity = identity_pb2_grpc.IdentityServiceStub(self._channels["identity"])
        self.booking = booking_pb2_grpc.BookingServiceStub(self._channels["booking"])
        self._besides(self._channels["booking"])
        self.geo = geo_pb2_grpc.GeoServiceStub(self._channels["geo"])
        self.zones = zones_pb2_grpc.ZoneServiceStub(self._channels["geo"])
        self.reminders = reminders_pb2_grpc.RemindersServiceStub(self._channels["reminders"])

    def _besides(self, booking: grpc.aio.Channel) -> None:
        """Booking's services beside the first."""
        self.annulments = annulments_pb2_grpc.AnnulmentsServiceStub(booking)
        self.documents = documents_pb2_grpc.DocumentsServiceStub(booking)
        self.outcomes = outcomes_pb2_grpc.OutcomesServiceStub(booking)
        self.series = series_pb2_grpc.SeriesServiceStub(booking)
        self.unavailability = unavailability_pb2_grpc.UnavailabilityServiceStub(booking)
        self.waitlist = waitlist_pb2_grpc.WaitlistServiceStub(booking)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await asyncio.gather(*(channel.close() for channel in self._channels.values()))

    async def sign_in(self, email: str, password: str) -> "User":
        """Raises Refused (BAD_CREDENTIALS) for an e-mail or a password that is not known."""
        request = identity_pb2.CreateSessionRequest(email=email, password=password)
        session = await User(self, "").call(self.identity.CreateSession, request)
        return User(self, session.access_token)


class User:
    """Somebody who is signed in."""

    def __init__(self, services: Services, token: str) -> None:
        self.services = services
        self._metadata = (("authorization", f"Bearer {token}"),) if token else ()

    async def call(self, method: Callable[..., Any], request: object) -> Any:
        """One call. Retries what passes by itself (every request may be repeated), else raises Refused."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await method(request, metadata=self._metadata, timeout=SECONDS)
            except grpc.aio.AioRpcError as error:
                if error.code() not in PASSES_BY_ITSELF or attempt == ATTEMPTS:
                    raise Refused(error) from error
            await asyncio.sleep(0.05 * 2**attempt)
        raise AssertionError("unreachable")

    async def uploads(self, header: documents_pb2.UploadDocumentHeader, content: bytes) -> Any:
        """Keeps a document of at most 512 KiB; the same header again gives the same one. Raises Refused."""
        head = documents_pb2.UploadDocumentRequest(header=header)
        # a list is read anew at each attempt
        return await self.call(
            self.services.documents.UploadDocument,
            [head, documents_pb2.UploadDocumentRequest(chunk=content)],
        )


def failed(refused: Refused, what: str) -> StartFailed:
    """What a person is told when the demo cannot be loaded."""
    return StartFailed(
        "demo data",
        f"{what}: {refused} ({refused.reason or refused.code.name}).",
        "Read the service's log in .run/logs; `make clean` starts from an empty database.",
    )


def _reason(error: grpc.aio.AioRpcError) -> str:
    status = rpc_status.from_call(error)
    for detail in status.details if status else ():
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            return str(info.reason)
    return ""
