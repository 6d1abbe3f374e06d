"""Streams in which nothing moves for a while, through the real Envoy with a short limit of silence."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import grpc
import pytest
import pytest_asyncio
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio
from grpc_status import rpc_status

from gateway import routes
from gateway.testing.harness import Harness, start_harness
from giro.booking.v1 import documents_pb2 as documents
from giro.booking.v1 import portal_pb2 as pb
from giro.booking.v1.documents_pb2_grpc import (
    DocumentsServiceServicer,
    DocumentsServiceStub,
    add_DocumentsServiceServicer_to_server,
)
from giro.booking.v1.portal_pb2_grpc import (
    PortalServiceServicer,
    PortalServiceStub,
    add_PortalServiceServicer_to_server,
)
from kit.rpc.alive import kept_alive

pytestmark = pytest.mark.asyncio

SILENCE = 1
LAST = pb.StreamReportResponse(summary=pb.Report())


class Patient(DocumentsServiceServicer):
    """Waits for all that comes."""

    async def UploadDocument(  # noqa: N802 - the contract's name
        self, requests: AsyncIterator[documents.UploadDocumentRequest], _: Any
    ) -> documents.Document:
        """An empty document once all of it came."""
        async for _part in requests:
            pass
        return documents.Document()


class Slow(PortalServiceServicer):
    """Has nothing to say for longer than the gateway takes; `campaign_id` says how it bears that."""

    async def StreamReport(  # noqa: N802 - the contract's name
        self, request: pb.StreamReportRequest, _: Any
    ) -> AsyncIterator[pb.StreamReportResponse]:
        """The summary after the silence."""
        stream = self._late()
        if request.campaign_id == "alive":
            stream = kept_alive(stream, pb.StreamReportResponse, SILENCE / 4)
        async for message in stream:
            yield message

    async def _late(self) -> AsyncGenerator[pb.StreamReportResponse, None]:
        await asyncio.sleep(2.5 * SILENCE)
        yield LAST


@pytest_asyncio.fixture
async def gateway(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Harness]:
    monkeypatch.setattr(routes, "IDLE_TRANSFER", SILENCE)
    server = grpc.aio.server()
    add_PortalServiceServicer_to_server(Slow(), server)
    add_DocumentsServiceServicer_to_server(Patient(), server)
    health = health_aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    await health.set("", health_pb2.HealthCheckResponse.SERVING)
    target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    harness = await start_harness(tmp_path_factory.mktemp("gateway"), booking_target=target)
    yield harness
    await harness.stop()
    await server.stop(None)


async def read(harness: Harness, how: str) -> list[pb.StreamReportResponse]:
    async with grpc.aio.insecure_channel(harness.grpc_target) as channel:
        asked = pb.StreamReportRequest(campaign_id=how)
        call = PortalServiceStub(channel).StreamReport(
            asked, metadata=tuple(harness.bearer.items()), timeout=30
        )
        return [message async for message in call]


async def send(harness: Harness) -> documents.Document:
    """Sends a part, and no more."""
    async with grpc.aio.insecure_channel(harness.grpc_target) as channel:
        metadata = tuple(harness.bearer.items())
        call = DocumentsServiceStub(channel).UploadDocument(metadata=metadata, timeout=30)
        await call.write(documents.UploadDocumentRequest(chunk=b"%PDF"))
        return await call


def refused(ended: Any) -> tuple[grpc.StatusCode, str]:
    assert isinstance(ended, grpc.aio.AioRpcError)
    info = error_details_pb2.ErrorInfo()
    status = rpc_status.from_call(ended)
    assert status.details[0].Unpack(info)
    return ended.code(), info.reason


async def test_a_sign_of_life_keeps_a_stream_and_silence_is_told_as_such(gateway: Harness) -> None:
    calls = (read(gateway, "alive"), read(gateway, "silent"), send(gateway))
    alive, silent, unsent = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(alive, list), alive
    assert (alive[-1], len(alive) > 3) == (LAST, True)
    assert all(message == pb.StreamReportResponse() for message in alive[:-1])
    for ended in (silent, unsent):
        assert refused(ended) == (grpc.StatusCode.UNAVAILABLE, "SERVICE_UNAVAILABLE")
