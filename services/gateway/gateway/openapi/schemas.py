"""Messages and enums of the contracts as schemas of the OpenAPI page."""

from collections.abc import Iterable, Iterator
from typing import Final

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from gateway.contract import PublicRpc, UnsupportedContractError, is_map, json_name
from gateway.openapi.comments import Comments
from gateway.openapi.rules import (
    Schema,
    element_schema,
    excluded_numbers,
    is_required,
    length_in_words,
    list_schema,
    message_rules,
    required_choice,
    rules_of,
)

TIMESTAMP: Final = "google.protobuf.Timestamp"
DURATION: Final = "google.protobuf.Duration"

_SCALARS: Final[dict[int, Schema]] = {
    FieldDescriptor.TYPE_STRING: {"type": "string"},
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_DOUBLE: {"type": "number", "format": "double"},
    FieldDescriptor.TYPE_INT32: {"type": "integer", "format": "int32"},
    FieldDescriptor.TYPE_UINT32: {"type": "integer", "format": "int64", "minimum": 0},
}
_LONG: Final = frozenset({FieldDescriptor.TYPE_INT64, FieldDescriptor.TYPE_UINT64})
_INT32: Final = {"minimum": -(1 << 31), "maximum": (1 << 31) - 1}


class Schemas:
    """All schemas of the page. A message that only comes in differs from one that also goes out."""

    def __init__(self, rpcs: Iterable[PublicRpc], comments: Comments) -> None:
        self.comments = comments
        rpcs = tuple(rpcs)
        self._incoming = _closure(rpc.request for rpc in rpcs)
        self._outgoing = _closure(rpc.response for rpc in rpcs)
        self._from_path = {rpc.request.full_name: rpc.path_fields for rpc in rpcs}
        self._bodies = {rpc.request.full_name for rpc in rpcs if rpc.has_body}
        self._requests = {rpc.request.full_name for rpc in rpcs}

    def components(self) -> dict[str, Schema]:
        """Every message and enum by its name. Raises UnsupportedContractError when two have one name."""
        shown = [message for message in self._messages() if self._is_shown(message)]
        enums = {enum.full_name: enum for message in self._messages() for enum in _enums(message)}
        found: dict[str, Schema] = {}
        for name, schema in (
            *((message.name, self.message(message)) for message in shown),
            *((enum.name, self._enum(enum)) for enum in enums.values()),
        ):
            if name in found:
                raise UnsupportedContractError(f"two messages of the public contracts are called {name}")
            found[name] = schema
        return dict(sorted(found.items()))

    def message(self, message: Descriptor) -> Schema:
        """An object with the message's fields, those apart that come from the path."""
        fields = [
            field for field in message.fields if field.name not in self._from_path.get(message.full_name, ())
        ]
        schema: Schema = {
            "type": "object",
            "description": self._described(message.full_name, *message_rules(message)),
            "properties": {json_name(field): self.field(field) for field in fields},
        }
        required = [json_name(field) for field in fields if self._is_there(message, field)]
        if required:
            schema["required"] = required
        if message.full_name in self._incoming:
            schema["additionalProperties"] = False
            schema.update(_choices(message))
        return schema

    def field(self, field: FieldDescriptor) -> Schema:
        """One field with its description."""
        rules = rules_of(field)
        description = self._described(field.full_name, length_in_words(rules))
        if is_map(field):
            values = self._element(field.message_type.fields_by_name["value"], {})
            return {"type": "object", "additionalProperties": values, "description": description}
        if not field.is_repeated:
            return {**self._element(field, element_schema(rules)), "description": description}
        items = self._element(field, element_schema(rules.repeated.items))
        return {"type": "array", "items": items, **list_schema(rules), "description": description}

    def _element(self, field: FieldDescriptor, rules: Schema) -> Schema:
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            return self._single_message(field)
        if field.type == FieldDescriptor.TYPE_ENUM:
            return _choice_of_names(field)
        if field.type in _LONG:
            return self._long(field, rules)
        bounds = _INT32 if field.type == FieldDescriptor.TYPE_INT32 else {}
        return {**_SCALARS[field.type], **bounds, **rules}

    def _single_message(self, field: FieldDescriptor) -> Schema:
        name = field.message_type.full_name
        comes_in = field.containing_type.full_name in self._incoming
        if name == TIMESTAMP:
            return {"type": "string", "format": "date-time", **_example("2026-12-01T10:00:00Z", comes_in)}
        if name == DURATION:
            pattern = "^-?[0-9]{1,12}s$" if comes_in else r"^-?[0-9]+(\.[0-9]+)?s$"
            return {"type": "string", "pattern": pattern, **_example("1800s", comes_in)}
        return {"$ref": f"#/components/schemas/{field.message_type.name}"}

    def _long(self, field: FieldDescriptor, rules: Schema) -> Schema:
        """64-bit integers go out as text, since JavaScript cannot hold them; they come in as either."""
        sign = "" if rules.get("minimum", -1) >= 0 else "-?"
        text = {"format": "int64", "pattern": f"^{sign}(0|[1-9][0-9]{{0,17}})$"}
        if field.containing_type.full_name in self._outgoing:
            return {"type": "string", **text}
        return {"type": ["integer", "string"], **text, **rules}

    def _is_there(self, message: Descriptor, field: FieldDescriptor) -> bool:
        """Required in what comes in; always printed in what goes out."""
        if message.full_name in self._incoming:
            return is_required(field)
        return not field.has_presence

    def _is_shown(self, message: Descriptor) -> bool:
        """Messages whose fields are all in path and query have no schema of their own."""
        name = message.full_name
        return name not in self._requests or name in self._bodies

    def _messages(self) -> list[Descriptor]:
        return list({**self._incoming, **self._outgoing}.values())

    def _enum(self, enum: EnumDescriptor) -> Schema:
        lines = [
            f"- `{value.name}`: {self.comments.get(_value_name(enum, value.name), '')}"
            for value in enum.values
        ]
        description = self._described(enum.full_name) + "\n\n" + "\n".join(lines)
        return {"type": "string", "enum": [value.name for value in enum.values], "description": description}

    def _described(self, name: str, *more: str) -> str:
        return " ".join(filter(None, (self.comments.get(name, ""), *more)))


