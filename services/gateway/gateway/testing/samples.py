"""Messages with every field set, made from their descriptors; the same ones every time."""

from collections.abc import Sequence
from typing import Any, Final

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

_SAMPLE_SECONDS: Final = 1_796_119_200


def sample(descriptor: Descriptor, *, skip: Sequence[str] = ()) -> Message:
    """A message of this type with every field set (the first of each choice), deterministic."""
    message: Message = message_factory.GetMessageClass(descriptor)()
    for one in descriptor.fields:
        choice = one.containing_oneof
        if one.name in skip or (choice is not None and choice.fields[0] is not one):
            continue
        _set(message, one)
    return message


def _set(message: Message, one: FieldDescriptor) -> None:
    if one.type == FieldDescriptor.TYPE_MESSAGE:
        value = _sample_message(one)
        if one.is_repeated:
            getattr(message, one.name).append(value)
        else:
            getattr(message, one.name).CopyFrom(value)
    elif one.is_repeated:
        getattr(message, one.name).append(_sample_scalar(one))
    else:
        setattr(message, one.name, _sample_scalar(one))


def _sample_message(one: FieldDescriptor) -> Message:
    name = one.message_type.full_name
    if name in {"google.protobuf.Timestamp", "google.protobuf.Duration"}:
        seconds = _SAMPLE_SECONDS if name.endswith("Timestamp") else 1800
        value: Message = message_factory.GetMessageClass(one.message_type)(seconds=seconds + one.number)
        return value
    return sample(one.message_type)


def _sample_scalar(one: FieldDescriptor) -> Any:
    if one.type == FieldDescriptor.TYPE_ENUM:
        return one.enum_type.values[-1].number
    if one.type == FieldDescriptor.TYPE_STRING:
        return f"{one.name}-{one.number}"
    if one.type == FieldDescriptor.TYPE_BOOL:
        return True
    if one.type == FieldDescriptor.TYPE_DOUBLE:
        return 44.5 + one.number
    return (1 << 53) + one.number if one.type == FieldDescriptor.TYPE_INT64 else one.number
