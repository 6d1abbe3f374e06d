"""How Envoy's own answers look: the same `{code, message, details}` that the services' errors have.

Without this, what Envoy refuses by itself (no token, no such path, too large, backend down) is plain text.
The answers of the JSON edge and of fixed pages pass as they are. A gRPC caller gets the message as
grpc-message and the details as grpc-status-details-bin; Envoy derives its status from the HTTP status.
"""

import base64
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import code_pb2, error_details_pb2, status_pb2

from kit.errors import Reason

DOMAIN: Final = "giro"
ERROR_INFO: Final = "type.googleapis.com/google.rpc.ErrorInfo"
BAD_REQUEST: Final = "type.googleapis.com/google.rpc.BadRequest"

_BODY: Final = "%LOCAL_REPLY_BODY%"
_DETAILS: Final = "%RESPONSE_CODE_DETAILS%"

Config = dict[str, Any]


@dataclass(frozen=True)
class Reply:
    """One answer of Envoy's own: for HTTP `status`, the gRPC code's name, the reason, what to say.

    `more` is what Envoy adds to the message in JSON; `becomes` is the HTTP status told instead, where
    Envoy's choice is not ours; `grpc` is the code's name for gRPC callers, where Envoy makes it another one.
    """

    status: int
    code: str
    reason: Reason
    message: str
    more: str = ""
    becomes: int | None = None
    grpc: str = ""


_NO_TOKEN: Final = "a valid token is needed"  # noqa: S105 - no secret
_NO_ANSWER: Final = "the service does not answer now; try again"

REPLIES: Final = (
    Reply(400, "INVALID_ARGUMENT", Reason.MALFORMED_REQUEST, "the request is malformed", _DETAILS),
    Reply(401, "UNAUTHENTICATED", Reason.UNAUTHENTICATED, _NO_TOKEN, _BODY),
    # Envoy says 403 to a token that is meant for somebody else
    Reply(403, "UNAUTHENTICATED", Reason.UNAUTHENTICATED, _NO_TOKEN, _BODY, becomes=401),
    Reply(
        404,
        "NOT_FOUND",
        Reason.NOT_FOUND,
        "nothing is served at this path; see /openapi.json",
        grpc="UNIMPLEMENTED",
    ),
    Reply(408, "DEADLINE_EXCEEDED", Reason.MALFORMED_REQUEST, "the request did not arrive in time"),
    Reply(413, "RESOURCE_EXHAUSTED", Reason.TOO_LARGE, "the body is larger than this gateway takes"),
    Reply(429, "RESOURCE_EXHAUSTED", Reason.RATE_LIMITED, "too many requests; try again later"),
    Reply(431, "RESOURCE_EXHAUSTED", Reason.TOO_LARGE, "the headers are more or larger than are taken"),
    Reply(503, "UNAVAILABLE", Reason.SERVICE_UNAVAILABLE, _NO_ANSWER),
    Reply(
        504,
        "DEADLINE_EXCEEDED",
        Reason.SERVICE_UNAVAILABLE,
        "the service did not answer in time",
        grpc="UNAVAILABLE",
    ),
)
"""Every answer of Envoy's own by HTTP status; others are told as 400 or 503 would be."""

_SILENT: Final = Reply(
    408,
    "UNAVAILABLE",
    Reason.SERVICE_UNAVAILABLE,
    "nothing moved on this call for too long; try again",
    becomes=504,
)
"""What a gRPC caller is told where a JSON caller hears 408, which is no gRPC code: it would be UNKNOWN."""

_OTHER_REFUSAL: Final = Reply(
    400, "INVALID_ARGUMENT", Reason.MALFORMED_REQUEST, "the request is refused", _DETAILS
)
_OTHER_FAILURE: Final = Reply(500, "UNAVAILABLE", Reason.SERVICE_UNAVAILABLE, _NO_ANSWER)


