"""The gateway's own process: it serves the edge, and says in words why it cannot."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gateway.edge.ext_authz_pb2 import AttributeContext, CheckRequest, CheckResponse, HttpRequest, Request
from gateway.edge.server import SERVICE
from gateway.testing.tokens import Tokens
from kit.testing.ports import free_ports


@contextmanager
def command(*words: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "gateway", *words],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def said_by(process: subprocess.Popen[str]) -> str:
    return process.communicate(timeout=60)[0]


def check_service(port: int) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        health = health_pb2_grpc.HealthStub(channel)
        answer = health.Check(health_pb2.HealthCheckRequest(), timeout=60, wait_for_ready=True)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        assert asked(channel, "/v1/me").WhichOneof("http_response") == "ok_response"
        assert asked(channel, "/v1/nothing").denied_response.status.code == 404


def wait_for_key(keys: Path, told: Path) -> None:
    """Until what Envoy reads holds the published key."""
    public = json.loads(keys.read_text())["keys"][0]["x"]
    deadline = time.monotonic() + 60
    while not (told.exists() and public in told.read_text()):
        assert time.monotonic() < deadline, "Envoy was never told"
        time.sleep(0.05)


def asked(channel: grpc.Channel, target: str) -> CheckResponse:
    check = channel.unary_unary(
        f"/{SERVICE}/Check",
        request_serializer=CheckRequest.SerializeToString,
        response_deserializer=CheckResponse.FromString,
    )
    http = HttpRequest(
        method="GET", path=target, headers={"traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01"}
    )
    answer: CheckResponse = check(
        CheckRequest(attributes=AttributeContext(request=Request(http=http))), timeout=60
    )
    return answer


def test_it_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
    """And tells Envoy of the keys that there are, and of those that come."""
    port, metrics_port = free_ports(2)
    keys, told = tmp_path / "jwks.json", tmp_path / "tokens.yaml"
    Tokens().write_jwks(keys)
    files = {"GIRO_JWKS_FILE": str(keys), "GIRO_TOKEN_FILTER_FILE": str(told)}
    ports = {"GIRO_EDGE_PORT": str(port), "GIRO_GATEWAY_METRICS_PORT": str(metrics_port)}
    with command("serve", **ports, **files) as process:
        check_service(port)
        wait_for_key(keys, told)
        Tokens().write_jwks(keys)
        wait_for_key(keys, told)
        with urllib.request.urlopen(f"http://127.0.0.1:{metrics_port}/metrics", timeout=30) as page:
            metrics = page.read().decode()
        assert 'giro_gateway_edge_requests_total{status="200"} 1.0' in metrics
        assert 'giro_gateway_edge_requests_total{status="404"} 1.0' in metrics
        process.terminate()
        assert "stopped" in said_by(process)
    assert process.returncode == 0


def test_a_taken_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with command("serve", GIRO_EDGE_PORT=port, GIRO_GATEWAY_METRICS_PORT="0") as process:
            assert "GIRO_EDGE_PORT" in said_by(process)
    assert process.returncode == 2


@pytest.mark.parametrize("variable", ["GIRO_JWKS_FILE", "GIRO_GEO_TARGET"])
def test_settings_that_do_not_fit_are_named(tmp_path: Path, variable: str) -> None:
    with command("envoy-config", "--out", str(tmp_path / "envoy.yaml"), **{variable: ""}) as process:
        assert variable in said_by(process)
    assert process.returncode == 2
    assert not list(tmp_path.iterdir())
