"""Who gets in: tokens, the internal ledger, headers that pretend, request and trace ids."""

import base64
import json
import re
import time
from pathlib import Path

import grpc
import httpx2
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from joserfc import jwt
from joserfc.jwk import OctKey

from gateway.testing.fixtures import anybody, gateway, running_gateway
from gateway.testing.harness import Harness
from gateway.testing.tokens import Tokens
from giro.geo.v1 import ledger_pb2, ledger_pb2_grpc
from giro.identity.v1 import identity_pb2, identity_pb2_grpc
from kit.rpc.context import Caller
from kit.rpc.tokens import ServiceTokens

__all__ = ["anybody", "gateway", "running_gateway"]

pytestmark = pytest.mark.asyncio

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def unsigned(gateway: Harness) -> str:
    parts = ({"alg": "none", "typ": "JWT"}, gateway.tokens.claims())
    head, body = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
    return f"{head}.{body}."


def signed_with_public_key(gateway: Harness) -> str:
    """The classic confusion: HS256 with the published key as the secret."""
    public = gateway.tokens.key.as_dict(private=False)["x"]
    secret = OctKey.import_key(base64.urlsafe_b64decode(f"{public}="))
    return jwt.encode({"alg": "HS256", "kid": "test"}, gateway.tokens.claims(), secret, algorithms=["HS256"])


def of_a_service(_: Harness) -> str:
    return ServiceTokens("booking", "s" * 40).mint("ten_1", Caller("usr_1", "ten_1"))


def with_another_body(gateway: Harness) -> str:
    head, _, signature = gateway.tokens.sign().split(".")
    claims = json.dumps(gateway.tokens.claims(tid="ten_2")).encode()
    return f"{head}.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.{signature}"


BAD_TOKENS = {
    "none": lambda _: None,
    "dots": lambda _: "..",
    "garbage": lambda _: "garbage",
    "expired": lambda gateway: gateway.tokens.sign(exp=int(time.time()) - 60),
    "endless": lambda gateway: gateway.tokens.sign(exp=None),
    "not yet": lambda gateway: gateway.tokens.sign(nbf=int(time.time()) + 600),
    "other issuer": lambda gateway: gateway.tokens.sign(iss="somebody"),
    "other audience": lambda gateway: gateway.tokens.sign(aud="somebody"),
    "other key": lambda _: Tokens().sign(),
    "other body": with_another_body,
    "alg none": unsigned,
    "HS256 with the public key": signed_with_public_key,
    "a service's": of_a_service,
    "alg Ed25519": lambda gateway: gateway.tokens.sign(alg="Ed25519"),
}


