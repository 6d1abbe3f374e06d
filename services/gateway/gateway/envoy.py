"""Envoy's configuration as one function of the settings.

The way of a JSON request: CORS (only when origins are set) > token > rate limit > JSON edge (strict parsing,
`gateway.edge`) > transcoding to gRPC > service. A gRPC or gRPC-Web request skips the edge: its messages are
typed. Filters before the transcoder see /v1/..., so both kinds of path have routes; after it the route is
chosen again, by the gRPC path. JSON comes out in lowerCamelCase, with enums as names, 64-bit integers as
text and fields that hold their zero printed.
"""

from pathlib import Path
from typing import Final

import yaml

from gateway.contract import public_services
from gateway.descriptors import descriptor_set
from gateway.filters import http_filters, tokens_file
from gateway.keys import TokenFilter
from gateway.replies import Limits, local_reply_config
from gateway.routes import EDGE, routes
from gateway.settings import GatewaySettings
from gateway.typed import BUFFER, Config, address, http2, named, url

_HEADERS_KIB: Final = 32
_HEADERS: Final = 100
_SENDING: Final = 60
"""Seconds that a caller may take to send a call that is no stream."""


def write(settings: GatewaySettings, out: Path) -> None:
    """Writes the configuration to `out`, beside it the descriptors and, if nowhere else, the keys.

    Raises SettingsError without a file of keys, or with one that holds none.
    """
    settings.require("jwks_file")
    descriptors = out.with_suffix(".binpb").absolute()
    tokens = tokens_file(settings, descriptors)
    for file in (out, tokens):
        file.parent.mkdir(parents=True, exist_ok=True)
    TokenFilter(settings, tokens).write()
    descriptors.write_bytes(descriptor_set())
    out.write_text(render(settings, descriptors))


def render(settings: GatewaySettings, descriptors: Path) -> str:
    """The configuration as YAML; `descriptors` is where the descriptor set lies."""
    return yaml.safe_dump(_bootstrap(settings, descriptors), sort_keys=False, width=110)


def _bootstrap(settings: GatewaySettings, descriptors: Path) -> Config:
    targets = {name: getattr(settings, f"{name}_target") for name in set(public_services().values())}
    return {
        # files that are discovered ask for a name
        "node": {"id": "giro-gateway", "cluster": "giro-gateway"},
        "admin": {"address": address("127.0.0.1", settings.admin_port)},
        "overload_manager": _overload_manager(settings),
        "static_resources": {
            "listeners": [_listener(settings, descriptors)],
            "clusters": [
                *(_cluster(name, target, health=True) for name, target in sorted(targets.items())),
                # the edge is asked on every request, which is check enough
                _cluster(EDGE, settings.edge, health=False),
            ],
        },
    }


def _overload_manager(settings: GatewaySettings) -> Config:
    heap = "envoy.resource_monitors.fixed_heap"
    connections = "envoy.resource_monitors.global_downstream_max_connections"
    return {
        "refresh_interval": "0.25s",
        "resource_monitors": [
            named(
                heap,
                "envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig",
                max_heap_size_bytes=settings.max_heap_mib << 20,
            ),
            named(
                connections,
                "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
                max_active_downstream_connections=settings.max_connections,
            ),
        ],
        "actions": [
            _overload_action("envoy.overload_actions.shrink_heap", heap, 0.92),
            _overload_action("envoy.overload_actions.stop_accepting_requests", heap, 0.97),
        ],
    }


def _overload_action(name: str, monitor: str, threshold: float) -> Config:
    return {"name": name, "triggers": [{"name": monitor, "threshold": {"value": threshold}}]}


# --- the listener ------------------------------------------------------------------------------------------


def _listener(settings: GatewaySettings, descriptors: Path) -> Config:
    manager = named(
        "envoy.filters.network.http_connection_manager",
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        **_manager(settings, descriptors),
    )
    return {
        "name": "public",
        "address": address(settings.host, settings.port),
        "per_connection_buffer_limit_bytes": BUFFER,
        "filter_chains": [{"filters": [manager]}],
    }


