"""What a call answers when it fails: our own errors with their details, everything else without any."""

from typing import Any, NoReturn

import grpc

from kit import telemetry
from kit.db.failures import DRIVER_ERRORS, translate
from kit.errors import GiroError
from kit.rpc import status

_log = telemetry.logger("kit.rpc")


async def answer(context: Any, error: Exception, method: str) -> NoReturn:
    """Ends the call with the error's status; unforeseen ones are INTERNAL and told to the log alone."""
    known = _known(error)
    if known is None:
        _log.error("rpc failed", method=method, exc_info=error)
        await context.abort(grpc.StatusCode.INTERNAL, "internal error", _headers())
        raise AssertionError("abort raises")
    details = ((status.DETAILS_KEY, status.details_of(known)), *_headers())
    await context.abort(status.code_of(known), known.message, details)
    raise AssertionError("abort raises")


def code_of(error: Exception) -> str:
    """Name of the status code that `answer` ends the call with."""
    known = _known(error)
    return "INTERNAL" if known is None else known.code


def _known(error: Exception) -> GiroError | None:
    if isinstance(error, GiroError):
        return error
    return translate(error, {}) if isinstance(error, DRIVER_ERRORS) else None


def _headers() -> tuple[tuple[str, str], ...]:
    return (("x-request-id", telemetry.request_id()),)
