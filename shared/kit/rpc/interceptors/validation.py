"""Bytes to messages that keep the contract's rules, or an error that names the field."""

from collections.abc import Callable, Iterator
from typing import Any, Final

import protovalidate
from buf.validate import validate_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message

from kit.errors import FieldViolation, InvalidInput, Reason

_WRAPPED_LIMIT: Final = 20
"""Violations told at most; nobody reads more."""

_validator: Final = protovalidate.Validator()

Decode = Callable[[bytes], Message]


class Decoder:
    """Decodes and checks the requests of one RPC. The rules are run only where the contract has any."""

    def __init__(self, decode: Decode, request: Descriptor) -> None:
        self._decode = decode
        self._name = request.full_name
        self._has_rules = has_rules(request)

    def __call__(self, data: bytes) -> Message:
        """The request. Raises InvalidInput naming each field at fault."""
        try:
            message = self._decode(data)
        except DecodeError as error:
            text = f"the body is no {self._name}"
            raise InvalidInput(Reason.MALFORMED_REQUEST, text) from error
        if self._has_rules:
            check(message)
        if b"\0" in data:  # also a part of many numbers, so the texts themselves are looked at
            _refuse_nul(message)
        return message


def check(message: Message) -> None:
    """Raises InvalidInput (INVALID_FIELD) with a violation for each rule of the contract that is broken."""
    broken = _validator.collect_violations(message)
    if not broken:
        return
    violations = [_violation(found.proto) for found in broken[:_WRAPPED_LIMIT]]
    summary = "; ".join(f"{found.field}: {found.description}" for found in violations)
    raise InvalidInput(Reason.INVALID_FIELD, summary, violations=violations)


def has_rules(message: Descriptor, seen: frozenset[str] = frozenset()) -> bool:
    """Whether the contract of a message, or of one inside it, has any `buf.validate` rule."""
    if message.full_name in seen:
        return False
    if message.GetOptions().HasExtension(validate_pb2.message):
        return True
    if any(oneof.GetOptions().HasExtension(validate_pb2.oneof) for oneof in message.oneofs):
        return True
    inner = seen | {message.full_name}
    return any(_field_has_rules(field, inner) for field in message.fields)


def _field_has_rules(field: FieldDescriptor, seen: frozenset[str]) -> bool:
    if field.GetOptions().HasExtension(validate_pb2.field):
        return True
    return field.message_type is not None and has_rules(field.message_type, seen)


def _violation(found: Any) -> FieldViolation:
    path = "".join(_step(element) for element in found.field.elements) if found.field else ""
    text = found.message or f"breaks the rule {found.rule_id}"
    return FieldViolation(path.removeprefix(".") or "(request)", text)


def _step(element: Any) -> str:
    subscript = element.subscript
    place = "" if subscript is None else f"[{subscript.value}]"
    return f".{element.field_name}{place}"


def _refuse_nul(message: Message) -> None:
    found = next(_nul_fields(message, ""), None)
    if found is not None:
        raise InvalidInput(Reason.INVALID_FIELD, "must not contain the NUL character", field=found)


def _nul_fields(message: Message, prefix: str) -> Iterator[str]:
    for field, value in message.ListFields():
        yield from _nul_in(value, f"{prefix}{field.name}")


def _nul_in(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, str):
        if "\0" in value:
            yield path
    elif isinstance(value, Message):
        yield from _nul_fields(value, f"{path}.")
    elif hasattr(value, "items"):
        for key, inner in value.items():
            yield from _nul_in(inner, f"{path}[{key}]")
    elif hasattr(value, "__iter__") and not isinstance(value, bytes):
        for index, inner in enumerate(value):
            yield from _nul_in(inner, f"{path}[{index}]")
