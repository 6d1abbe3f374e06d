"""A campaign that hides its agents tells nothing of them, in any answer of any RPC of booking (GEO-09).

Every RPC that somebody may call from whom agents can be hidden is called as one, by a request made from the
contract, in a tenant with one of everything. Neither the answer nor the refusal may have an agent's id or
name in it. A new RPC is called as soon as it is generated, and one that cannot be asked so is named here with
the reason, or fails. The same request by an administrator shows that there was something to hide.
"""

from collections.abc import AsyncIterator

import grpc
import pytest
import pytest_asyncio
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from giro.booking.v1 import booking_pb2 as booking
from giro.common.v1 import travel_pb2, veil_pb2
from giro.geo.v1 import geo_pb2 as geo
from kit.errors import GiroError, NotAllowed, Reason
from kit.rpc.contract import Rpc
from tests.contracts.party import Party, parties
from tests.contracts.requests import RPCS, SERVICES, Filler, refusal_of, response_class, streams
from tests.contracts.tokens import user_token

__all__ = ["parties"]

READING = ("Get", "List", "Stream", "Suggest")
"""How the names of RPCs begin that change nothing."""

VEILABLE = ("OPERATOR", "PARTNER", "CUSTOMER", "BRANCH_MANAGER", "SRE")
"""Roles from which a campaign can hide its agents."""


def short(path: str) -> str:
    """`BookingService/HoldSlot` of a full path."""
    return path.rpartition(".")[2]


ASKED = {
    path: next(role for role in VEILABLE if role in rpc.roles)
    for path, rpc in sorted(RPCS.items())
    if SERVICES[rpc.service] == "booking" and set(VEILABLE) & rpc.roles
}
"""Every RPC of booking that somebody may call from whom agents can be hidden, and by which role."""

NAMES_ONE = {
    "BookingService/BookAppointment": "by a chosen time; by a token and by a hold it is asked below",
    "BookingService/ExplainSlot": "it is about a named agent",
    "BookingService/ReassignAppointment": "it is about a named agent",
    "CalendarsService/GetAgentCalendar": "it is about a named agent",
    "SeriesService/CreateSeries": "it is about a named agent",
    "PlansService/BookPlan": "it is about named agents",
}
"""RPCs that cannot be asked without naming an agent: whoever may not learn the agents is refused."""

WITHOUT_ONE = {
    "RefixService/RefixAppointment": "state_id",
    "UnavailabilityService/SetUnavailability": "contact_id",
    "UnavailabilityService/ListUnavailabilities": "contact_id",
}
"""Fields that a request needs, or that take the place of an agent, though no rule says so."""

NOT_HERE = {
    "PortalService/ListToConfirm": "those of tomorrow; the rows are the folder's",
    "RefixService/ListRefixExceptions": "a procedure raises one; services/booking tests its fields",
    "UnavailabilityService/ListUnavailabilities": "asked about a person",
}
"""Reads that show no agent in this test, and why."""

NO_AGENT = {
    "giro.booking.v1.AgentContact.agent_contact_id": "the contact's own id",
}
"""Fields of answers that are named after agents and tell of none."""


@pytest_asyncio.fixture(scope="module")
async def party(parties: tuple[Party, Party]) -> AsyncIterator[Party]:
    """A tenant with one of everything that hides its agents."""
    made = parties[1]
    await made.refresh({"offer_id", "series_id", "recall_id"})
    await made.world.call(
        made.world.booking.SetParameter, booking.SetParameterRequest(name="reveal_agent", value="false")
    )
    yield made


async def ask(party: Party, rpc: Rpc, request: Message, role: str) -> Message | GiroError:
    """The answer to this role, of the whole tenant; of a stream the fullest message."""
    channel = party.channels[SERVICES[rpc.service]]
    make = channel.unary_stream if streams(rpc) else channel.unary_unary
    calling = make(rpc.path, type(request).SerializeToString, response_class(rpc).FromString)(
        request,
        metadata=(("authorization", f"Bearer {user_token(party.stack, party.world.tenant, role)}"),),
        timeout=60,
    )
    try:
        if streams(rpc):
            return max([one async for one in calling], key=lambda one: one.ByteSize())
        return await calling
    except grpc.aio.AioRpcError as failed:
        return refusal_of(failed)


def told(answer: Message | GiroError) -> str:
    """All that an answer says."""
    if isinstance(answer, GiroError):
        return f"{answer.reason} {answer.message} {answer.metadata} {answer.violations}"
    return str(answer)


def tells(party: Party, answer: Message | GiroError) -> bool:
    """Whether it has an agent's id or name in it, or a drive of one."""
    text = told(answer)
    return any(
        word in text
        for word in ("agt_", "Agent 0", "Agent 1", "leg_before", "leg_after", *party.world.agents)
    )


