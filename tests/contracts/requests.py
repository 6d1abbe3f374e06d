"""Requests made from the contracts themselves: every RPC, every field that names something.

A new RPC or id field is covered as soon as it is generated. What this module does not know how to fill fails
the test that needs it, and says so.
"""

import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
from buf.validate import validate_pb2
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from giro.booking.v1 import annulments_pb2_grpc as _annulments  # noqa: F401
from giro.booking.v1 import booking_pb2_grpc as _booking  # noqa: F401
from giro.booking.v1 import calendars_pb2_grpc as _calendars  # noqa: F401
from giro.booking.v1 import contacts_pb2_grpc as _contacts  # noqa: F401
from giro.booking.v1 import documents_pb2_grpc as _documents  # noqa: F401

# importing them is what puts the contracts into the pool
from giro.booking.v1 import explanations_pb2_grpc as _explanations  # noqa: F401
from giro.booking.v1 import outcomes_pb2_grpc as _outcomes  # noqa: F401
from giro.booking.v1 import packages_pb2_grpc as _packages  # noqa: F401
from giro.booking.v1 import plans_pb2_grpc as _plans  # noqa: F401
from giro.booking.v1 import portal_pb2_grpc as _portal  # noqa: F401
from giro.booking.v1 import refix_pb2_grpc as _refix  # noqa: F401
from giro.booking.v1 import repairs_pb2_grpc as _repairs  # noqa: F401
from giro.booking.v1 import series_pb2_grpc as _series  # noqa: F401
from giro.booking.v1 import swaps_pb2_grpc as _swaps  # noqa: F401
from giro.booking.v1 import unavailability_pb2_grpc as _unavailability  # noqa: F401
from giro.booking.v1 import visits_pb2_grpc as _visits  # noqa: F401
from giro.booking.v1 import waitlist_pb2_grpc as _waitlist  # noqa: F401
from giro.common.v1 import access_pb2
from giro.geo.v1 import days_pb2_grpc as _days  # noqa: F401
from giro.geo.v1 import geo_pb2_grpc as _geo  # noqa: F401
from giro.geo.v1 import ledger_pb2_grpc as _ledger  # noqa: F401
from giro.geo.v1 import planning_pb2_grpc as _planning  # noqa: F401
from giro.geo.v1 import zones_pb2_grpc as _zones  # noqa: F401
from giro.identity.v1 import identity_pb2_grpc as _identity  # noqa: F401
from giro.identity.v1 import tenant_parameters_pb2_grpc as _tenant_parameters  # noqa: F401
from giro.reminders.v1 import reminders_pb2_grpc as _reminders  # noqa: F401
from kit.errors import GiroError
from kit.rpc.contract import Rpc, rpcs_of
from kit.rpc.status import error_of

SERVICES = {
    "giro.identity.v1.IdentityService": "identity",
    "giro.identity.v1.TenantParametersService": "identity",
    "giro.booking.v1.BookingService": "booking",
    "giro.geo.v1.GeoService": "geo",
    "giro.geo.v1.DayService": "geo",
    "giro.geo.v1.LedgerService": "geo",
    "giro.booking.v1.VisitsService": "booking",
    "giro.booking.v1.PortalService": "booking",
    "giro.booking.v1.CalendarsService": "booking",
    "giro.booking.v1.ExplanationsService": "booking",
    "giro.booking.v1.SwapsService": "booking",
    "giro.booking.v1.ContactsService": "booking",
    "giro.booking.v1.WaitlistService": "booking",
    "giro.booking.v1.SeriesService": "booking",
    "giro.booking.v1.DocumentsService": "booking",
    "giro.booking.v1.PackagesService": "booking",
    "giro.booking.v1.AnnulmentsService": "booking",
    "giro.booking.v1.UnavailabilityService": "booking",
    "giro.booking.v1.RepairsService": "booking",
    "giro.booking.v1.PlansService": "booking",
    "giro.reminders.v1.RemindersService": "reminders",
    "giro.geo.v1.PlanningService": "geo",
    "giro.geo.v1.TravelProfileService": "geo",
    "giro.booking.v1.OutcomesService": "booking",
    "giro.geo.v1.ZoneService": "geo",
    "giro.booking.v1.RefixService": "booking",
}
"""Every service of the contracts, and the process that serves it."""

