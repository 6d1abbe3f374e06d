"""The edge's reading of JSON against protobuf's own: what the edge lets through, protobuf reads the same."""

import json
import math
from functools import cache
from typing import Any

import pytest
from google.protobuf import json_format, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.contract import PublicRpc, json_name, public_rpcs
from gateway.edge.shapes import Shape
from gateway.testing.samples import sample
from kit.errors import FieldViolation

WITH_BODY = [rpc for rpc in public_rpcs() if rpc.has_body]

TELLING = (
    "1800s",
    "-1s",
    "1.5s",
    "2026-12-01T10:00:00Z",
    "2026-12-01T10:00:00",
    "2026-02-30T00:00:00Z",
    "2026-12-01T10:00:00.000+05:45",
    "9999-12-31T23:59:59-01:00",
    "ROLE_AGENT",
    "WEEKDAY_MONDAY",
    "NaN",
    "7",
)

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.sampled_from(TELLING),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@cache
def bodies(message: Descriptor, depth: int = 0) -> st.SearchStrategy[Any]:
    """Objects under the message's names, with values that often fit."""
    names = st.sampled_from(
        [*(name for field in message.fields for name in (json_name(field), field.name)), "x"]
    )
    by_name = {
        name: values(field, depth) for field in message.fields for name in (json_name(field), field.name)
    }
    entry = names.flatmap(lambda name: st.tuples(st.just(name), by_name.get(name, anything)))
    return st.lists(entry, max_size=4).map(dict)


def values(field: FieldDescriptor, depth: int) -> st.SearchStrategy[Any]:
    fitting = json_format.MessageToDict(
        sample(field.containing_type, 0), always_print_fields_with_no_presence=True
    )
    found = anything
    if json_name(field) in fitting:
        found |= st.just(fitting[json_name(field)])
    if (
        field.message_type is not None
        and depth < 2
        and not field.message_type.full_name.startswith("google.")
    ):
        inner = bodies(field.message_type, depth + 1)
        found |= st.lists(inner, max_size=2) if field.is_repeated else inner
    return found


@cache
def shape(message: Descriptor) -> Shape:
    return Shape(message)


def is_let_through(message: Descriptor, value: Any) -> bool:
    found: list[FieldViolation] = []
    shape(message).check(value, "", found)
    return not found


@pytest.mark.parametrize("rpc", WITH_BODY, ids=lambda rpc: rpc.name)
@settings(max_examples=15, deadline=None)  # for each of some 90 requests
@given(data=st.data())
def test_what_the_edge_lets_through_protobuf_reads(rpc: PublicRpc, data: st.DataObject) -> None:
    value = data.draw(bodies(rpc.request))
    if is_let_through(rpc.request, value):
        read = message_factory.GetMessageClass(rpc.request)()
        json_format.Parse(json.dumps(value), read)


@pytest.mark.parametrize("rpc", WITH_BODY, ids=lambda rpc: rpc.name)
@pytest.mark.parametrize("choice", [0, 1, 2])
def test_what_protobuf_writes_the_edge_lets_through(rpc: PublicRpc, choice: int) -> None:
    assert is_let_through(rpc.request, json_format.MessageToDict(sample(rpc.request, choice)))
    empty = message_factory.GetMessageClass(rpc.request)()
    written = json_format.MessageToDict(empty, always_print_fields_with_no_presence=True)
    assert is_let_through(rpc.request, written)


def test_the_edge_is_stricter_where_protobuf_is_lenient() -> None:
    suggest = next(rpc.request for rpc in WITH_BODY if rpc.name == "SuggestSlots")
    for lenient in ({"limit": "3"}, {"note": None}, {"point": {"latitude": math.nan}}, {"contactId": None}):
        assert not is_let_through(suggest, lenient)
