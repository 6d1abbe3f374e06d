"""Bad input through the real Envoy: a clear answer in JSON that names the field, and no service is called."""

import asyncio
import http.client
import json
from typing import Any

import httpx2
import pytest

from gateway.testing.fixtures import api, gateway, running_gateway
from gateway.testing.harness import Harness
from kit.errors import Reason

__all__ = ["api", "gateway", "running_gateway"]

pytestmark = pytest.mark.asyncio

SUGGEST = "/v1/campaigns/cmp_1/slots:suggest"
ITINERARY = "/v1/agents/agt_1/itinerary"


def check(answer: httpx2.Response, status: int, code: int, reason: Reason) -> dict[str, Any]:
    """The body of an error, after checking its form."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    body: dict[str, Any] = answer.json()
    assert set(body) == {"code", "message", "details"}
    assert (body["code"], body["details"][0]["reason"]) == (code, reason)
    assert body["details"][0]["domain"] == "giro"
    assert body["message"]
    return body


def fields(body: dict[str, Any]) -> set[str]:
    return {one["field"] for detail in body["details"] for one in detail.get("fieldViolations", [])}


BODIES = [
    ('{"duration": "1800s"', set()),
    ("not json", set()),
    ('{"contactId": "c", "duration": "1800s", "colour": 1}', {"colour"}),
    ('{"contactId": "c", "duration": "1800s", "limit": "three"}', {"limit"}),
    ('{"contactId": "c", "contactId": "d"}', {"contactId"}),
    ('{"point": {"latitude": NaN, "longitude": 0}}', set()),
    ('{"point": {"latitude": "NaN", "longitude": 0}}', {"point.latitude"}),
    ('{"windows": [{"start": "2026-12-01T10:00:00"}]}', {"windows[0].start"}),
    ('{"windows": [{"start": "2026-12-01T10:00:00.5Z"}]}', {"windows[0].start"}),
    ('{"duration": 1800}', {"duration"}),
    ('{"duration": "30m"}', {"duration"}),
    ('{"campaignId": "cmp_2"}', {"campaignId"}),
    ("[" * 100_000, set()),
]


@pytest.mark.parametrize(("body", "named"), BODIES)
async def test_a_bad_body(gateway: Harness, api: httpx2.AsyncClient, body: str, named: set[str]) -> None:
    answer = await api.post(SUGGEST, content=body)
    is_read = named and "contactId" not in named
    found = check(answer, 400, 3, Reason.INVALID_FIELD if is_read else Reason.MALFORMED_REQUEST)
    assert fields(found) == named
    assert not gateway.stub.calls


QUERIES = [
    ("from=2026-12-01T10:00:00", {"from"}),
    ("from=2026-12-01T10:00:00.5Z", {"from"}),
    ("from=now", {"from"}),
    ("colour=blue", {"colour"}),
    ("from=2026-12-01T10:00:00Z&from=2026-12-02T10:00:00Z", {"from"}),
    ("agentId=agt_2", {"agentId"}),
]


@pytest.mark.parametrize(("query", "named"), QUERIES)
async def test_a_bad_query(gateway: Harness, api: httpx2.AsyncClient, query: str, named: set[str]) -> None:
    found = check(await api.get(f"{ITINERARY}?{query}"), 400, 3, Reason.INVALID_FIELD)
    assert fields(found) == named
    assert not gateway.stub.calls


@pytest.mark.parametrize("megabytes", [1.1, 5, 7])
async def test_a_long_body(gateway: Harness, api: httpx2.AsyncClient, megabytes: float) -> None:
    answer = await api.post(SUGGEST, content=b'"' + b"x" * int(megabytes * (1 << 20)))
    found = check(answer, 413, 8, Reason.TOO_LARGE)
    assert found["details"][0]["metadata"] == {"limit_bytes": str(1 << 20)}
    assert not gateway.stub.calls


async def test_an_endless_body_is_cut_off_and_hurts_nobody(gateway: Harness, api: httpx2.AsyncClient) -> None:
    try:
        answer = await api.post(SUGGEST, content=b"x" * (30 << 20))
        check(answer, 413, 8, Reason.TOO_LARGE)
    except httpx2.TransportError:
        pass  # the connection was broken off while the body was still being sent
    assert (await api.get("/v1/me")).status_code == 200


@pytest.mark.parametrize("headers", [{f"x-many-{n}": "1" for n in range(1000)}, {"x-long": "x" * 100_000}])
async def test_too_many_headers(gateway: Harness, api: httpx2.AsyncClient, headers: dict[str, str]) -> None:
    check(await api.get("/v1/me", headers=headers), 431, 8, Reason.TOO_LARGE)
    assert not gateway.stub.calls


async def test_a_header_with_an_underscore(gateway: Harness, api: httpx2.AsyncClient) -> None:
    check(await api.get("/v1/me", headers={"x_tenant": "t"}), 400, 3, Reason.MALFORMED_REQUEST)
    assert not gateway.stub.calls


@pytest.mark.parametrize("verb", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_a_wrong_verb(gateway: Harness, api: httpx2.AsyncClient, verb: str) -> None:
    answer = await api.request(verb, "/v1/me")
    check(answer, 405, 5, Reason.NOT_FOUND)
    assert answer.headers["allow"] == "GET"
    assert not gateway.stub.calls


@pytest.mark.parametrize(
    "path", ["/v1/nothing", "/v1/me/", "/v1", "/v2/me", "/", "/admin", "/v1/agents/a:fly"]
)
async def test_nothing_is_there(gateway: Harness, api: httpx2.AsyncClient, path: str) -> None:
    check(await api.get(path), 404, 5, Reason.NOT_FOUND)
    assert not gateway.stub.calls


async def test_grpc_on_a_json_path_leads_nowhere(gateway: Harness, api: httpx2.AsyncClient) -> None:
    for content in (b"", b"\0\0\0\0\0"):
        answer = await api.post("/v1/me", headers={"content-type": "application/grpc"}, content=content)
        assert answer.headers["grpc-status"] != "0"
        path = "/v1/appointments/apt_1:confirm"
        answer = await api.post(path, headers={"content-type": "application/grpc"}, content=content)
        assert answer.headers["grpc-status"] != "0"
    assert not gateway.stub.calls


async def test_json_on_a_grpc_path_leads_nowhere(gateway: Harness, api: httpx2.AsyncClient) -> None:
    answer = await api.post("/giro.identity.v1.IdentityService/GetMe", json={})
    check(answer, 404, 5, Reason.NOT_FOUND)
    assert not gateway.stub.calls


def raw(gateway: Harness, target: str) -> tuple[int, bytes]:
    """GET of a target that HTTP clients would tidy up."""
    connection = http.client.HTTPConnection("127.0.0.1", gateway.settings.port, timeout=60)
    connection.putrequest("GET", target, skip_accept_encoding=True)
    for name, value in gateway.bearer.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    found = (answer.status, answer.read())
    connection.close()
    return found


TRICKS = [
    ("/v1/agents/..%2f..%2fgiro.geo.v1.LedgerService/GetHold", 400),
    ("/v1/agents/a%2Fb", 400),
    ("/v1/agents/a%5Cb", 400),
    ("/v1/agents/%2e%2e/%2e%2e/admin", 404),
    ("/v1/agents/../../../etc/passwd", 400),
    ("/v1/agents/a%00b", 400),
    ("/v1/agents/a%0d%0ax-evil:1", 400),
    ("/v1/agents/%ff", 400),
    ("/v1/%2e%2e/%2e%2e/healthz/x", 400),
    ("/v1/agents/;x=1", 400),
    ("/V1/me", 404),
]


@pytest.mark.parametrize(("target", "status"), TRICKS)
async def test_tricks_with_paths(gateway: Harness, target: str, status: int) -> None:
    found, body = await asyncio.to_thread(raw, gateway, target)
    assert found in {status, 404 if status == 400 else status}, body
    assert json.loads(body)["code"] in {3, 5}
    assert not gateway.stub.calls


@pytest.mark.parametrize("target", ["/v1//me", "/v1/./me", "/v1/agents/../me", "/v1/%2e%2e/v1/me"])
async def test_a_path_is_tidied_before_anything_looks_at_it(gateway: Harness, target: str) -> None:
    status, _ = await asyncio.to_thread(raw, gateway, target)
    assert status == 200
    assert [call.method for call in gateway.stub.calls] == ["giro.identity.v1.IdentityService.GetMe"]