RPCS: dict[str, Rpc] = {rpc.path: rpc for service in SERVICES for rpc in rpcs_of(service).values()}
"""By path, as in `/giro.booking.v1.BookingService/BookAppointment`."""

NAMING = ("_id", "_ids", "_token")
"""Endings of the names of fields that point at something."""

ALSO_NAMING = frozenset({"list_state", "mandatory", "visible"})
"""Fields that do so by other names: outcome states name list states and characteristics."""

NOT_NAMING = frozenset({"request_id", "vat_id"})


def response_class(rpc: Rpc) -> type[Message]:
    """The class of an RPC's answer."""
    service = descriptor_pool.Default().FindServiceByName(rpc.service)
    return message_factory.GetMessageClass(service.FindMethodByName(rpc.method).output_type)


def streams(rpc: Rpc) -> bool:
    """Whether its answer is a stream of messages."""
    service = descriptor_pool.Default().FindServiceByName(rpc.service)
    return bool(service.FindMethodByName(rpc.method).server_streaming)


def refusal_of(failed: grpc.aio.AioRpcError) -> GiroError:
    """The error that a status stands for. AssertionError for one that is no answer of ours, as INTERNAL."""
    error = error_of(failed)
    assert error is not None, f"the answer is {failed.code()} {failed.details()}"
    return error


def id_fields(message: Descriptor, seen: frozenset[str] = frozenset()) -> Iterator[str]:
    """Paths of the fields that point at something, as in `plan.agent_id`."""
    if message.full_name in seen or message.full_name.startswith("google."):
        return
    for field in message.fields:
        if field.type == FieldDescriptor.TYPE_STRING:
            if field.name in ALSO_NAMING or (field.name.endswith(NAMING) and field.name not in NOT_NAMING):
                yield field.name
        elif field.message_type is not None:
            inner = id_fields(field.message_type, seen | {message.full_name})
            yield from (f"{field.name}.{path}" for path in inner)


@dataclass
class Filler:
    """Fills requests: `ids` by field name are the caller's own, `start` is where its times begin."""

    ids: Mapping[str, str]
    start: datetime

    def request(self, rpc: Rpc, path: str = "", value: str = "") -> Message:
        """A request that passes the contract's rules, with `value` in the field at `path`."""
        message = message_factory.GetMessageClass(rpc.request)()
        self._fill(message, path.split(".") if path else [], value)
        return message

    def _fill(self, message: Message, path: list[str], value: str) -> None:
        wanted = path[0] if path else ""
        for field in self._chosen(message.DESCRIPTOR, wanted):
            if field.name == wanted and len(path) == 1:
                _put(message, field, value)
            else:
                self._fill_field(message, field, path[1:] if field.name == wanted else [], value)

    def _chosen(self, message: Descriptor, wanted: str) -> Iterator[FieldDescriptor]:
        """The required fields and the wanted one; of a required oneof the wanted member, else the last."""
        oneofs = {oneof.name: oneof.fields[-1].name for oneof in message.oneofs if _is_required_oneof(oneof)}
        for field in message.fields:
            oneof = field.containing_oneof
            if oneof is not None and oneof.name in oneofs:
                members = {member.name for member in oneof.fields}
                if field.name == (wanted if wanted in members else oneofs[oneof.name]):
                    yield field
            elif field.name == wanted or _is_required(field) or _is_filled(field):
                yield field

    def _fill_field(self, message: Message, field: FieldDescriptor, path: list[str], value: str) -> None:
        if field.message_type is not None and field.message_type.full_name not in WELL_KNOWN:
            target = getattr(message, field.name)
            self._fill(target.add() if field.is_repeated else target, path, value)
            if not field.is_repeated:
                target.SetInParent()
            return
        _put(message, field, self._sample(field))

    def _sample(self, field: FieldDescriptor) -> Any:
        if field.name in self.ids:
            return self.ids[field.name]
        if field.message_type is not None:
            return WELL_KNOWN[field.message_type.full_name](self, field.name)
        for name in (field.full_name.removeprefix("giro."), field.name):
            if name in SAMPLES:
                return SAMPLES[name]()
        if field.enum_type is not None:
            return field.enum_type.values[1].number
        raise LookupError(f"tests/contracts/requests.py has no sample for {field.full_name}")

    def instant(self, name: str) -> dict[str, int]:
        """A time: what ends does so half an hour after the start; what is "as of" is now."""
        moment = {"end": self.start + timedelta(minutes=30), "as_of": datetime.now(UTC)}.get(name, self.start)
        return {"seconds": int(moment.timestamp())}


