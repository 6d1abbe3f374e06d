"""CalendarsService: agents' calendars and the addresses that they are read under."""

import asyncio
from typing import Any, Final

from booking.domain import errors
from booking.domain.agent_calendar import FeedSecrets
from booking.transport import fields
from booking.transport.feeds import feed_path
from booking.transport.ics import to_ics
from booking.transport.messages import timestamp
from booking.usecases import agent_calendar
from booking.usecases.agent_calendar import CalendarOf
from booking.usecases.desk import Desk
from giro.booking.v1 import calendars_pb2 as pb
from giro.booking.v1.calendars_pb2_grpc import CalendarsServiceServicer
from kit.rpc.context import caller

MOST_BYTES: Final = 3 << 20
"""Longest file of an answer; callers take 4 MiB. Addresses to subscribe to have no such bound."""


class CalendarsServicer(CalendarsServiceServicer):
    """Requests arrive checked against the contract; `url` is where feeds are served for the outside."""

    def __init__(self, desk: Desk, secrets: FeedSecrets, url: str) -> None:
        self._desk, self._secrets, self._url = desk, secrets, url.rstrip("/")

    async def GetAgentCalendar(self, request: pb.GetAgentCalendarRequest, _: Any) -> pb.AgentCalendar:
        """The file. Raises InvalidInput naming `last_day` for one that no answer can carry."""
        query = CalendarOf(request.agent_id, request.first_day, request.last_day, request.with_travel)
        found = await agent_calendar.get_agent_calendar(self._desk, query)
        ics = await asyncio.to_thread(to_ics, found)
        if len(ics) > MOST_BYTES:
            raise errors.invalid("last_day", "ask for fewer days: the calendar is too long for an answer")
        await agent_calendar.keep_shown(self._desk, found)
        return pb.AgentCalendar(ics=ics.decode(), visits=len(found.visits), truncated=found.truncated)

    async def RotateCalendarFeed(self, request: pb.RotateCalendarFeedRequest, _: Any) -> pb.CalendarFeed:
        """Makes an address."""
        claim = fields.claim(request, request.request_id)
        made = await agent_calendar.rotate_feed(self._desk, self._secrets, request.agent_id, claim)
        address = self._url + feed_path(caller().tenant, made.secret)
        return pb.CalendarFeed(url=address, created_at=timestamp(made.created_at))

    async def RevokeCalendarFeed(
        self, request: pb.RevokeCalendarFeedRequest, _: Any
    ) -> pb.RevokeCalendarFeedResponse:
        """Takes an address away."""
        await agent_calendar.revoke_feed(self._desk, request.agent_id)
        return pb.RevokeCalendarFeedResponse()
