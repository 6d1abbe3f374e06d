"""The comments of the contracts, which generated Python does not carry: read from buf's image of them."""

import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    ServiceDescriptorProto,
)

PROTOS: Final = Path(__file__).resolve().parents[4] / "protos"

Comments = Mapping[str, str]
"""Comment by the full name of a service, method, message, field, enum or enum value."""

_Named = Iterator[tuple[tuple[int, ...], str]]


class CommentsUnavailableError(Exception):
    """The contracts could not be compiled; the message says why."""


def read_comments(protos: Path = PROTOS) -> Comments:
    """Comments of all contracts below `protos`. Raises CommentsUnavailableError without buf or contracts."""
    image = FileDescriptorSet.FromString(_build(protos))
    return {
        name: comment
        for file in image.file
        if file.package.startswith("giro.")
        for name, comment in _of_file(file)
    }


def _build(protos: Path) -> bytes:
    beside = Path(sys.executable).with_name("buf")
    buf = str(beside) if beside.exists() else shutil.which("buf")
    if buf is None or not protos.is_dir():
        raise CommentsUnavailableError(f"the page is made from {protos} with buf (a development package)")
    command = [buf, "build", str(protos), "--as-file-descriptor-set", "--output", "-"]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        raise CommentsUnavailableError(done.stderr.decode(errors="replace").strip())
    return done.stdout


def _of_file(file: FileDescriptorProto) -> Iterator[tuple[str, str]]:
    names = dict(_names(file))
    for location in file.source_code_info.location:
        name = names.get(tuple(location.path))
        if name is not None and location.leading_comments:
            yield name, _tidy(location.leading_comments)


def _tidy(comment: str) -> str:
    paragraphs = comment.strip().split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _names(file: FileDescriptorProto) -> _Named:
    """Full names by the paths of source_code_info: field numbers of descriptor.proto and indexes in turn."""
    for index, message in enumerate(file.message_type):
        yield from _of_message((4, index), f"{file.package}.{message.name}", message)
    for index, enum in enumerate(file.enum_type):
        yield from _of_enum((5, index), file.package, enum)
    for index, service in enumerate(file.service):
        yield from _of_service((6, index), f"{file.package}.{service.name}", service)


def _of_message(path: tuple[int, ...], name: str, message: DescriptorProto) -> _Named:
    yield path, name
    for index, field in enumerate(message.field):
        yield (*path, 2, index), f"{name}.{field.name}"
    for index, inner in enumerate(message.nested_type):
        yield from _of_message((*path, 3, index), f"{name}.{inner.name}", inner)
    for index, enum in enumerate(message.enum_type):
        yield from _of_enum((*path, 4, index), name, enum)
    for index, choice in enumerate(message.oneof_decl):
        yield (*path, 8, index), f"{name}.{choice.name}"


def _of_enum(path: tuple[int, ...], scope: str, enum: EnumDescriptorProto) -> _Named:
    yield path, f"{scope}.{enum.name}"
    for index, value in enumerate(enum.value):
        # values live in the scope of their enum, as in C++
        yield (*path, 2, index), f"{scope}.{value.name}"


def _of_service(path: tuple[int, ...], name: str, service: ServiceDescriptorProto) -> _Named:
    yield path, name
    for index, method in enumerate(service.method):
        yield (*path, 2, index), f"{name}.{method.name}"
