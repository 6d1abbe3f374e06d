"""What a request passes on its way: CORS, token, rate limit, JSON edge, gRPC-Web, transcoding."""

from pathlib import Path
from typing import Final

from gateway.contract import PublicRpc, public_rpcs, public_services
from gateway.routes import EDGE, HEALTH_PATH, OPENAPI_PATH
from gateway.settings import GatewaySettings
from gateway.typed import Config, header, http_filter, url
from kit.rpc.tokens import AUDIENCE, USER_ISSUER

READ_FACTOR: Final = 8
"""How many times the longest body is read before the connection is broken off."""

# what the edge needs to know of a request; the token stays out
_SEEN_BY_EDGE: Final = ("content-type", "traceparent")


_TOKENS: Final = "giro.tokens"
_JWT_AUTHN: Final = url("envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication")


def http_filters(settings: GatewaySettings, descriptors: Path) -> list[Config]:
    """The filters in their order; `descriptors` is where the descriptor set lies, the keys beside it."""
    cors = [http_filter("cors", "cors.v3.Cors")] if settings.origins else []
    return [
        *cors,
        _discovered_from(tokens_file(settings, descriptors)),
        http_filter("local_ratelimit", "local_ratelimit.v3.LocalRateLimit", **_rate_limit(settings)),
        http_filter("ext_authz", "ext_authz.v3.ExtAuthz", **_json_edge(settings)),
        http_filter("grpc_web", "grpc_web.v3.GrpcWeb"),
        http_filter(
            "grpc_json_transcoder",
            "grpc_json_transcoder.v3.GrpcJsonTranscoder",
            **_transcoder(settings, descriptors),
        ),
        http_filter("router", "router.v3.Router"),
    ]


def tokens_file(settings: GatewaySettings, descriptors: Path) -> Path:
    """Where Envoy discovers the filter that checks tokens."""
    if settings.token_filter_file:
        return Path(settings.token_filter_file).absolute()
    return descriptors.with_suffix(".tokens.yaml")


def _discovered_from(file: Path) -> Config:
    """Until it is read no request gets in; one that Envoy refuses leaves the filter as it was."""
    source = {"path_config_source": {"path": str(file)}, "resource_api_version": "V3"}
    return {"name": _TOKENS, "config_discovery": {"config_source": source, "type_urls": [_JWT_AUTHN]}}


def discovered_tokens(settings: GatewaySettings, keys: str) -> Config:
    """What the file says: the filter with identity's set of keys, as its JSON text."""
    tokens = {"@type": _JWT_AUTHN, **_tokens(settings, keys)}
    extension = url("envoy.config.core.v3.TypedExtensionConfig")
    return {"resources": [{"@type": extension, "name": _TOKENS, "typed_config": tokens}]}


def _tokens(settings: GatewaySettings, keys: str) -> Config:
    """Every path needs a token of identity's, save the open RPCs and the fixed pages.

    Envoy 1.40 knows Ed25519 signatures as alg "EdDSA" alone: a token that says "Ed25519" gets 401, and it
    refuses a key set that says so.
    """
    provider = {
        "issuer": USER_ISSUER,
        "audiences": [AUDIENCE],
        "local_jwks": {"inline_string": keys},
        # only here: a token in a query would end up in logs
        "from_headers": [{"name": "Authorization", "value_prefix": "Bearer "}],
        "forward": True,
        "require_expiration": True,
        "clock_skew_seconds": 5,
    }
    free = [HEALTH_PATH, OPENAPI_PATH, *(path for rpc in public_rpcs() for path in _open_paths(rpc))]
    return {
        "providers": {"giro": provider},
        "rules": [
            *({"match": {"path": path}} for path in free),
            {"match": {"prefix": "/"}, "requires": {"provider_name": "giro"}},
        ],
        "bypass_cors_preflight": bool(settings.origins),
    }


def _open_paths(rpc: PublicRpc) -> list[str]:
    if not rpc.is_open:
        return []
    if rpc.path_fields:
        raise ValueError(f"{rpc.name} needs no token but has a variable path; rules match whole paths")
    return [rpc.template, rpc.grpc_path]


def _rate_limit(settings: GatewaySettings) -> Config:
    always = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
    return {
        "stat_prefix": "public",
        "token_bucket": {
            "max_tokens": settings.rate_limit_per_second * 2,
            "tokens_per_fill": settings.rate_limit_per_second,
            "fill_interval": "1s",
        },
        "filter_enabled": always,
        "filter_enforced": always,
        "rate_limited_as_resource_exhausted": True,
        "response_headers_to_add": [header("retry-after", "1")],
    }


def _json_edge(settings: GatewaySettings) -> Config:
    return {
        "transport_api_version": "V3",
        "grpc_service": {"envoy_grpc": {"cluster_name": EDGE}, "timeout": "5s"},
        "with_request_body": {
            # more than is taken, so that the edge can refuse in words: where Envoy itself stops reading, many
            # clients see a broken connection instead of the answer
            "max_request_bytes": settings.max_body_bytes * READ_FACTOR,
            "allow_partial_message": False,
            "pack_as_bytes": True,
        },
        "allowed_headers": {"patterns": [{"exact": name} for name in _SEEN_BY_EDGE]},
        "failure_mode_allow": False,
        "status_on_error": {"code": "ServiceUnavailable"},
        "validate_mutations": True,
    }


def _transcoder(settings: GatewaySettings, descriptors: Path) -> Config:
    return {
        "proto_descriptor": str(descriptors),
        "services": sorted(public_services()),
        "convert_grpc_status": True,
        "max_request_body_size": settings.max_body_bytes,
        "max_response_body_size": settings.max_response_bytes,
        "print_options": {"always_print_primitive_fields": True},
        "request_validation_options": {
            "reject_unknown_method": True,
            "reject_unknown_query_parameters": True,
        },
    }
