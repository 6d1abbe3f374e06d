"""The gRPC face of the profile of the week."""

import grpc

from geo.transport import profiles
from geo.transport.reach import require_whole
from geo.usecases.check_promises import TravelData
from geo.usecases.import_matrix import InForce, TravelImport, get_travel, import_travel
from giro.geo.v1 import travel_profile_pb2 as pb
from giro.geo.v1 import travel_profile_pb2_grpc
from kit.db.claims import Claim
from kit.rpc.context import caller

Context = grpc.aio.ServicerContext[object, object]


class ProfileServicer(travel_profile_pb2_grpc.TravelProfileServiceServicer):
    """giro.geo.v1.TravelProfileService."""

    def __init__(self, data: TravelData) -> None:
        self._data = data

    async def SetTravelProfile(
        self, request: pb.SetTravelProfileRequest, context: Context
    ) -> pb.TravelProfileInForce:
        """Puts a profile in force, or takes it away; the matrix stays."""
        require_whole()
        week = profiles.profile_of(request.profile) if request.HasField("profile") else None
        what = TravelImport(profile=week, without_profile=week is None)
        claim = Claim(
            f"set_travel_profile:{request.request_id}", request.SerializeToString(deterministic=True)
        )
        done = await import_travel(self._data, caller().tenant, what, claim)
        return _in_force(InForce(week, done.version, done.now_infeasible))

    async def GetTravelProfile(
        self, request: pb.GetTravelProfileRequest, context: Context
    ) -> pb.TravelProfileInForce:
        """What is in force."""
        return _in_force(await get_travel(self._data, caller().tenant))


def _in_force(found: InForce) -> pb.TravelProfileInForce:
    return pb.TravelProfileInForce(
        profile=None if found.profile is None else profiles.message_of(found.profile),
        version=found.version,
        now_infeasible=found.now_infeasible,
    )