@pytest.mark.parametrize("kind", BAD_TOKENS)
async def test_a_bad_token_gets_nowhere(gateway: Harness, anybody: httpx2.AsyncClient, kind: str) -> None:
    token = BAD_TOKENS[kind](gateway)
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    answer = await anybody.get("/v1/me", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert body["code"] == 16
    assert body["details"][0]["reason"] == "UNAUTHENTICATED"
    async with grpc.aio.insecure_channel(gateway.grpc_target) as channel:
        stub = identity_pb2_grpc.IdentityServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.GetMe(identity_pb2.GetMeRequest(), metadata=tuple(headers.items()))
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert reason_of(refused.value) == "UNAUTHENTICATED"
    assert not gateway.stub.calls


def reason_of(refused: grpc.aio.AioRpcError) -> str:
    status = rpc_status.from_call(refused)
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return str(info.reason)


async def test_other_keys_are_taken_while_envoy_runs(gateway: Harness, anybody: httpx2.AsyncClient) -> None:
    """The new one beside the old one first, then alone; no connection breaks."""
    old, new, file = gateway.tokens, Tokens(), Path(gateway.settings.jwks_file)

    async def statuses(published: list[Tokens], wanted: list[int]) -> list[int]:
        """What both tokens get, once Envoy has taken the keys or half a minute is over."""
        file.write_text(json.dumps({"keys": [each.key.as_dict(private=False) for each in published]}))
        assert gateway.envoy.tokens.write()
        until = time.monotonic() + 30
        while True:
            bearers = [{"authorization": f"Bearer {each.sign()}"} for each in (old, new)]
            found = [(await anybody.get("/v1/me", headers=each)).status_code for each in bearers]
            if found == wanted or time.monotonic() > until:
                return found

    try:
        for published, wanted in (([old, new], [200, 200]), ([new], [401, 200])):
            assert await statuses(published, wanted) == wanted
    finally:
        assert await statuses([old], [200, 401]) == [200, 401]


async def test_a_token_in_the_address_is_not_looked_at(gateway: Harness, anybody: httpx2.AsyncClient) -> None:
    answer = await anybody.get(f"/v1/me?access_token={gateway.tokens.sign()}")
    assert answer.status_code == 401


async def test_open_calls_need_no_token(gateway: Harness, anybody: httpx2.AsyncClient) -> None:
    assert (await anybody.get("/v1/keys")).status_code == 200
    signing_in = await anybody.post("/v1/sessions", json={"email": "a@b.example", "password": "x"})
    assert signing_in.status_code == 200
    async with grpc.aio.insecure_channel(gateway.grpc_target) as channel:
        await identity_pb2_grpc.IdentityServiceStub(channel).GetKeys(identity_pb2.GetKeysRequest())
    assert len(gateway.stub.calls) == 3


async def test_fixed_pages(gateway: Harness, anybody: httpx2.AsyncClient) -> None:
    health = await anybody.get("/healthz")
    assert (health.status_code, health.json()) == (200, {"status": "ok"})
    page = await anybody.get("/openapi.json")
    assert page.status_code == 200
    assert page.headers["content-type"] == "application/json"
    assert page.json()["openapi"] == "3.1.0"


async def test_the_ledger_is_not_reachable(gateway: Harness, anybody: httpx2.AsyncClient) -> None:
    async with grpc.aio.insecure_channel(gateway.grpc_target) as channel:
        ledger = ledger_pb2_grpc.LedgerServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await ledger.GetHold(
                ledger_pb2.GetHoldRequest(hold_id="hld_1"), metadata=tuple(gateway.bearer.items())
            )
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
    path = "/giro.geo.v1.LedgerService/GetHold"
    for headers in ({}, {"content-type": "application/json"}, {"content-type": "application/grpc-web"}):
        answer = await anybody.post(path, headers={**gateway.bearer, **headers}, content=b"\0\0\0\0\0")
        assert answer.status_code == 404 or answer.headers.get("grpc-status") == "12"
    assert not gateway.stub.calls


async def test_health_and_reflection_stay_inside(gateway: Harness, anybody: httpx2.AsyncClient) -> None:
    for path in (
        "/grpc.health.v1.Health/Check",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    ):
        answer = await anybody.post(path, headers=gateway.bearer, content=b"\0\0\0\0\0")
        assert answer.status_code == 404


async def test_headers_that_pretend_are_removed(gateway: Harness, anybody: httpx2.AsyncClient) -> None:
    pretending = {
        "x-giro-tenant": "ten_2",
        "x-giro-caller": "usr_2",
        "x-forwarded-client-cert": "By=giro",
        "x-envoy-upstream-rq-timeout-ms": "1",
        "x-envoy-internal": "true",
        "x-request-id": "mine",
    }
    answer = await anybody.get("/v1/me", headers={**gateway.bearer, **pretending})
    assert answer.status_code == 200
    seen = gateway.stub.calls[0].metadata
    assert not {"x-giro-tenant", "x-giro-caller", "x-forwarded-client-cert", "x-envoy-internal"} & set(seen)
    assert seen["x-request-id"] == answer.headers["x-request-id"] != "mine"


async def test_a_trace_goes_on(gateway: Harness, anybody: httpx2.AsyncClient) -> None:
    await anybody.get("/v1/me", headers={**gateway.bearer, "traceparent": TRACE})
    assert gateway.stub.calls[0].metadata["traceparent"] == TRACE


@pytest.mark.parametrize("brought", [{}, {"traceparent": "nonsense"}])
async def test_a_trace_begins_at_the_edge(
    gateway: Harness, anybody: httpx2.AsyncClient, brought: dict[str, str]
) -> None:
    await anybody.get("/v1/me", headers={**gateway.bearer, **brought})
    traceparent = gateway.stub.calls[0].metadata["traceparent"]
    assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-01", traceparent)


async def test_a_service_gets_a_deadline(gateway: Harness, anybody: httpx2.AsyncClient) -> None:
    await anybody.get("/v1/me", headers=gateway.bearer)
    assert gateway.stub.calls[0].seconds_left is not None
    assert 25 < gateway.stub.calls[0].seconds_left <= 30


async def test_no_browser_is_let_in_unasked(gateway: Harness, anybody: httpx2.AsyncClient) -> None:
    answer = await anybody.get("/v1/me", headers={**gateway.bearer, "origin": "https://evil.example"})
    assert "access-control-allow-origin" not in answer.headers
