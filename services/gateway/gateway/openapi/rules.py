"""The rules of the contracts (`buf.validate`) as JSON Schema."""

import re
from typing import Any, Final

from buf.validate import validate_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor, OneofDescriptor

Schema = dict[str, Any]

_INTEGERS: Final = frozenset({"int32", "int64", "uint32", "uint64"})
_BOUNDS: Final = {"gte": "minimum", "lte": "maximum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum"}
_BOUND_WORDS: Final = {"gte": "at least", "lte": "at most", "gt": "more than", "lt": "less than"}
_ITEMS: Final = {"min_items": "minItems", "max_items": "maxItems", "unique": "uniqueItems"}
_LENGTHS: Final = {"min_len": "minLength", "max_len": "maxLength", "pattern": "pattern"}


def rules_of(field: FieldDescriptor) -> validate_pb2.FieldRules:
    """The rules that a field carries; empty when none."""
    found: validate_pb2.FieldRules = field.GetOptions().Extensions[validate_pb2.field]
    return found


def element_schema(rules: validate_pb2.FieldRules) -> Schema:
    """What the rules say about one value, as JSON Schema keywords."""
    kind = rules.WhichOneof("type")
    if kind == "string":
        return _text(rules.string)
    if kind == "double" or kind in _INTEGERS:
        return _present(getattr(rules, kind), _BOUNDS)
    return {}


def list_schema(rules: validate_pb2.FieldRules) -> Schema:
    """What the rules say about a list, its elements apart."""
    return _present(rules.repeated, _ITEMS)


def excluded_numbers(rules: validate_pb2.FieldRules) -> frozenset[int]:
    """Numbers of an enum that a field refuses."""
    return frozenset(rules.enum.not_in)


def length_in_words(rules: validate_pb2.FieldRules) -> str:
    """The bounds of a length of time, for its description: "At least 60 s, at most 86400 s."; maybe empty."""
    seconds = {field.name: length.seconds for field, length in rules.duration.ListFields()}
    bounds = [f"{words} {seconds[name]} s" for name, words in _BOUND_WORDS.items() if name in seconds]
    return f"{', '.join(bounds)}.".capitalize() if bounds else ""


def is_required(field: FieldDescriptor) -> bool:
    """Whether a request without the field breaks a rule: it is required, or its empty value is refused."""
    rules = rules_of(field)
    if rules.required:
        return True
    if field.containing_oneof is not None:
        return False
    return (
        rules.string.min_len > 0
        or rules.string.email
        or _refuses_empty(rules.string.pattern)
        or rules.repeated.min_items > 0
        or 0 in rules.enum.not_in
    )


def required_choice(choice: OneofDescriptor) -> bool:
    """Whether one member of a choice has to be given."""
    return bool(choice.GetOptions().Extensions[validate_pb2.oneof].required)


def message_rules(message: Descriptor) -> list[str]:
    """The rules over several fields of a message, in words."""
    return [rule.message for rule in message.GetOptions().Extensions[validate_pb2.message].cel]


def _text(rules: validate_pb2.StringRules) -> Schema:
    found = _present(rules, _LENGTHS)
    if rules.email:
        found["format"] = "email"
    return found


def _present(rules: Any, keywords: dict[str, str]) -> Schema:
    return {keyword: getattr(rules, name) for name, keyword in keywords.items() if rules.HasField(name)}


def _refuses_empty(pattern: str) -> bool:
    return bool(pattern) and re.search(pattern, "") is None
