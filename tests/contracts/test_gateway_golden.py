"""GW-01: the same request over gRPC and over JSON gives the same result, for every public RPC (generated)."""

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import grpc
import httpx2
import pytest
import pytest_asyncio
from google.protobuf import json_format, message_factory
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from gateway.contract import PublicRpc, public_rpcs
from gateway.testing.fixtures import anybody, api, gateway, running_gateway
from gateway.testing.harness import Harness
from gateway.testing.samples import sample

__all__ = ["anybody", "api", "gateway", "running_gateway"]

pytestmark = pytest.mark.asyncio

RPCS = public_rpcs()
CASES = [
    (rpc, choice)
    for rpc in RPCS
    for choice in range(max([1, *(len(one.fields) for one in rpc.request.oneofs)]))
]
"""Every RPC, once for each member of its choices."""
HTTP_STATUS = {
    "CANCELLED": 499,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 409,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "UNAUTHENTICATED": 401,
}


@pytest_asyncio.fixture(scope="module")
async def channel(running_gateway: Harness) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(running_gateway.grpc_target) as channel:
        yield channel


async def over_grpc(gateway: Harness, channel: grpc.aio.Channel, rpc: PublicRpc, request: Message) -> Message:
    call = channel.unary_unary(
        rpc.grpc_path,
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=message_factory.GetMessageClass(rpc.response).FromString,
    )
    answer: Message = await call(request, metadata=tuple(gateway.bearer.items()))
    return answer


async def over_json(client: httpx2.AsyncClient, rpc: PublicRpc, request: Message) -> httpx2.Response:
    fields: dict[str, Any] = json_format.MessageToDict(request)
    path = rpc.template
    for name in rpc.path_fields:
        path = path.replace("{" + name + "}", fields.pop(rpc.request.fields_by_name[name].json_name))
    if rpc.has_body:
        return await client.request(rpc.verb, path, json=fields)
    query = {name: json.dumps(value) if value is True else value for name, value in fields.items()}
    return await client.request(rpc.verb, f"{path}?{urlencode(query, doseq=True)}")


@pytest.mark.parametrize(("rpc", "choice"), CASES, ids=[f"{rpc.name}-{choice}" for rpc, choice in CASES])
async def test_the_same_request_gives_the_same_result(
    gateway: Harness, api: httpx2.AsyncClient, channel: grpc.aio.Channel, rpc: PublicRpc, choice: int
) -> None:
    request = sample(rpc.request, choice)
    by_grpc = await over_grpc(gateway, channel, rpc, request)
    by_json = await over_json(api, rpc, request)
    assert by_json.status_code == 200, by_json.text
    assert json_format.Parse(by_json.text, message_factory.GetMessageClass(rpc.response)()) == by_grpc
    assert [(call.method, call.request) for call in gateway.stub.calls] == [
        (rpc.method.full_name, request)
    ] * 2
    tokens = {call.metadata["authorization"] for call in gateway.stub.calls}
    assert tokens == {gateway.stub.calls[0].metadata["authorization"]}


@pytest.mark.parametrize(("code", "http_status"), HTTP_STATUS.items())
async def test_errors_are_mapped_once(
    gateway: Harness, api: httpx2.AsyncClient, channel: grpc.aio.Channel, code: str, http_status: int
) -> None:
    rpc = next(rpc for rpc in RPCS if rpc.name == "PostponeAppointment")
    status = status_pb2.Status(code=code_pb2.Code.Value(code), message="no: ein Wort, una parola")
    info = error_details_pb2.ErrorInfo(reason="LEAD_TIME", domain="giro", metadata={"lead_seconds": "129600"})
    violation = error_details_pb2.BadRequest.FieldViolation(field="start", description="too early")
    for detail in (info, error_details_pb2.BadRequest(field_violations=[violation])):
        status.details.add().Pack(detail)
    gateway.stub.error = status
    request = sample(rpc.request)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await over_grpc(gateway, channel, rpc, request)
    assert rpc_status.from_call(refused.value) == status
    answer = await over_json(api, rpc, request)
    assert answer.status_code == http_status
    assert answer.headers["content-type"] == "application/json"
    assert json_format.Parse(answer.text, status_pb2.Status()) == status
    told = answer.json()["details"][1]["fieldViolations"]
    assert [(one["field"], one["description"]) for one in told] == [("start", "too early")]


async def test_zeros_are_printed_and_absent_objects_are_not(
    gateway: Harness, api: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "gateway.testing.stub.sample", lambda message: message_factory.GetMessageClass(message)()
    )
    campaign = (await api.get("/v1/campaigns/cmp_1")).json()
    assert campaign["taken"] == 0
    assert campaign["agentIds"] == []
    assert "buffer" not in campaign
    appointment = (await api.get("/v1/appointments/apt_1")).json()
    assert appointment["version"] == "0"
    assert appointment["state"] == "APPOINTMENT_STATE_UNSPECIFIED"
    assert "legBefore" not in appointment


async def test_grpc_web_is_served(gateway: Harness, anybody: httpx2.AsyncClient) -> None:
    headers = {"content-type": "application/grpc-web+proto", "x-grpc-web": "1"}
    path = "/giro.identity.v1.IdentityService/GetKeys"
    answer = await anybody.post(path, headers=headers, content=b"\0\0\0\0\0")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/grpc-web+proto"
    # one message frame, then the trailers as a frame of their own
    assert answer.content[0] == 0
    assert b"grpc-status:0" in answer.content


async def test_long_requests_and_answers_pass(
    gateway: Harness, api: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Far longer than the buffers of connections, short of the limits."""
    rpc = next(rpc for rpc in RPCS if rpc.name == "ImportContacts")
    request = sample(rpc.request)
    contact = request.contacts[0]  # type: ignore[attr-defined]
    contact.address = "x" * 340
    each = len(json.dumps(json_format.MessageToDict(contact))) + 2
    request.contacts.extend([contact] * (950_000 // each))  # type: ignore[attr-defined]
    ids = message_factory.GetMessageClass(rpc.response)(contact_ids=[f"cnt_{n:032x}" for n in range(100_000)])
    monkeypatch.setattr("gateway.testing.stub.sample", lambda _: ids)
    answer = await over_json(api, rpc, request)
    assert len(answer.request.content) > 900_000
    assert answer.status_code == 200, answer.text[:500]
    assert len(answer.content) > 3_000_000
    assert gateway.stub.calls[0].request == request
