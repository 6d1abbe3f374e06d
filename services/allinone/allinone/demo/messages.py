"""Demo values as messages of the contracts."""

from datetime import timedelta
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from allinone.demo.model import (
    DemoAgent,
    DemoCampaign,
    DemoContact,
    DemoShift,
    DemoTenant,
    DemoUser,
    DemoVisit,
)
from allinone.demo.seed import request_id
from giro.booking.v1 import booking_pb2
from giro.common.v1 import access_pb2, travel_pb2
from giro.geo.v1 import geo_pb2
from giro.identity.v1 import identity_pb2
from kit.values.latlng import LatLng


def tenant(seed: int, made: DemoTenant) -> identity_pb2.CreateTenantRequest:
    """The tenant with its first administrator."""
    administrator = made.users[0]
    return identity_pb2.CreateTenantRequest(
        display_name=made.name,
        time_zone=made.time_zone,
        administrator=identity_pb2.CreateUserRequest(
            email=administrator.email, password=administrator.password, display_name=administrator.name
        ),
        request_id=request_id(seed, "tenant", made.key),
    )


def user(seed: int, made: DemoUser, scope_id: str, agent_id: str) -> identity_pb2.CreateUserRequest:
    """A user; `scope_id` is the campaign that the role is limited to, or empty."""
    role = access_pb2.Role.Value(f"ROLE_{made.role}")
    return identity_pb2.CreateUserRequest(
        email=made.email,
        password=made.password,
        display_name=made.name,
        grants=[identity_pb2.RoleGrant(role=role, scope_id=scope_id)],
        agent_id=agent_id,
        request_id=request_id(seed, "user", made.key),
    )


def agent(seed: int, made: DemoAgent, time_zone: str) -> geo_pb2.CreateAgentRequest:
    """An agent with its calendar."""
    calendar = geo_pb2.Calendar(
        time_zone=time_zone,
        shifts=[_shift(made, shift) for shift in made.shifts],
        breaks=[_break(shift.weekday, shift.rest) for shift in made.shifts if shift.rest],
    )
    return geo_pb2.CreateAgentRequest(
        display_name=made.name,
        skills=made.skills,
        buffer=span(made.buffer),
        calendar=calendar,
        travel_mode=travel_pb2.TravelMode.Value(f"TRAVEL_MODE_{made.mode}"),
        request_id=request_id(seed, "agent", made.key),
    )


def campaign(
    seed: int, made: DemoCampaign, agent_ids: list[str], time_zone: str
) -> booking_pb2.CreateCampaignRequest:
    """A campaign with its package."""
    return booking_pb2.CreateCampaignRequest(
        display_name=made.name,
        purchased=made.purchased,
        agent_ids=agent_ids,
        skills=made.skills,
        time_zone=time_zone,
        buffer=span(made.buffer),
        request_id=request_id(seed, "campaign", made.key),
    )


def contacts(
    seed: int, campaign_id: str, people: tuple[DemoContact, ...]
) -> booking_pb2.ImportContactsRequest:
    """At most 1,000 people."""
    return booking_pb2.ImportContactsRequest(
        campaign_id=campaign_id,
        contacts=[
            booking_pb2.Contact(
                display_name=each.name,
                phone=each.phone,
                address=each.address,
                postcode=each.postcode,
                point=point(each.point),
            )
            for each in people
        ],
        request_id=request_id(seed, "contacts", people[0].key),
    )


def visit(
    seed: int, made: DemoVisit, campaign_id: str, agent_id: str, contact_id: str
) -> booking_pb2.BookAppointmentRequest:
    """A visit at a chosen time."""
    start = Timestamp()
    start.FromDatetime(made.start)
    return booking_pb2.BookAppointmentRequest(
        time=booking_pb2.ChosenTime(
            campaign_id=campaign_id, agent_id=agent_id, start=start, duration=span(made.duration)
        ),
        contact_id=contact_id,
        request_id=request_id(seed, "visit", made.contact.key, made.agent, made.start),
    )


def span(length: timedelta) -> Duration:
    """A duration in whole seconds."""
    return Duration(seconds=int(length.total_seconds()))


def point(place: LatLng) -> travel_pb2.Point:
    """A point of the contracts."""
    return travel_pb2.Point(latitude=place.lat, longitude=place.lng)


def _shift(made: DemoAgent, shift: DemoShift) -> geo_pb2.Shift:
    ends: dict[str, Any] = {"end_base": point(made.base)} if made.returns_to_base else {}
    weekday = geo_pb2.Weekday.ValueType(shift.weekday)
    return geo_pb2.Shift(
        weekday=weekday, start=shift.start, end=shift.end, start_base=point(made.base), **ends
    )


def _break(weekday: int, rest: tuple[str, str]) -> geo_pb2.Break:
    return geo_pb2.Break(weekday=geo_pb2.Weekday.ValueType(weekday), start=rest[0], end=rest[1])