async def full_request(party: Party, rpc: Rpc) -> Message:
    """A request of the contract's required fields, with fresh ids where the call uses them up."""
    if not rpc.method.startswith(READING):
        names = {field.name for field in rpc.request.fields}
        await party.refresh(names - {"state_id", "outcome_state_ids", "characteristic_id"})
    if rpc.method == "HoldSlot":
        party.ids["slot_token"] = (await party.world.suggest(1)).slots[0].slot_token
    field = WITHOUT_ONE.get(short(rpc.path), "")
    return Filler(party.ids, party.next_start()).request(rpc, field, party.ids.get(field, ""))


def fields(message: Descriptor, seen: set[str]) -> list[FieldDescriptor]:
    """Every field of an answer, of the messages inside it too."""
    if message.full_name in seen or message.full_name.startswith("google."):
        return []
    seen.add(message.full_name)
    inner = [
        one for field in message.fields if field.message_type for one in fields(field.message_type, seen)
    ]
    return [*message.fields, *inner]


def marked(field: FieldDescriptor) -> bool:
    """Whether the contract says that it tells of an agent."""
    return bool(field.GetOptions().Extensions[veil_pb2.of_agent])


def answered(path: str) -> list[FieldDescriptor]:
    """Every field of an RPC's answer."""
    return fields(response_class(RPCS[path]).DESCRIPTOR, set())


def test_every_field_named_after_an_agent_is_marked() -> None:
    leg = travel_pb2.Leg.DESCRIPTOR
    named = {
        field.full_name: marked(field)
        for path in ASKED
        for field in answered(path)
        if "agent" in field.name or field.message_type is leg
    }
    assert len(named) > 15
    assert {name for name, is_marked in named.items() if not is_marked} == set(NO_AGENT)


@pytest.mark.asyncio
@pytest.mark.parametrize("path", ASKED, ids=map(short, ASKED))
async def test_no_answer_tells_of_an_agent(party: Party, path: str) -> None:
    rpc = RPCS[path]
    answer = await ask(party, rpc, await full_request(party, rpc), ASKED[path])
    assert not tells(party, answer)
    if short(path) in NAMES_ONE:
        assert isinstance(answer, NotAllowed)
        assert answer.reason is Reason.OUT_OF_SCOPE
    else:
        assert not isinstance(answer, GiroError), answer


READS = [
    path
    for path in ASKED
    if RPCS[path].method.startswith(READING)
    and any(marked(field) for field in answered(path))
    and short(path) not in NOT_HERE
]


@pytest.mark.asyncio
@pytest.mark.parametrize("path", READS, ids=map(short, READS))
async def test_there_was_something_to_hide(party: Party, path: str) -> None:
    rpc = RPCS[path]
    answer = await ask(party, rpc, await full_request(party, rpc), "ADMINISTRATOR")
    assert tells(party, answer), answer


@pytest.mark.asyncio
@pytest.mark.parametrize("field", ["slot_token", "hold_id"])
async def test_a_slot_that_somebody_else_found_is_booked_unseen(party: Party, field: str) -> None:
    rpc = RPCS["/giro.booking.v1.BookingService/BookAppointment"]
    if field == "slot_token":
        party.ids[field] = (await party.world.suggest(2)).slots[0].slot_token
    else:
        await party.refresh({field})
    contact = {"contact_id": party.world.contacts[2 if field == "slot_token" else 1]}
    request = Filler({**party.ids, **contact}, party.next_start()).request(rpc, field, party.ids[field])
    answer = await ask(party, rpc, request, "OPERATOR")
    assert not isinstance(answer, GiroError), answer
    assert not tells(party, answer)


@pytest.mark.asyncio
@pytest.mark.parametrize("role", ["OPERATOR", "PARTNER"])
@pytest.mark.parametrize("method", ["BookingService/ListAppointments", "PortalService/StreamReport"])
async def test_a_filter_by_agent_is_refused(party: Party, method: str, role: str) -> None:
    rpc = RPCS[f"/giro.booking.v1.{method}"]
    filtered = Filler(party.ids, party.next_start()).request(rpc, "agent_id", party.world.agents[0])
    answer = await ask(party, rpc, filtered, role)
    assert isinstance(answer, NotAllowed)
    assert answer.reason is Reason.OUT_OF_SCOPE
    assert not isinstance(await ask(party, rpc, filtered, "AGENT_SUPERVISOR"), GiroError)


@pytest.mark.asyncio
async def test_an_itinerary_tells_operators_no_owners(party: Party) -> None:
    await party.refresh({"appointment_id"})
    rpc = RPCS["/giro.geo.v1.GeoService/GetItinerary"]
    request = geo.GetItineraryRequest(agent_id=party.world.agents[0])
    seen, told_less = [await ask(party, rpc, request, role) for role in ("AGENT_SUPERVISOR", "OPERATOR")]
    assert isinstance(seen, geo.Itinerary)
    assert isinstance(told_less, geo.Itinerary)
    assert any(stop.owner_id for stop in seen.stops)
    assert [stop.start for stop in told_less.stops] == [stop.start for stop in seen.stops]
    for stop in told_less.stops:
        assert {field.name for field, _ in stop.ListFields()} <= {"kind", "start", "end"}
