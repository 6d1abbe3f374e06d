"""The shape of a message in JSON, compiled once from its descriptor and held against bodies and queries."""

import difflib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.contract import UnsupportedContractError, json_name
from gateway.edge.scalars import Scalar, kind_of, scalar_of
from kit.errors import FieldViolation

MOST_VIOLATIONS: Final = 20
"""After this many violations the rest of a body is not looked at."""

Violations = list[FieldViolation]
Check = Callable[[object, str, Violations], None]
"""Holds a JSON value against what its place allows; adds what is wrong under the value's path."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field in JSON. `scalar` is its element's kind, None for a message; `oneof` its choice, if any."""

    name: str
    check: Check
    scalar: Scalar | None
    repeated: bool
    oneof: str | None


class Shape:
    """A message in JSON: its fields under their JSON names and under the contract's own names."""

    def __init__(self, message: Descriptor, *, without: Collection[str] = ()) -> None:
        """`without` are fields that come from elsewhere (the path). Raises UnsupportedContractError."""
        self.fields: Mapping[str, Field] = _fields(message, without)
        self._elsewhere = _spellings(message, without)

    def check(self, value: object, path: str, found: Violations) -> None:
        """Adds to `found` what is wrong with `value`, each under its path below `path`."""
        if not isinstance(value, dict):
            found.append(FieldViolation(path, f"must be an object, not {kind_of(value)}"))
            return
        taken: dict[str, str] = {}
        for key, inner in value.items():
            if len(found) >= MOST_VIOLATIONS:
                return
            self._check_entry(key, inner, f"{path}.{key}" if path else key, found)
            self._note(key, path, taken, found)

    def unknown(self, key: str) -> str:
        """What to say about a field that is not to be given here."""
        if key in self._elsewhere:
            return "is taken from the path, not to be given again"
        close = difflib.get_close_matches(key, self.fields, n=1)
        return f"unknown field; did you mean {close[0]}?" if close else "unknown field"

    def _check_entry(self, key: str, value: object, path: str, found: Violations) -> None:
        field = self.fields.get(key)
        if field is None:
            found.append(FieldViolation(_printable(path), self.unknown(key)))
        else:
            field.check(value, path, found)

    def _note(self, key: str, path: str, taken: dict[str, str], found: Violations) -> None:
        """A field under both its names, or two of one choice, would silently overwrite each other."""
        field = self.fields.get(key)
        if field is None:
            return
        for slot in filter(None, (field.name, field.oneof)):
            other = taken.setdefault(slot, key)
            if other != key:
                where = f"{path}.{key}" if path else key
                found.append(FieldViolation(where, f"cannot be given together with {other}"))
                return


def _printable(path: str) -> str:
    return path if len(path) <= 200 and path.isprintable() else ascii(path[:200])[1:-1]


def _fields(message: Descriptor, without: Collection[str]) -> dict[str, Field]:
    fields: dict[str, Field] = {}
    for descriptor in message.fields:
        if descriptor.name in without:
            continue
        field = _field(descriptor)
        fields[json_name(descriptor)] = fields[descriptor.name] = field
    return fields


def _spellings(message: Descriptor, names: Collection[str]) -> frozenset[str]:
    fields = [message.fields_by_name[name] for name in names]
    return frozenset(spelling for field in fields for spelling in (field.name, json_name(field)))


def _field(descriptor: FieldDescriptor) -> Field:
    scalar = _scalar(descriptor)
    element = _scalar_check(scalar) if scalar else _message_check(descriptor)
    choice = descriptor.containing_oneof
    return Field(
        # a space keeps a field's own slot apart from those of choices
        name=f" {descriptor.name}",
        check=_list_check(element) if descriptor.is_repeated else element,
        scalar=scalar,
        repeated=descriptor.is_repeated,
        oneof=choice.name if choice is not None else None,
    )


def _scalar(descriptor: FieldDescriptor) -> Scalar | None:
    try:
        return scalar_of(descriptor)
    except KeyError:
        raise UnsupportedContractError(f"{descriptor.full_name}: no JSON form for its type") from None


def _scalar_check(scalar: Scalar) -> Check:
    complaint = scalar.complaint

    def check(value: object, path: str, found: Violations) -> None:
        wrong = complaint(value)
        if wrong is not None:
            found.append(FieldViolation(path, wrong))

    return check


def _message_check(descriptor: FieldDescriptor) -> Check:
    message = descriptor.message_type
    if message.GetOptions().map_entry or message.full_name.startswith("google."):
        raise UnsupportedContractError(f"{descriptor.full_name}: no JSON form for {message.full_name}")
    return Shape(message).check


def _list_check(element: Check) -> Check:
    def check(value: object, path: str, found: Violations) -> None:
        if not isinstance(value, list):
            found.append(FieldViolation(path, f"must be a list, not {kind_of(value)}"))
            return
        items: list[Any] = value
        for index, item in enumerate(items):
            if len(found) >= MOST_VIOLATIONS:
                return
            element(item, f"{path}[{index}]", found)

    return check
