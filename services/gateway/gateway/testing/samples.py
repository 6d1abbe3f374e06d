"""Messages with every field set, made from their descriptors; the same ones every time."""

from typing import Any, Final

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from gateway.contract import is_map

_SAMPLE_SECONDS: Final = 1_796_119_200


def sample(descriptor: Descriptor, choice: int = 0) -> Message:
    """A message of this type with every field set; of each oneof the member `choice` (or the last)."""
    message: Message = message_factory.GetMessageClass(descriptor)()
    for field in descriptor.fields:
        if _chosen(field, choice):
            _set(message, field)
    return message


def _chosen(field: FieldDescriptor, choice: int) -> bool:
    oneof = field.containing_oneof
    return oneof is None or oneof.fields[min(choice, len(oneof.fields) - 1)] is field


def _set(message: Message, field: FieldDescriptor) -> None:
    if is_map(field):
        values = field.message_type.fields_by_name
        getattr(message, field.name)[_scalar(values["key"])] = _scalar(values["value"])
        return
    value = _message(field) if field.type == FieldDescriptor.TYPE_MESSAGE else _scalar(field)
    if field.is_repeated:
        getattr(message, field.name).append(value)
    elif isinstance(value, Message):
        getattr(message, field.name).CopyFrom(value)
    else:
        setattr(message, field.name, value)


def _message(field: FieldDescriptor) -> Message:
    name = field.message_type.full_name
    if name not in {"google.protobuf.Timestamp", "google.protobuf.Duration"}:
        return sample(field.message_type)
    seconds = _SAMPLE_SECONDS if name.endswith("Timestamp") else 1800
    found: Message = message_factory.GetMessageClass(field.message_type)(seconds=seconds + field.number)
    return found


def _scalar(field: FieldDescriptor) -> Any:
    match field.type:
        case FieldDescriptor.TYPE_ENUM:
            return field.enum_type.values[-1].number
        case FieldDescriptor.TYPE_STRING:
            return f"{field.name}-{field.number}"
        case FieldDescriptor.TYPE_BOOL:
            return True
        case FieldDescriptor.TYPE_DOUBLE:
            return 44.5 + field.number
        case FieldDescriptor.TYPE_INT64:
            return (1 << 53) + field.number
    return field.number
