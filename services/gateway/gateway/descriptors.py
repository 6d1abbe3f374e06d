"""The descriptor set that Envoy transcodes by, made from the generated code: no compiler at run time."""

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.rpc import error_details_pb2, status_pb2

from gateway.contract import CONTRACTS

# without the types of the details Envoy answers an error with an empty body
_DETAILS = (error_details_pb2.DESCRIPTOR, status_pb2.DESCRIPTOR)


def descriptor_set() -> bytes:
    """A serialised FileDescriptorSet: the public contracts, error details, and all they import, in order."""
    files: dict[str, FileDescriptor] = {}
    for file in (*(file for _, file in CONTRACTS), *_DETAILS):
        _collect(file, files)
    found = FileDescriptorSet()
    for file in files.values():
        file.CopyToProto(found.file.add())
    return found.SerializeToString(deterministic=True)


def _collect(file: FileDescriptor, into: dict[str, FileDescriptor]) -> None:
    for dependency in file.dependencies:
        _collect(dependency, into)
    into.setdefault(file.name, file)