ALWAYS = frozenset({"units", "every_days", "count", "request_id", "ttl", "grants", "limit", "value"})
"""Filled though no rule requires them."""

FILLED_TOO = frozenset({"giro.booking.v1.Contact.point", "giro.booking.v1.PlanMove.version"})
"""Filled because a rule of the message wants this field or another one, or a number above zero."""


def _is_filled(field: FieldDescriptor) -> bool:
    return field.name in ALWAYS or field.full_name in FILLED_TOO


def _day(ahead: int) -> str:
    return (datetime.now(UTC).date() + timedelta(days=ahead)).isoformat()


SAMPLES: Mapping[str, Callable[[], Any]] = {
    "request_id": lambda: uuid.uuid4().hex,
    "email": lambda: f"somebody-{uuid.uuid4().hex}@example.com",
    "password": lambda: "correct horse battery",
    "display_name": lambda: "Somebody",
    "reference": lambda: "visit",
    "time_zone": lambda: "Europe/Rome",
    "name": lambda: "lead_time",
    "limit": lambda: 1,
    "value": lambda: "129600s",
    "phone": lambda: f"+371{uuid.uuid4().int % 10**8:08}",
    "code": lambda: "000000",
    "codes": lambda: "9490",
    "geo.v1.GetTravelParameterRequest.name": lambda: "max_visits_per_day",
    "geo.v1.SetTravelParameterRequest.name": lambda: "max_visits_per_day",
    "geo.v1.SetTravelParameterRequest.value": lambda: "8",
    "identity.v1.GetTenantParameterRequest.name": lambda: "agents_enabled",
    "identity.v1.SetTenantParameterRequest.name": lambda: "agents_enabled",
    "identity.v1.SetTenantParameterRequest.value": lambda: "true",
    "geo.v1.UpsertZoneRequest.name": lambda: f"zone {uuid.uuid4().hex}",
    "units": lambda: 1,
    "version": lambda: 1,
    "every_days": lambda: 200,  # where no other start lies
    "count": lambda: 2,
    "file_name": lambda: "form.pdf",
    "text": lambda: "a note",
    "booking.v1.CorrectOutcomeRequest.reason": lambda: "the wrong door",
    "date": lambda: _day(6),
    "first_day": lambda: _day(120),
    "last_day": lambda: _day(150),
    "role": lambda: access_pb2.ROLE_OPERATOR,
}

WELL_KNOWN: Mapping[str, Callable[[Filler, str], Any]] = {
    "google.protobuf.Timestamp": lambda filler, name: filler.instant(name),
    "google.protobuf.Duration": lambda filler, name: {"seconds": 300 if name == "ttl" else 1800},
    "giro.common.v1.Point": lambda filler, name: {"latitude": 45.07, "longitude": 7.68},
}


def _put(message: Message, field: FieldDescriptor, value: Any) -> None:
    if field.message_type is not None:
        target = getattr(message, field.name)
        target = target.add() if field.is_repeated else target
        for name, part in value.items():
            setattr(target, name, part)
        target.SetInParent()
    elif field.is_repeated:
        getattr(message, field.name).append(value)
    else:
        setattr(message, field.name, value)


def _is_required(field: FieldDescriptor) -> bool:
    rules = field.GetOptions().Extensions[validate_pb2.field]
    if rules.required or rules.string.min_len or rules.string.email or rules.repeated.min_items:
        return True
    return field.enum_type is not None and 0 in rules.enum.not_in


def _is_required_oneof(oneof: Any) -> bool:
    return bool(oneof.GetOptions().Extensions[validate_pb2.oneof].required)
