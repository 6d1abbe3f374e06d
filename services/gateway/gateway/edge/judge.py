"""The decision about one JSON request: pass, or refuse with this answer."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.contract import PublicRpc, public_rpcs
from gateway.edge.reading import MalformedError, read_json, read_query, unescape
from gateway.edge.shapes import Violations
from gateway.edge.table import Match, Operation, Table
from gateway.replies import BAD_REQUEST, error_body
from kit.errors import FieldViolation, Reason

# ids of every kind and names of parameters; a colon would start an action
_PLAIN: Final = re.compile(r"[A-Za-z0-9._~-]{1,128}", re.ASCII)
_NO_SUCH_PATH: Final = "no call is served at this path; see /openapi.json"


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that Envoy gives in the service's place: HTTP status, JSON body, further headers."""

    status: int
    body: str
    headers: tuple[tuple[str, str], ...] = ()


class Judge:
    """Holds requests against the contracts; has no state but the compiled table."""

    def __init__(self, max_body_bytes: int) -> None:
        self._table = Table(public_rpcs())
        self._max_body_bytes = max_body_bytes

    def refusal(self, verb: str, target: str, body: bytes) -> Refusal | None:
        """What is wrong with a request for `target` (path and query), or None when it may pass."""
        path, _, query = target.partition("?")
        match = self._table.find(path)
        if match is None:
            return _refused(404, "NOT_FOUND", Reason.NOT_FOUND, _NO_SUCH_PATH)
        operation = match.operations.get(verb)
        if operation is None:
            return _wrong_verb(verb, match)
        if len(body) > self._max_body_bytes:
            return _too_large(self._max_body_bytes)
        try:
            violations = _violations(operation, match, query, body)
        except MalformedError as wrong:
            return _malformed(wrong)
        return _invalid(violations) if violations else None


def _violations(operation: Operation, match: Match, query: str, body: bytes) -> Violations:
    found: Violations = []
    _check_variables(operation.rpc, match.variables, found)
    if operation.rpc.has_body:
        _refuse_query(query, found)
        if body:
            operation.shape.check(read_json(body), "", found)
    else:
        if body:
            raise MalformedError("this call takes no body")
        _check_query(operation, query, found)
    return found


def _check_variables(rpc: PublicRpc, values: Sequence[str], found: Violations) -> None:
    for name, value in zip(rpc.path_fields, values, strict=True):
        if not _PLAIN.fullmatch(unescape(value)):
            found.append(FieldViolation(name, "may hold letters, digits and . _ ~ - only, at most 128"))


def _refuse_query(query: str, found: Violations) -> None:
    found += [
        FieldViolation(name[:200], "unknown query parameter; this call takes its fields in the body")
        for name, _ in read_query(query)
    ]


def _check_query(operation: Operation, query: str, found: Violations) -> None:
    given: set[str] = set()
    for name, text in read_query(query):
        _check_parameter(operation, name, text, found)
        _check_single(operation, name, given, found)


def _check_parameter(operation: Operation, name: str, text: str, found: Violations) -> None:
    field = operation.shape.fields.get(name)
    if field is None or field.scalar is None:
        wrong: str | None = operation.shape.unknown(name).replace("field", "query parameter")
    else:
        wrong = field.scalar.complaint(field.scalar.from_text(text))
    if wrong is not None:
        found.append(FieldViolation(name[:200], wrong))


def _check_single(operation: Operation, name: str, given: set[str], found: Violations) -> None:
    field = operation.shape.fields.get(name)
    if field is None or field.repeated:
        return
    if field.name in given:
        found.append(FieldViolation(name, "is given more than once"))
    given.add(field.name)


# --- answers -----------------------------------------------------------------------------------------------


def _wrong_verb(verb: str, match: Match) -> Refusal:
    allowed = ", ".join(sorted(match.operations))
    said = _refused(405, "NOT_FOUND", Reason.NOT_FOUND, f"this path takes {allowed}, not {verb}")
    return Refusal(said.status, said.body, (("allow", allowed),))


def _too_large(limit: int) -> Refusal:
    message = f"the body is larger than {limit} bytes"
    body = error_body("RESOURCE_EXHAUSTED", message, Reason.TOO_LARGE, {"limit_bytes": str(limit)})
    return Refusal(413, json.dumps(body))


def _malformed(wrong: MalformedError) -> Refusal:
    fields = [FieldViolation(wrong.field, wrong.message)] if wrong.field else []
    return _refused(400, "INVALID_ARGUMENT", Reason.MALFORMED_REQUEST, wrong.message, fields)


def _invalid(violations: Violations) -> Refusal:
    first = violations[0]
    message = f"{first.field or 'the body'}: {first.description}"
    if len(violations) > 1:
        message += f" (and {len(violations) - 1} more)"
    return _refused(400, "INVALID_ARGUMENT", Reason.INVALID_FIELD, message, violations)


def _refused(
    status: int, code: str, reason: Reason, message: str, violations: Sequence[FieldViolation] = ()
) -> Refusal:
    body = error_body(code, message, reason, {})
    if violations:
        told = [{"field": one.field, "description": one.description} for one in violations]
        body["details"].append({"@type": BAD_REQUEST, "fieldViolations": told})
    return Refusal(status, json.dumps(body))
