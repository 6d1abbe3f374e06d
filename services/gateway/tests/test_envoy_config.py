"""Envoy's configuration: Envoy takes it, and the limits of a public edge are all in it."""

import asyncio
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway import keys as keys_of_tokens
from gateway.contract import streams
from gateway.envoy import render, write
from gateway.filters import discovered_tokens
from gateway.keys import TokenFilter
from gateway.settings import GatewaySettings
from gateway.testing.envoy import binary
from gateway.testing.tokens import Tokens
from kit.settings import SettingsError

Config = dict[str, Any]


class Stopped(BaseException):
    """Ends a watch, as only what is no Exception may."""


@pytest.fixture(scope="module")
def config() -> Config:
    found: Config = yaml.safe_load(render(GatewaySettings(jwks_file="/nowhere"), Path("/nowhere.binpb")))
    return found


@pytest.fixture(scope="module")
def manager(config: Config) -> Config:
    filters = config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"]
    found: Config = filters[0]["typed_config"]
    return found


def http_filter(manager: Config, name: str) -> Config:
    found: Config = next(one for one in manager["http_filters"] if one["name"].endswith(f".{name}"))[
        "typed_config"
    ]
    return found


@pytest.mark.parametrize("origins", ["", "https://console.example"])
def test_envoy_takes_it(tmp_path: Path, origins: str) -> None:
    Tokens().write_jwks(tmp_path / "jwks.json")
    out = tmp_path / "deeper" / "envoy.yaml"
    write(GatewaySettings(jwks_file=str(tmp_path / "jwks.json"), cors_origins=origins), out)
    command = [str(binary()), "-c", str(out), "--mode", "validate", "--log-level", "error"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_no_key_file_is_said_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="GIRO_JWKS_FILE"):
        write(GatewaySettings(jwks_file=""), tmp_path / "envoy.yaml")
    assert not list(tmp_path.iterdir())


def test_a_set_without_keys_is_said_and_leaves_what_was(tmp_path: Path) -> None:
    keys, out = tmp_path / "jwks.json", tmp_path / "tokens.yaml"
    tokens = TokenFilter(GatewaySettings(jwks_file=str(keys)), out)
    Tokens().write_jwks(keys)
    assert (tokens.write(), tokens.write()) == (True, False)
    before = out.read_text()
    unread = ("", "{}", '{"keys": [{"kid": "k"', '{"keys": ["x"]}', '{"keys": {"kid": "k"}}')
    for broken in (*unread, '{"keys": []}', '{"keys": {}}', '{"keys": [{"kid": "k", "kty": "RSA"}]}'):
        keys.write_text(broken)
        with pytest.raises(SettingsError, match="GIRO_JWKS_FILE"):
            tokens.write()
    assert out.read_text() == before


