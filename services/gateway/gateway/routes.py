"""Which paths lead where. Filters before the transcoder see /v1/..., those after it the gRPC path."""

from pathlib import Path
from typing import Final

from gateway.contract import public_services, streams
from gateway.settings import GatewaySettings
from gateway.typed import Config, header, url

OPENAPI_FILE: Final = Path(__file__).with_name("openapi.json")
OPENAPI_PATH: Final = "/openapi.json"
HEALTH_PATH: Final = "/healthz"

_SEARCHES: Final = "/giro.geo.v1.PlanningService/"
"""Streams in which nothing may move for as long as the solver searches."""

_LONGEST_SEARCH: Final = 400
"""Seconds: five minutes of search at most, and the wait for a worker."""

LONGEST_TRANSFER: Final = 3600
"""Seconds that a document or a report may take: 25 MB at 58 kbit/s, 100 MB at 240."""

IDLE_TRANSFER: Final = 60
"""Seconds in which nothing moved, after which a transfer is ended: nobody is there any more."""

EDGE: Final = "edge"
"""Name of the JSON edge's cluster."""

# what a caller could pretend to be; who calls is read from the token alone
_IDENTITY_HEADERS: Final = ("x-forwarded-client-cert", "x-giro-tenant", "x-giro-caller", "x-giro-service")


def routes(settings: GatewaySettings) -> Config:
    """The route configuration: fixed pages, JSON paths, gRPC services; nothing else is served."""
    host: Config = {
        "name": "giro",
        "domains": ["*"],
        "request_headers_to_remove": list(_IDENTITY_HEADERS),
        "routes": [
            _page(HEALTH_PATH, {"inline_string": '{"status":"ok"}\n'}),
            _page(OPENAPI_PATH, {"filename": str(OPENAPI_FILE)}),
            _json(),
            *(_stream(path, backend) for path, backend in sorted(streams().items())),
            *(_service(settings, name, backend) for name, backend in sorted(public_services().items())),
        ],
    }
    if settings.origins:
        host["typed_per_filter_config"] = {"envoy.filters.http.cors": _cors(settings.origins)}
    return {
        "name": "public",
        "max_direct_response_body_size_bytes": 4 << 20,
        "virtual_hosts": [host],
    }


def _page(path: str, body: Config) -> Config:
    """A fixed page; the transcoder would call it an unknown method, and the edge too."""
    off = {"@type": url("envoy.config.route.v3.FilterConfig"), "disabled": True}
    return {
        "match": {"path": path},
        "direct_response": {"status": 200, "body": body},
        "typed_per_filter_config": {
            "envoy.filters.http.ext_authz": off,
            "envoy.filters.http.grpc_json_transcoder": off,
        },
    }


def _json() -> Config:
    """JSON paths, for the filters before the transcoder, which picks the gRPC route anew.

    Nothing gets past the edge and the transcoder on this route. It is no direct response all the same, since
    CORS does not work on those; should anything get past, the edge knows no such call.
    """
    return {"match": {"prefix": "/v1/"}, "route": {"cluster": EDGE, "timeout": "5s"}}


def _service(settings: GatewaySettings, service: str, backend: str) -> Config:
    """Calls of one gRPC service, transcoded ones too. The service's own deadline comes a second first."""
    by_message = {
        "@type": url("envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute"),
        "disabled": True,
    }
    return {
        "match": {"prefix": f"/{service}/"},
        "route": {
            "cluster": backend,
            "timeout": f"{settings.timeout_seconds + 1}s",
            # none of these reached the service's code
            "retry_policy": {"retry_on": "connect-failure,refused-stream", "num_retries": 2},
        },
        "request_headers_to_add": [
            header("grpc-timeout", f"{settings.timeout_seconds}S", action="ADD_IF_ABSENT")
        ],
        "typed_per_filter_config": {"envoy.filters.http.ext_authz": by_message},
    }


def _stream(path: str, backend: str) -> Config:
    """A stream, over gRPC alone, with a bound on all of it and on its silence.

    A search may take as long as its request's budget says, which is bounded there. A document or a report
    moves as fast as the line does. The route's own timeout begins with the end of the request and ends with
    that of the answer, so it would end a download over a slow line: the duration of the stream bounds that.
    """
    longest, idle = LONGEST_TRANSFER, IDLE_TRANSFER
    if path.startswith(_SEARCHES):
        longest = idle = _LONGEST_SEARCH
    by_message = {
        "@type": url("envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute"),
        "disabled": True,
    }
    return {
        "match": {"path": path},
        "route": {
            "cluster": backend,
            "timeout": "0s",
            "idle_timeout": f"{idle}s",
            "max_stream_duration": {"max_stream_duration": f"{longest}s"},
        },
        "typed_per_filter_config": {"envoy.filters.http.ext_authz": by_message},
    }


def _cors(origins: list[str]) -> Config:
    return {
        "@type": url("envoy.extensions.filters.http.cors.v3.CorsPolicy"),
        "allow_origin_string_match": [{"exact": origin} for origin in origins],
        "allow_methods": "GET, POST, DELETE, OPTIONS",
        "allow_headers": "authorization, content-type, traceparent, x-grpc-web, x-user-agent, grpc-timeout",
        "expose_headers": "grpc-status, grpc-message, grpc-status-details-bin, x-request-id, retry-after",
        "max_age": "600",
    }
