"""PortalService: what customers and staff read."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

from booking.domain.appointment import State
from booking.domain.campaign import Campaign
from booking.domain.package import Package
from booking.domain.report import CountedPackage, Report, ReportCount, ReportRow
from booking.domain.support import SupportContact
from booking.storage.reports import Part
from booking.transport import fields, messages
from booking.usecases import portal, views
from booking.usecases.desk import Desk
from booking.usecases.list_to_confirm import ListToConfirm, list_to_confirm
from booking.usecases.stream_report import ReportLimits, stream_report
from giro.booking.v1 import portal_pb2 as pb
from giro.booking.v1.portal_pb2_grpc import PortalServiceServicer
from kit.rpc.alive import kept_alive


class PortalServicer(PortalServiceServicer):
    """Counters, reports, lists and logs; requests arrive checked against the contract."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._limits = desk, ReportLimits()

    async def GetCampaignBox(self, request: pb.GetCampaignBoxRequest, _: Any) -> pb.CampaignBox:
        """The counters."""
        found = await portal.get_campaign_box(self._desk, request.campaign_id)
        return box(request.campaign_id, found)

    async def VerifyCounters(self, request: pb.VerifyCountersRequest, _: Any) -> pb.VerifyCountersResponse:
        """The counters held against a recount."""
        found = await portal.verify_counters(self._desk, request.campaign_id)
        return pb.VerifyCountersResponse(
            box=_counters(request.campaign_id, found.kept),
            recount=_counters(request.campaign_id, found.counted),
            differing=found.differing,
        )

    async def GetReport(self, request: pb.GetReportRequest, _: Any) -> pb.Report:
        """The counts."""
        return _report(
            await portal.get_report(self._desk, request.campaign_id, fields.states(request.states))
        )

    async def StreamReport(
        self, request: pb.StreamReportRequest, _: Any
    ) -> AsyncIterator[pb.StreamReportResponse]:
        """The rows, then what they count up to; a sign of life while they are waited for."""
        part = Part(request.campaign_id, request.agent_id, request.zone, fields.states(request.states))
        async with aclosing(kept_alive(self._report(part), pb.StreamReportResponse)) as stream:
            async for message in stream:
                yield message

    async def _report(self, part: Part) -> AsyncGenerator[pb.StreamReportResponse, None]:
        async with aclosing(stream_report(self._desk, self._limits, part)) as stream:
            async for found in stream:
                if isinstance(found, Report):
                    yield pb.StreamReportResponse(summary=_report(found))
                else:
                    yield pb.StreamReportResponse(rows=map(_row, found))

    async def ListToConfirm(self, request: pb.ListToConfirmRequest, _: Any) -> pb.ListToConfirmResponse:
        """A page of appointments to confirm."""
        query = ListToConfirm(request.day, request.campaign_id, request.page_size, request.page_token)
        page = await list_to_confirm(self._desk, query)
        return pb.ListToConfirmResponse(
            appointments=map(messages.appointment, page.appointments), next_page_token=page.next_page_token
        )

    async def GetViewLog(self, request: pb.GetViewLogRequest, _: Any) -> pb.ViewLog:
        """The views."""
        log = pb.ViewLog()
        for view in await views.get_view_log(self._desk, request.appointment_id):
            at = messages.timestamp(view.viewed_at)
            log.views.add(viewer_id=view.viewer_id, role=view.role, version=view.version, viewed_at=at)
        return log

    async def GetSupportContact(self, _: pb.GetSupportContactRequest, __: Any) -> pb.SupportContact:
        """How to reach the provider."""
        return _support(await portal.get_support_contact(self._desk))

    async def SetSupportContact(self, request: pb.SetSupportContactRequest, _: Any) -> pb.SupportContact:
        """Sets it."""
        given = request.contact
        contact = SupportContact(given.phone, given.fax, given.email, given.vat_id)
        return _support(await portal.set_support_contact(self._desk, contact))


def box(campaign_id: str, campaign: Campaign) -> pb.CampaignBox:
    """The counters box."""
    package = campaign.package
    made = _counters(campaign_id, package)
    made.left, made.step, made.level = package.left, package.step, campaign.level.value
    made.to_recover, made.recovered = package.to_recover, package.recovered
    return made


def _counters(campaign_id: str, package: Package | CountedPackage) -> pb.CampaignBox:
    return pb.CampaignBox(
        campaign_id=campaign_id,
        purchased=package.purchased,
        taken=package.taken,
        to_confirm=package.to_confirm,
        cancelled_in_step=package.cancelled_in_step,
    )


def _row(found: ReportRow) -> pb.ReportRow:
    shown = messages.appointment(found.appointment)
    return pb.ReportRow(appointment=shown, contact_name=found.contact_name, address=found.address)


def _report(found: Report) -> pb.Report:
    return pb.Report(
        campaign=_count(found.campaign),
        agents=map(_count, found.agents),
        zones=map(_count, found.zones),
    )


def _count(found: ReportCount) -> pb.ReportCount:
    return pb.ReportCount(
        of=found.of,
        to_confirm=found.number(State.TO_CONFIRM),
        confirmed=found.number(State.CONFIRMED),
        held=found.number(State.HELD),
        superseded=found.number(State.SUPERSEDED),
        cancelled=found.number(State.CANCELLED),
        total=found.total,
    )


def _support(found: SupportContact) -> pb.SupportContact:
    return pb.SupportContact(phone=found.phone, fax=found.fax, email=found.email, vat_id=found.vat_id)
