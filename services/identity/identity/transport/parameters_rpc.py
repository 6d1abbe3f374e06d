"""The gRPC face of the tenant's parameters."""

import grpc

from giro.identity.v1 import tenant_parameters_pb2 as contract
from giro.identity.v1 import tenant_parameters_pb2_grpc
from identity.domain.parameters import Shown
from identity.usecases.tenant_parameters import TenantParameters
from kit.rpc.context import caller

Context = grpc.aio.ServicerContext[object, object]


class TenantParametersServicer(tenant_parameters_pb2_grpc.TenantParametersServiceServicer):
    """giro.identity.v1.TenantParametersService."""

    def __init__(self, parameters: TenantParameters) -> None:
        self._parameters = parameters

    async def GetTenantParameter(
        self, request: contract.GetTenantParameterRequest, context: Context
    ) -> contract.TenantParameter:
        """What counts, and where it comes from."""
        return _parameter(await self._parameters.get(caller().tenant, request.name))

    async def SetTenantParameter(
        self, request: contract.SetTenantParameterRequest, context: Context
    ) -> contract.TenantParameter:
        """Sets a value."""
        return _parameter(await self._parameters.set(caller().tenant, request.name, request.value))


def _parameter(shown: Shown) -> contract.TenantParameter:
    return contract.TenantParameter(
        name=shown.name, value=shown.value, source=shown.source.name, description=shown.description
    )
