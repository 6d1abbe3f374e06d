"""Errors as gRPC statuses with `google.rpc` details, and back."""

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

from kit.errors import BY_CODE, FieldViolation, GiroError, Reason

DOMAIN = "giro"
DETAILS_KEY = "grpc-status-details-bin"

_CODES = {code.name: code for code in grpc.StatusCode}
_NUMBERED = {code.value[0]: code for code in grpc.StatusCode}


def code_of(error: GiroError) -> grpc.StatusCode:
    """The status code of an error's class."""
    return _CODES[error.code]


def status_of(error: GiroError) -> status_pb2.Status:
    """A `google.rpc.Status` with ErrorInfo and, where fields are named, BadRequest."""
    status = status_pb2.Status(code=code_of(error).value[0], message=error.message)
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=error.metadata)
    status.details.append(_packed(info))
    if error.violations:
        status.details.append(_packed(_bad_request(error)))
    return status


def details_of(error: GiroError) -> bytes:
    """The same, serialized."""
    serialized: bytes = status_of(error).SerializeToString()
    return serialized


def error_of(failed: grpc.aio.AioRpcError) -> GiroError | None:
    """The error that a peer's status stands for, or None when it carries none of ours."""
    status = _status(failed)
    return None if status is None else error_in(status, failed.code())


def error_in(status: status_pb2.Status, code: grpc.StatusCode | None = None) -> GiroError | None:
    """The error that a status stands for, by its own code unless another is told, or None when it is none of
    ours."""
    kind = BY_CODE.get((code or _NUMBERED.get(status.code, grpc.StatusCode.UNKNOWN)).name)
    if kind is None:
        return None
    info, bad_request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details:
        detail.Unpack(info) or detail.Unpack(bad_request)
    if info.domain != DOMAIN or info.reason not in Reason.__members__:
        return None
    fields = [FieldViolation(found.field, found.description) for found in bad_request.field_violations]
    return kind(Reason(info.reason), status.message, metadata=dict(info.metadata), violations=fields)


def _bad_request(error: GiroError) -> error_details_pb2.BadRequest:
    violation = error_details_pb2.BadRequest.FieldViolation
    return error_details_pb2.BadRequest(
        field_violations=[
            violation(field=found.field, description=found.description) for found in error.violations
        ]
    )


def _packed(detail: error_details_pb2.ErrorInfo | error_details_pb2.BadRequest) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(detail)
    return packed


def _status(failed: grpc.aio.AioRpcError) -> status_pb2.Status | None:
    for key, value in failed.trailing_metadata() or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            return status_pb2.Status.FromString(value)
    return None