def _manager(settings: GatewaySettings, descriptors: Path) -> Config:
    return {
        "stat_prefix": "public",
        "codec_type": "AUTO",
        "server_name": "giro",
        "access_log": [_access_log()],
        **_identity_of_callers(),
        **_limits(settings),
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        "local_reply_config": local_reply_config(Limits(settings.max_body_bytes, _HEADERS_KIB << 10)),
        "route_config": routes(settings),
        "http_filters": http_filters(settings, descriptors),
    }


def _identity_of_callers() -> Config:
    """Everybody is outside, loopback too: x-envoy-* and x-request-id of a caller are not believed."""
    return {
        "use_remote_address": True,
        # an address that no caller has: with no range at all, private addresses would count as inside
        "internal_address_config": {"cidr_ranges": [{"address_prefix": "255.255.255.255", "prefix_len": 32}]},
        "generate_request_id": True,
        "always_set_request_id_in_response": True,
    }


def _limits(settings: GatewaySettings) -> Config:
    """No `request_timeout`: it has no route, so it would end a document that takes longer to come, too.

    What bounds a request that trickles in is the longest that any call may take; streams have a bound of
    their own.
    """
    return {
        "common_http_protocol_options": {
            "headers_with_underscores_action": "REJECT_REQUEST",
            "max_headers_count": _HEADERS,
            "idle_timeout": "300s",
            "max_stream_duration": f"{_SENDING + settings.timeout_seconds + 1}s",
        },
        "http2_protocol_options": http2(),
        "max_request_headers_kb": _HEADERS_KIB,
        "request_headers_timeout": "10s",
        "stream_idle_timeout": "120s",
    }


def _access_log() -> Config:
    """One line a request, with no query and no body: both may hold personal data."""
    line = {
        "time": "%START_TIME%",
        "service": "envoy",
        "method": "%REQ(X-ENVOY-ORIGINAL-METHOD?:METHOD)%",
        "path": "%PATH(NQ:ORIG_OR_PATH)%",
        "status": "%RESPONSE_CODE%",
        "why": "%RESPONSE_CODE_DETAILS%",
        "grpc_status": "%RESP(GRPC-STATUS)%%TRAILER(GRPC-STATUS)%",
        "milliseconds": "%DURATION%",
        "bytes_in": "%BYTES_RECEIVED%",
        "bytes_out": "%BYTES_SENT%",
        "backend": "%UPSTREAM_CLUSTER%",
        "request_id": "%REQ(X-REQUEST-ID)%",
        "traceparent": "%REQ(TRACEPARENT)%",
    }
    return named(
        "envoy.access_loggers.stdout",
        "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
        log_format={"json_format": line, "omit_empty_values": True},
    )


# --- clusters ----------------------------------------------------------------------------------------------


def _cluster(name: str, target: str, *, health: bool) -> Config:
    host, port = target.rsplit(":", 1)
    endpoint = {"endpoint": {"address": address(host, int(port))}}
    cluster: Config = {
        "name": name,
        "type": "STRICT_DNS",
        "connect_timeout": "1s",
        "per_connection_buffer_limit_bytes": BUFFER,
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": url("envoy.extensions.upstreams.http.v3.HttpProtocolOptions"),
                "explicit_http_config": {"http2_protocol_options": http2()},
            }
        },
        # a backend that fails its checks gets nothing: waiting would only hide it
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
    if health:
        cluster["health_checks"] = [_health_check()]
    return cluster


def _health_check() -> Config:
    return {
        "timeout": "1s",
        "interval": "2s",
        # without it a backend nobody calls is looked at once a minute
        "no_traffic_interval": "1s",
        "unhealthy_interval": "1s",
        "unhealthy_threshold": 2,
        "healthy_threshold": 1,
        "grpc_health_check": {},
    }