def _value_name(enum: EnumDescriptor, value: str) -> str:
    return f"{enum.full_name.rpartition('.')[0]}.{value}"


def _example(text: str, comes_in: bool) -> Schema:
    return {"examples": [text]} if comes_in else {}


def _choice_of_names(field: FieldDescriptor) -> Schema:
    schema: Schema = {"$ref": f"#/components/schemas/{field.enum_type.name}"}
    refused = excluded_numbers(rules_of(field))
    if refused:
        schema["enum"] = [value.name for value in field.enum_type.values if value.number not in refused]
    return schema


def _choices(message: Descriptor) -> Schema:
    """At most one member of each choice, exactly one where it is required."""
    needed = [
        {"oneOf": [{"required": [json_name(member)]} for member in choice.fields]}
        for choice in message.oneofs
        if required_choice(choice)
    ]
    return {"allOf": needed} if needed else {}


def _enums(message: Descriptor) -> Iterator[EnumDescriptor]:
    for field in message.fields:
        if field.type == FieldDescriptor.TYPE_ENUM:
            yield field.enum_type


def _closure(roots: Iterable[Descriptor]) -> dict[str, Descriptor]:
    """The messages that are reached from `roots`, well-known types and the entries of maps apart."""
    found: dict[str, Descriptor] = {}
    waiting = list(roots)
    while waiting:
        message = waiting.pop()
        if message.full_name in found or message.full_name in {TIMESTAMP, DURATION}:
            continue
        found[message.full_name] = message
        fields = [field for field in message.fields if field.message_type is not None]
        waiting += [field.message_type for field in fields if not is_map(field)]
    return found