@dataclass(frozen=True)
class Limits:
    """What TOO_LARGE tells as `limit_bytes`."""

    body_bytes: int
    headers_bytes: int

    def metadata(self, reply: Reply) -> dict[str, str]:
        """Metadata of this reply's ErrorInfo."""
        if reply.reason is not Reason.TOO_LARGE:
            return {}
        return {"limit_bytes": str(self.headers_bytes if reply.status == 431 else self.body_bytes)}


def local_reply_config(limits: Limits) -> Config:
    """The `local_reply_config` of the connection manager."""
    return {
        "mappers": [
            {"filter": _ready_made(), "body_format_override": _text(_BODY, "application/json")},
            *(_grpc_mapper(_SILENT if reply.status == 408 else reply, limits) for reply in REPLIES),
            *(_json_mapper(reply, _status("EQ", reply.status), limits) for reply in REPLIES),
            _json_mapper(_OTHER_FAILURE, _status("GE", 500), limits),
        ],
        "body_format": _json(_OTHER_REFUSAL, limits),
    }


def error_body(code: str, message: str, reason: Reason, metadata: dict[str, str]) -> Config:
    """An error as JSON clients see it, without violations."""
    info = {"@type": ERROR_INFO, "reason": str(reason), "domain": DOMAIN, "metadata": metadata}
    return {"code": code_pb2.Code.Value(code), "message": message, "details": [info]}


def _json_mapper(reply: Reply, condition: Config, limits: Limits) -> Config:
    return {"filter": condition, "body_format_override": _json(reply, limits), **_becomes(reply)}


def _json(reply: Reply, limits: Limits) -> Config:
    message = f"{reply.message}: {reply.more}" if reply.more else reply.message
    return {"json_format": error_body(reply.code, message, reply.reason, limits.metadata(reply))}


def _grpc_mapper(reply: Reply, limits: Limits) -> Config:
    return {
        "filter": _both(_status("EQ", reply.status), *_by_grpc()),
        "body_format_override": _text(reply.message, "text/plain"),
        "headers_to_add": [
            {"header": {"key": "grpc-status-details-bin", "value": _status_details(reply, limits)}}
        ],
        **_becomes(reply),
    }


def _status_details(reply: Reply, limits: Limits) -> str:
    detail = AnyMessage()
    detail.Pack(
        error_details_pb2.ErrorInfo(reason=str(reply.reason), domain=DOMAIN, metadata=limits.metadata(reply))
    )
    code = code_pb2.Code.Value(reply.grpc or reply.code)
    status = status_pb2.Status(code=code, message=reply.message, details=[detail])
    return base64.b64encode(status.SerializeToString(deterministic=True)).decode().rstrip("=")


def _becomes(reply: Reply) -> Config:
    return {} if reply.becomes is None else {"status_code": reply.becomes}


def _text(template: str, content_type: str) -> Config:
    return {"text_format_source": {"inline_string": template}, "content_type": content_type}


# --- conditions --------------------------------------------------------------------------------------------


def _ready_made() -> Config:
    """Fixed pages (200), and refusals by the edge; the edge's own failure is 503, which is not ready-made."""
    refused = _both({"response_flag_filter": {"flags": ["UAEX"]}}, _status("LE", 499))
    return {"or_filter": {"filters": [_status("EQ", 200), refused]}}


def _by_grpc() -> tuple[Config, Config]:
    """The caller spoke gRPC or gRPC-Web: a JSON request looks like gRPC too once it is transcoded."""
    spoken = {"name": "content-type", "string_match": {"prefix": "application/grpc"}}
    transcoded = {"name": "x-envoy-original-method", "present_match": True, "invert_match": True}
    return {"header_filter": {"header": spoken}}, {"header_filter": {"header": transcoded}}


def _both(*conditions: Config) -> Config:
    return {"and_filter": {"filters": list(conditions)}}


def _status(operation: str, value: int) -> Config:
    threshold = {"default_value": value, "runtime_key": f"giro.local_reply.{operation.lower()}.{value}"}
    return {"status_code_filter": {"comparison": {"op": operation, "value": threshold}}}
