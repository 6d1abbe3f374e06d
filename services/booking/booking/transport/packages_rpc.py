"""PackagesService: tranches of appointments."""

from typing import Any

from booking.transport import fields
from booking.transport.messages import timestamp
from booking.transport.portal_rpc import box
from booking.usecases import packages, portal
from booking.usecases.desk import Desk
from booking.usecases.packages import RenewPackage
from giro.booking.v1 import packages_pb2 as pb
from giro.booking.v1 import portal_pb2
from giro.booking.v1.packages_pb2_grpc import PackagesServiceServicer


class PackagesServicer(PackagesServiceServicer):
    """Renewal and its history; requests arrive checked against the contract."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def RenewPackage(self, request: pb.RenewPackageRequest, _: Any) -> portal_pb2.CampaignBox:
        """Buys another tranche."""
        claim = fields.claim(request, request.request_id)
        await packages.renew_package(self._desk, RenewPackage(request.campaign_id, request.units, claim))
        return box(request.campaign_id, await portal.get_campaign_box(self._desk, request.campaign_id))

    async def ListPackageSteps(
        self, request: pb.ListPackageStepsRequest, _: Any
    ) -> pb.ListPackageStepsResponse:
        """The tranches."""
        made = pb.ListPackageStepsResponse()
        for found in await packages.list_package_steps(self._desk, request.campaign_id):
            at = timestamp(found.bought_at) if found.bought_at else None
            made.steps.add(step=found.step, units=found.units, bought_by=found.bought_by, bought_at=at)
        return made