def test_the_watch_goes_on_after_whatever_befell_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also an error that nobody has thought of."""
    monkeypatch.setattr(keys_of_tokens, "LOOK_SECONDS", 0)
    looks: list[str] = []

    def write(self: TokenFilter) -> bool:
        looks.append("")
        if len(looks) == 3:
            raise Stopped
        raise RuntimeError("nobody thought of it")

    monkeypatch.setattr(TokenFilter, "write", write)
    with pytest.raises(Stopped):
        asyncio.run(TokenFilter(GatewaySettings(), tmp_path / "tokens.yaml").watch())
    assert len(looks) == 3


def test_everything_listens_on_loopback(config: Config) -> None:
    listeners = [config["admin"], *config["static_resources"]["listeners"]]
    assert {one["address"]["socket_address"]["address"] for one in listeners} == {"127.0.0.1"}


def test_nothing_else_than_public_services_is_routed(manager: Config) -> None:
    routes = manager["route_config"]["virtual_hosts"][0]["routes"]
    assert [one["match"] for one in routes] == [
        {"path": "/healthz"},
        {"path": "/openapi.json"},
        {"prefix": "/v1/"},
        {"path": "/giro.booking.v1.DocumentsService/DownloadDocument"},
        {"path": "/giro.booking.v1.DocumentsService/UploadDocument"},
        {"path": "/giro.booking.v1.PortalService/StreamReport"},
        {"path": "/giro.geo.v1.PlanningService/OptimizeDay"},
        {"path": "/giro.geo.v1.PlanningService/PlanTour"},
        {"path": "/giro.geo.v1.PlanningService/RepairDay"},
        {"prefix": "/giro.booking.v1.AnnulmentsService/"},
        {"prefix": "/giro.booking.v1.BookingService/"},
        {"prefix": "/giro.booking.v1.CalendarsService/"},
        {"prefix": "/giro.booking.v1.ContactsService/"},
        {"prefix": "/giro.booking.v1.DocumentsService/"},
        {"prefix": "/giro.booking.v1.ExplanationsService/"},
        {"prefix": "/giro.booking.v1.OutcomesService/"},
        {"prefix": "/giro.booking.v1.PackagesService/"},
        {"prefix": "/giro.booking.v1.PlansService/"},
        {"prefix": "/giro.booking.v1.PortalService/"},
        {"prefix": "/giro.booking.v1.RefixService/"},
        {"prefix": "/giro.booking.v1.RepairsService/"},
        {"prefix": "/giro.booking.v1.SeriesService/"},
        {"prefix": "/giro.booking.v1.SwapsService/"},
        {"prefix": "/giro.booking.v1.UnavailabilityService/"},
        {"prefix": "/giro.booking.v1.WaitlistService/"},
        {"prefix": "/giro.geo.v1.DayService/"},
        {"prefix": "/giro.geo.v1.GeoService/"},
        {"prefix": "/giro.geo.v1.PlanningService/"},
        {"prefix": "/giro.geo.v1.TravelProfileService/"},
        {"prefix": "/giro.geo.v1.ZoneService/"},
        {"prefix": "/giro.identity.v1.IdentityService/"},
        {"prefix": "/giro.identity.v1.TenantParametersService/"},
        {"prefix": "/giro.reminders.v1.RemindersService/"},
    ]
    assert routes[2]["route"]["cluster"] == "edge"
    for one in routes[3:]:
        path = one["match"].get("path") or one["match"]["prefix"]
        assert one["route"]["cluster"] == path.split(".")[1]


def test_a_token_is_needed_unless_said_otherwise() -> None:
    (found,) = discovered_tokens(GatewaySettings(), "{}")["resources"]
    tokens = found["typed_config"]
    *free, last = tokens["rules"]
    assert last == {"match": {"prefix": "/"}, "requires": {"provider_name": "giro"}}
    assert {one["match"]["path"] for one in free if "requires" not in one} == {
        "/healthz",
        "/openapi.json",
        "/v1/sessions",
        "/v1/keys",
        "/giro.identity.v1.IdentityService/CreateSession",
        "/giro.identity.v1.IdentityService/GetKeys",
    }
    provider = tokens["providers"]["giro"]
    assert (provider["issuer"], provider["audiences"], provider["forward"]) == (
        "giro-identity",
        ["giro"],
        True,
    )
    assert provider["from_headers"] == [{"name": "Authorization", "value_prefix": "Bearer "}]
    assert provider["require_expiration"]


def test_limits_of_connections_and_headers(config: Config, manager: Config) -> None:
    listener = config["static_resources"]["listeners"][0]
    clusters = config["static_resources"]["clusters"]
    assert {one["per_connection_buffer_limit_bytes"] for one in (listener, *clusters)} == {32768}
    assert manager["http2_protocol_options"] == {
        "max_concurrent_streams": 100,
        "initial_stream_window_size": 65536,
        "initial_connection_window_size": 1048576,
    }
    common = manager["common_http_protocol_options"]
    assert common["headers_with_underscores_action"] == "REJECT_REQUEST"
    assert common["max_headers_count"] == 100
    assert manager["max_request_headers_kb"] == 32
    assert all(manager[name] for name in ("request_headers_timeout", "stream_idle_timeout"))
    assert common["idle_timeout"]


def test_a_call_that_trickles_in_is_ended_and_a_document_is_not(manager: Config) -> None:
    """25 MB over a slow line pass, a stream in which nothing moves is ended, and so is every other call."""
    assert "request_timeout" not in manager, "it holds for all routes, and counts the bytes of a document too"
    every_call = seconds(manager["common_http_protocol_options"]["max_stream_duration"])
    assert 60 < every_call <= 120
    routes = {
        route["match"].get("path"): route for route in manager["route_config"]["virtual_hosts"][0]["routes"]
    }
    found = {path: routes[path]["route"] for path in streams()}
    for path, route in found.items():
        # the route's timeout runs until the last byte of the answer: a slow reader would meet it
        assert seconds(route["timeout"]) == 0, path
        longest = seconds(route["max_stream_duration"]["max_stream_duration"])
        assert seconds(route["idle_timeout"]) <= longest
        if "/giro.geo.v1.PlanningService/" in path:
            assert seconds(route["idle_timeout"]) == longest == 400
        else:
            assert 25 * 1024 * 1024 * 8 / longest < 64_000, "bits a second of the slowest line that passes"
            assert seconds(route["idle_timeout"]) == 60
    assert {"UploadDocument", "DownloadDocument", "StreamReport"} <= {
        path.rpartition("/")[2] for path in found
    }


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


def test_paths_are_normalised(manager: Config) -> None:
    assert manager["normalize_path"]
    assert manager["merge_slashes"]
    assert manager["path_with_escaped_slashes_action"] == "REJECT_REQUEST"


def test_callers_cannot_pretend(manager: Config) -> None:
    assert manager["use_remote_address"]
    removed = manager["route_config"]["virtual_hosts"][0]["request_headers_to_remove"]
    assert {"x-forwarded-client-cert", "x-giro-tenant"} <= set(removed)


def test_overload_is_refused_not_died_of(config: Config) -> None:
    actions = {
        one["name"]: one["triggers"][0]["threshold"]["value"] for one in config["overload_manager"]["actions"]
    }
    assert 0.90 <= actions["envoy.overload_actions.shrink_heap"] <= 0.95
    assert 0.95 <= actions["envoy.overload_actions.stop_accepting_requests"] <= 0.98


def test_the_transcoder_is_strict_and_bounded(manager: Config) -> None:
    transcoder = http_filter(manager, "grpc_json_transcoder")
    assert transcoder["request_validation_options"] == {
        "reject_unknown_method": True,
        "reject_unknown_query_parameters": True,
    }
    assert transcoder["convert_grpc_status"]
    assert transcoder["max_request_body_size"] == 1 << 20


def test_the_edge_is_asked_and_closes_when_it_fails(manager: Config) -> None:
    edge = http_filter(manager, "ext_authz")
    assert edge["failure_mode_allow"] is False
    assert edge["with_request_body"]["allow_partial_message"] is False
    assert "authorization" not in {one["exact"] for one in edge["allowed_headers"]["patterns"]}


def test_backends_are_watched(config: Config) -> None:
    clusters = {one["name"]: one for one in config["static_resources"]["clusters"]}
    assert set(clusters) == {"identity", "booking", "geo", "reminders", "edge"}
    for name in ("identity", "booking", "geo", "reminders"):
        check = clusters[name]["health_checks"][0]
        assert check["no_traffic_interval"] == "1s"
        assert "grpc_health_check" in check
        assert clusters[name]["common_lb_config"]["healthy_panic_threshold"] == {"value": 0}


def test_cors_is_off_unless_origins_are_named(manager: Config) -> None:
    assert not [one for one in manager["http_filters"] if "cors" in one["name"]]


def test_wrong_settings_are_named() -> None:
    with pytest.raises(SettingsError, match="GIRO_GEO_TARGET"):
        GatewaySettings(geo_target="nowhere")
