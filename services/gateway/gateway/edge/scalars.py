"""What a single JSON value has to be for a field of a kind; all the ways to be wrong, said in words.

Stricter than protobuf's own JSON reading where that is lenient without need: no numbers in quotes (64-bit
integers apart), no numbers for enums, no null, whole seconds only (every instant and length of time of the
contracts is whole seconds).
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor

Complaint = str | None
"""What is wrong with a value, or None when it is right."""

_INTEGER: Final = re.compile(r"-?(0|[1-9][0-9]{0,18})", re.ASCII)
_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?", re.ASCII)
_INSTANT: Final = re.compile(
    r"(?P<wall>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})"
    r"(\.(?P<fraction>[0-9]{1,9}))?(?P<zone>Z|[+-][0-9]{2}:[0-9]{2})?",
    re.ASCII,
)
_LENGTH: Final = re.compile(r"(?P<whole>-?[0-9]{1,12})(\.(?P<fraction>[0-9]{1,9}))?s", re.ASCII)
_LONGEST_LENGTH: Final = 315_576_000_000
_HOUR_AND_MINUTE: Final = (23, 59)


@dataclass(frozen=True, slots=True)
class Scalar:
    """One kind of single value: `complaint` judges a JSON value, `from_text` reads a query's text as one."""

    complaint: Callable[[object], Complaint]
    from_text: Callable[[str], object]


def _as_it_is(text: str) -> object:
    return text


def _text_to_integer(text: str) -> object:
    return int(text) if _INTEGER.fullmatch(text) else text


def _text_to_number(text: str) -> object:
    return float(text) if _NUMBER.fullmatch(text) else text


def _text_to_boolean(text: str) -> object:
    return {"true": True, "false": False}.get(text, text)


def _text(value: object) -> Complaint:
    if not isinstance(value, str):
        return f"must be text, not {kind_of(value)}"
    if "\x00" in value:
        return "must not contain the character U+0000"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "is not Unicode text: half of a surrogate pair"
    return None


def _boolean(value: object) -> Complaint:
    return None if isinstance(value, bool) else f"must be true or false, not {kind_of(value)}"


def _number(value: object) -> Complaint:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"must be a number, not {kind_of(value)}"
    try:
        return None if math.isfinite(value) else "must be a finite number"
    except OverflowError:
        return "must be a finite number"


def _integer(bits: int, signed: bool) -> Callable[[object], Complaint]:
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    in_text = " (it may be in quotes)" if bits == 64 else ""

    def complaint(value: object) -> Complaint:
        if bits == 64 and isinstance(value, str) and _INTEGER.fullmatch(value):
            value = int(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            return f"must be a whole number{in_text}, not {kind_of(value)}"
        return None if low <= value <= high else f"must be from {low} to {high}"

    return complaint


def _one_of(enum: EnumDescriptor) -> Callable[[object], Complaint]:
    names = frozenset(enum.values_by_name)
    known = ", ".join(value.name for value in enum.values)

    def complaint(value: object) -> Complaint:
        return None if isinstance(value, str) and value in names else f"must be one of {known}"

    return complaint


def _instant(value: object) -> Complaint:
    """RFC 3339 in whole seconds, with its zone."""
    if not isinstance(value, str):
        return f'must be an instant in quotes, as in "2026-12-01T10:00:00Z", not {kind_of(value)}'
    parts = _INSTANT.fullmatch(value)
    if parts is None:
        return 'must be an instant as in "2026-12-01T10:00:00Z" or "2026-12-01T11:00:00+01:00"'
    if parts["zone"] is None:
        return 'needs a zone: "Z" or an offset as in "+01:00"'
    if parts["fraction"] and parts["fraction"].strip("0"):
        return "must be whole seconds"
    return _exists(parts["wall"], parts["zone"])


def _exists(wall: str, zone: str) -> Complaint:
    hours, minutes = (0, 0) if zone == "Z" else (int(zone[1:3]), int(zone[4:6]))
    if hours > _HOUR_AND_MINUTE[0] or minutes > _HOUR_AND_MINUTE[1]:
        return "is no offset from UTC that exists"
    try:
        instant = datetime.fromisoformat(wall + ("+00:00" if zone == "Z" else zone))
        instant.astimezone(tz=None if instant.tzinfo is None else _UTC)
    except (ValueError, OverflowError):
        return "is no instant that exists between the years 1 and 9999"
    return None


_UTC: Final = datetime.fromisoformat("2000-01-01T00:00:00+00:00").tzinfo


def _length(value: object) -> Complaint:
    """A length of time in whole seconds, as in "1800s"."""
    parts = _LENGTH.fullmatch(value) if isinstance(value, str) else None
    if parts is None:
        return f'must be seconds in quotes, as in "1800s", not {kind_of(value)}'
    if parts["fraction"] and parts["fraction"].strip("0"):
        return "must be whole seconds"
    if abs(int(parts["whole"])) > _LONGEST_LENGTH:
        return f"must be at most {_LONGEST_LENGTH} seconds"
    return None


def kind_of(value: object) -> str:
    """What a JSON value is, in words; short text is quoted."""
    match value:
        case None:
            return "null (leave the field out instead)"
        case bool():
            return "true" if value else "false"
        case str():
            return f'"{value}"' if len(value) <= 40 and value.isprintable() else "this text"
        case int() | float():
            return "a number"
        case list():
            return "a list"
    return "an object"


_INSTANT_SCALAR: Final = Scalar(_instant, _as_it_is)
_LENGTH_SCALAR: Final = Scalar(_length, _as_it_is)

WELL_KNOWN: Final[Mapping[str, Scalar]] = {
    "google.protobuf.Timestamp": _INSTANT_SCALAR,
    "google.protobuf.Duration": _LENGTH_SCALAR,
}
"""Messages that are single values in JSON."""

_BY_TYPE: Final[Mapping[int, Scalar]] = {
    FieldDescriptor.TYPE_STRING: Scalar(_text, _as_it_is),
    FieldDescriptor.TYPE_BOOL: Scalar(_boolean, _text_to_boolean),
    FieldDescriptor.TYPE_DOUBLE: Scalar(_number, _text_to_number),
    FieldDescriptor.TYPE_INT32: Scalar(_integer(32, signed=True), _text_to_integer),
    FieldDescriptor.TYPE_INT64: Scalar(_integer(64, signed=True), _text_to_integer),
    FieldDescriptor.TYPE_UINT32: Scalar(_integer(32, signed=False), _text_to_integer),
    FieldDescriptor.TYPE_UINT64: Scalar(_integer(64, signed=False), _text_to_integer),
}


def scalar_of(field: FieldDescriptor) -> Scalar | None:
    """The kind of one element of `field`; None for a message. Raises KeyError for kinds not offered."""
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        return WELL_KNOWN.get(field.message_type.full_name)
    if field.type == FieldDescriptor.TYPE_ENUM:
        return Scalar(_one_of(field.enum_type), _as_it_is)
    return _BY_TYPE[field.type]
