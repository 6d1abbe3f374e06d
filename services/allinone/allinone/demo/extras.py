"""What the first call centre has beside booked days, so that each part of Giro has something to show.

Zones and a quota, a series, a person who waits, days away, a claim, notes, an outcome, documents. None of it
takes time of the booked days or an agent out of a campaign, and each step may be repeated.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from allinone.demo.calls import User
from allinone.demo.load import Loaded
from allinone.demo.model import DemoTenant, DemoVisit
from allinone.demo.seed import request_id
from giro.booking.v1 import (
    annulments_pb2,
    documents_pb2,
    outcomes_pb2,
    series_pb2,
    unavailability_pb2,
    waitlist_pb2,
)
from giro.common.v1 import travel_pb2
from giro.geo.v1 import geo_pb2, zones_pb2
from kit.values.latlng import LatLng

CAMPAIGN: Final = "solar"
ZONED, BANDED, LIMITED, AWAY = "a02", "a03", "a09", "a11"
IN_SERIES, SERIES_TIMES = "a10", 3
"""The late agent, whose afternoons begin at two."""

AFTER: Final = timedelta(days=21)
"""Beyond the booked days, and beyond the two weeks that suggestions look at."""

HALF_SIDE: Final = 0.35
"""Degrees from the middle of the area to its edges: no booked visit lies outside."""

POSTCODES: Final = ("10121", "10122", "10123", "10124")
PDF: Final = b"%%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\n%% %s\ntrailer<</Root 1 0 R>>\n%%%%EOF\n"
NOTES: Final = ("The bell is out of order: please call.", "The dog is friendly.", "Park in the yard.")


@dataclass(frozen=True, slots=True)
class Extras:
    """Who adds them, to what, and the day that the load began on."""

    user: User
    seed: int
    tenant: DemoTenant
    loaded: Loaded
    began: datetime
    free: Sequence[str]
    """Contacts whom nobody visits."""

    async def load(self, visits: Sequence[DemoVisit]) -> int:
        """Adds all of it; how many appointments came on top. Raises Refused."""
        booked = [self.loaded.appointments[visit.contact.key] for visit in self._shown(visits)]
        series = asyncio.ensure_future(self._series())
        await asyncio.gather(
            series,
            self._zones(),
            self._quota(),
            self._waiting(),
            self._away(),
            self._claim(booked[-1:]),
            self._outcome(booked[:1]),
            *(self._note(*each) for each in zip(booked, NOTES, strict=False)),
            *(self._document(each, "contract.pdf") for each in booked[:2]),
        )
        return series.result()

    def _shown(self, visits: Sequence[DemoVisit]) -> list[DemoVisit]:
        """Booked visits of the campaign, the soonest first."""
        known = [each for each in visits if each.contact.key in self.loaded.appointments]
        return sorted((each for each in known if each.campaign == CAMPAIGN), key=lambda each: each.start)[:6]

    # --- where agents work, and how much --------------------------------------------------------------

    async def _zones(self) -> None:
        """The city and its ring by an area, the centre by postcodes, a neighbourhood by a band of travel."""
        middle = next(agent.base for agent in self.tenant.agents if agent.key == "a01")
        ring = _square(middle)
        area = zones_pb2.Area(polygons=[zones_pb2.Polygon(rings=[zones_pb2.Ring(points=ring)])])
        band = zones_pb2.TravelBand(within=Duration(seconds=5_400))
        centre = zones_pb2.Postcodes(codes=POSTCODES)
        made = [
            await self._zone("City and ring", area=area),
            await self._zone("Centre by postcode", postcodes=centre),
            await self._zone("Near the round", travel_band=band),
        ]
        await self._works_in(ZONED, made[:2])
        await self._works_in(BANDED, made[2:])

    async def _zone(self, name: str, **holds: Any) -> str:
        geo = self.user.services.zones
        request = zones_pb2.UpsertZoneRequest(name=name, request_id=self._key("zone", name), **holds)
        return str((await self.user.call(geo.UpsertZone, request)).zone_id)

    async def _works_in(self, agent: str, zone_ids: Sequence[str]) -> None:
        request = zones_pb2.SetAgentZonesRequest(agent_id=self.loaded.agents[agent], zone_ids=zone_ids)
        await self.user.call(self.user.services.zones.SetAgentZones, request)

    async def _quota(self) -> None:
        """Four visits a day for who works mornings alone."""
        agent_id = self.loaded.agents[LIMITED]
        request = geo_pb2.SetTravelParameterRequest(name="max_visits_per_day", value="4", agent_id=agent_id)
        await self.user.call(self.user.services.geo.SetTravelParameter, request)

    async def _away(self) -> None:
        """Three days off, told in time."""
        first = self._day(AFTER)
        request = unavailability_pb2.SetUnavailabilityRequest(
            agent_id=self.loaded.agents[AWAY],
            first_day=first.date().isoformat(),
            last_day=(first + timedelta(days=2)).date().isoformat(),
            note="holidays",
            request_id=self._key("away", AWAY),
        )
        await self.user.call(self.user.services.unavailability.SetUnavailability, request)

    # --- who is visited later -------------------------------------------------------------------------

    async def _series(self) -> int:
        first = self._day(AFTER)
        start = first + timedelta(days=(7 - first.weekday()) % 7)  # the next Monday
        request = series_pb2.CreateSeriesRequest(
            campaign_id=self.loaded.campaigns[CAMPAIGN],
            contact_id=self.free[-1],
            agent_id=self.loaded.agents[IN_SERIES],
            start=_stamp(datetime.combine(start.date(), time(16), start.tzinfo)),
            duration=Duration(seconds=2700),
            every_days=7,
            count=SERIES_TIMES,
            note="maintenance, every week",
            request_id=self._key("series", IN_SERIES),
        )
        made = await self.user.call(self.user.services.series.CreateSeries, request)
        return len(made.appointments)

    async def _waiting(self) -> None:
        request = waitlist_pb2.JoinWaitlistRequest(
            campaign_id=self.loaded.campaigns[CAMPAIGN],
            contact_id=self.free[-2],
            duration=Duration(seconds=1800),
            not_before=_stamp(self._day(AFTER)),
            not_after=_stamp(self._day(AFTER + timedelta(days=14))),
            request_id=self._key("waiting", self.free[-2]),
        )
        await self.user.call(self.user.services.waitlist.JoinWaitlist, request)

    # --- what is known of visits ----------------------------------------------------------------------

    async def _claim(self, appointment_ids: Sequence[str]) -> None:
        for appointment_id in appointment_ids:
            request = annulments_pb2.ClaimAnnulmentRequest(
                appointment_id=appointment_id,
                reason=annulments_pb2.ANNULMENT_REASON_WRONG_DETAILS,
                note="the address is that of a relative",
                channel=annulments_pb2.CLAIM_CHANNEL_PORTAL,
                request_id=self._key("claim", appointment_id),
            )
            await self.user.call(self.user.services.annulments.ClaimAnnulment, request)

    async def _outcome(self, appointment_ids: Sequence[str]) -> None:
        outcomes = self.user.services.outcomes
        state = outcomes_pb2.UpsertOutcomeStateRequest(
            state_id="call-first", display_name="Call before coming", result=outcomes_pb2.VISIT_RESULT_OPEN
        )
        await self.user.call(outcomes.UpsertOutcomeState, state)
        for appointment_id in appointment_ids:
            request = outcomes_pb2.SetOutcomeRequest(
                appointment_id=appointment_id,
                state_id="call-first",
                note="asked to be called half an hour before",
                request_id=self._key("outcome", appointment_id),
            )
            await self.user.call(outcomes.SetOutcome, request)

    async def _note(self, appointment_id: str, text: str) -> None:
        request = outcomes_pb2.AddNoteRequest(
            appointment_id=appointment_id, text=text, request_id=self._key("note", appointment_id)
        )
        await self.user.call(self.user.services.outcomes.AddNote, request)

    async def _document(self, appointment_id: str, file_name: str) -> None:
        header = documents_pb2.UploadDocumentHeader(
            appointment_id=appointment_id,
            file_name=file_name,
            request_id=self._key("document", appointment_id, file_name),
        )
        await self.user.uploads(header, PDF % appointment_id.encode())

    def _day(self, ahead: timedelta) -> datetime:
        """Midnight of the tenant's day that lies so far from the load's beginning."""
        day = (self.began.astimezone(ZoneInfo(self.tenant.time_zone)) + ahead).date()
        return datetime.combine(day, time(), ZoneInfo(self.tenant.time_zone))

    def _key(self, *parts: object) -> str:
        return request_id(self.seed, *parts)


def _square(middle: LatLng) -> list[Any]:
    """A square around a place, closed."""
    corners = ((-1, -1), (-1, 1), (1, 1), (1, -1), (-1, -1))
    return [
        travel_pb2.Point(latitude=middle.lat + HALF_SIDE * north, longitude=middle.lng + HALF_SIDE * east)
        for north, east in corners
    ]


def _stamp(moment: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp
