"""The public API as the contracts state it: every RPC with a `google.api.http` path, and its JSON form.

A service is public as a whole or not at all. The ledger has no paths, so it is not in here, and what is not
in here has no route, no JSON form and no line in the OpenAPI page.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from google.api import annotations_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor, MethodDescriptor

from giro.booking.v1 import (
    annulments_pb2,
    booking_pb2,
    calendars_pb2,
    contacts_pb2,
    documents_pb2,
    explanations_pb2,
    outcomes_pb2,
    packages_pb2,
    plans_pb2,
    portal_pb2,
    refix_pb2,
    repairs_pb2,
    series_pb2,
    swaps_pb2,
    unavailability_pb2,
    waitlist_pb2,
)
from giro.common.v1 import access_pb2
from giro.geo.v1 import days_pb2, geo_pb2, planning_pb2, travel_profile_pb2, zones_pb2
from giro.identity.v1 import identity_pb2, tenant_parameters_pb2
from giro.reminders.v1 import reminders_pb2

BACKENDS: Final[dict[str, FileDescriptor]] = {
    "identity": identity_pb2.DESCRIPTOR,
    "booking": booking_pb2.DESCRIPTOR,
    "geo": geo_pb2.DESCRIPTOR,
    "reminders": reminders_pb2.DESCRIPTOR,
}
"""The contract that each backend is known by."""

MORE: Final[tuple[tuple[str, FileDescriptor], ...]] = (
    ("identity", tenant_parameters_pb2.DESCRIPTOR),
    ("geo", days_pb2.DESCRIPTOR),
    ("geo", planning_pb2.DESCRIPTOR),
    ("geo", travel_profile_pb2.DESCRIPTOR),
    ("geo", zones_pb2.DESCRIPTOR),
    ("booking", outcomes_pb2.DESCRIPTOR),
    ("booking", calendars_pb2.DESCRIPTOR),
    ("booking", explanations_pb2.DESCRIPTOR),
    ("booking", swaps_pb2.DESCRIPTOR),
    ("booking", contacts_pb2.DESCRIPTOR),
    ("booking", waitlist_pb2.DESCRIPTOR),
    ("booking", series_pb2.DESCRIPTOR),
    ("booking", documents_pb2.DESCRIPTOR),
    ("booking", refix_pb2.DESCRIPTOR),
    ("booking", portal_pb2.DESCRIPTOR),
    ("booking", packages_pb2.DESCRIPTOR),
    ("booking", annulments_pb2.DESCRIPTOR),
    ("booking", unavailability_pb2.DESCRIPTOR),
    ("booking", repairs_pb2.DESCRIPTOR),
    ("booking", plans_pb2.DESCRIPTOR),
)
"""Contracts of what the backends serve besides."""

CONTRACTS: Final[tuple[tuple[str, FileDescriptor], ...]] = (*BACKENDS.items(), *MORE)
"""Every public contract, with the backend that serves it."""

_VARIABLE: Final = re.compile(r"\{([a-z_]+)\}")
_VERBS: Final = ("get", "put", "post", "delete", "patch")


class UnsupportedContractError(Exception):
    """A contract asks for a form that the gateway does not offer; the message names the RPC."""


@dataclass(frozen=True)
class PublicRpc:
    """One RPC with its JSON form: `verb` and path `template`, as in GET /v1/agents/{agent_id}."""

    backend: str
    method: MethodDescriptor
    verb: str
    template: str
    has_body: bool

    @property
    def name(self) -> str:
        """Name of the RPC, unique among all: it is the operation's id in OpenAPI."""
        return str(self.method.name)

    @property
    def service(self) -> str:
        """Full name of the gRPC service."""
        return str(self.method.containing_service.full_name)

    @property
    def grpc_path(self) -> str:
        """Path of the RPC over gRPC."""
        return f"/{self.service}/{self.name}"

    @property
    def request(self) -> Descriptor:
        """The message that the RPC takes."""
        found: Descriptor = self.method.input_type
        return found

    @property
    def response(self) -> Descriptor:
        """The message that the RPC gives."""
        found: Descriptor = self.method.output_type
        return found

    @cached_property
    def path_fields(self) -> tuple[str, ...]:
        """Names of the request's fields that the path carries."""
        return tuple(_VARIABLE.findall(self.template))

    @cached_property
    def free_fields(self) -> tuple[FieldDescriptor, ...]:
        """The request's other fields: in the body where there is one, in the query otherwise."""
        return tuple(field for field in self.request.fields if field.name not in self.path_fields)

    @property
    def is_open(self) -> bool:
        """Whether no token is needed."""
        return bool(_access(self.method).public)

    @property
    def roles(self) -> tuple[str, ...]:
        """Roles of which the caller needs one, without their prefix."""
        names = access_pb2.DESCRIPTOR.enum_types_by_name["Role"].values_by_number
        return tuple(names[number].name.removeprefix("ROLE_") for number in _access(self.method).roles)


def json_name(field: FieldDescriptor) -> str:
    """Name of a field in JSON."""
    name: str = field.json_name  # type: ignore[attr-defined]  # missing from the stubs
    return name


def is_map(field: FieldDescriptor) -> bool:
    """Whether the field is a map, which is an object with names of its own in JSON."""
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


def _access(method: MethodDescriptor) -> access_pb2.Access:
    found: access_pb2.Access = method.GetOptions().Extensions[access_pb2.access]
    return found


def public_rpcs() -> tuple[PublicRpc, ...]:
    """Every public RPC with a JSON form, in the contracts' order. Raises UnsupportedContractError without a
    path."""
    return tuple(
        _public(backend, method) for backend, method in _methods() if not _is_stream_without_a_path(method)
    )


def streams() -> dict[str, str]:
    """Path over gRPC of each RPC that streams, and its backend. An error after the first message of a stream
    cannot be told over JSON, so these have no JSON form."""
    found = [(backend, method) for backend, method in _methods() if _is_stream_without_a_path(method)]
    return {f"/{method.containing_service.full_name}/{method.name}": backend for backend, method in found}


def _methods() -> list[tuple[str, MethodDescriptor]]:
    return [
        (backend, method)
        for backend, file in CONTRACTS
        for service in file.services_by_name.values()
        for method in service.methods
    ]


def _is_stream_without_a_path(method: MethodDescriptor) -> bool:
    pathless = method.GetOptions().Extensions[annotations_pb2.http].WhichOneof("pattern") is None
    return bool(method.server_streaming or method.client_streaming) and pathless


def public_services() -> dict[str, str]:
    """Full name of each public gRPC service, and the backend that serves it."""
    return {rpc.service: rpc.backend for rpc in public_rpcs()}


def _public(backend: str, method: MethodDescriptor) -> PublicRpc:
    rule = method.GetOptions().Extensions[annotations_pb2.http]
    verb = rule.WhichOneof("pattern")
    if verb not in _VERBS:
        raise UnsupportedContractError(f"{method.full_name} has no google.api.http path")
    if rule.body not in {"", "*"} or rule.response_body or rule.additional_bindings:
        raise UnsupportedContractError(f"{method.full_name}: only a whole body and one path are offered")
    if method.client_streaming or method.server_streaming:
        # an error after the first message of a stream cannot be told over JSON
        raise UnsupportedContractError(f"{method.full_name}: streams are not offered")
    return PublicRpc(backend, method, verb.upper(), getattr(rule, verb), rule.body == "*")
