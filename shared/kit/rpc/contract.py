"""What the contracts say about an RPC: its messages, and who may call it."""

from dataclasses import dataclass

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor, MethodDescriptor

from giro.common.v1 import access_pb2


class AccessMissing(Exception):
    """An RPC whose contract does not say who may call it; its server does not start."""


@dataclass(frozen=True, slots=True)
class Rpc:
    """One RPC of a contract."""

    service: str
    """Full name of the service, as in `giro.booking.v1.BookingService`."""
    method: str
    roles: frozenset[str]
    """Names of roles, as in `OPERATOR`, of which a caller needs one."""
    public: bool
    """Whether no token is needed."""
    request: Descriptor

    @property
    def path(self) -> str:
        """As in HTTP: `/giro.booking.v1.BookingService/BookAppointment`."""
        return f"/{self.service}/{self.method}"


def rpcs_of(service: str) -> dict[str, Rpc]:
    """All RPCs of a service by name.

    Raises AccessMissing for one that has no access option, and KeyError for a service that was not generated.
    """
    descriptor = descriptor_pool.Default().FindServiceByName(service)
    return {method.name: _rpc(service, method) for method in descriptor.methods}


def _rpc(service: str, method: MethodDescriptor) -> Rpc:
    access = method.GetOptions().Extensions[access_pb2.access]
    roles = frozenset(access_pb2.Role.Name(role).removeprefix("ROLE_") for role in access.roles)
    if not roles and not access.public:
        raise AccessMissing(f"{service}/{method.name} has no access option: nobody said who may call it")
    return Rpc(service, method.name, roles, access.public, method.input_type)
