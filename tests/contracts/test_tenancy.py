"""Another tenant's ids lead nowhere (ID-01): every RPC, every field that names something.

Each case sends a good request with one id that belongs to somebody else, and the same with an id that nobody
has. The two answers must be one answer, NOT_FOUND, with the same words apart from the id; the owner of the id
must find everything as it was; and the same request with an id of one's own must find it.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from google.protobuf.message import Message

from giro.booking.v1 import refix_pb2 as refix
from giro.geo.v1 import geo_pb2 as geo
from kit.errors import GiroError, NotFound
from kit.rpc.contract import Rpc
from kit.values.ids import new_id
from tests.contracts.party import PREFIXES, Party, nobodys, parties
from tests.contracts.requests import RPCS, Filler, id_fields
from tests.contracts.stored import OF_NOBODY

__all__ = ["parties"]

ANSWERED_ALIKE: dict[str, str] = {
    "IdentityService/CreateUser grants.scope_id": "identity asks nobody: nobody's scope opens nothing",
    "IdentityService/CreateUser agent_id": "identity asks nobody: an agent that is nobody's travels nowhere",
    "IdentityService/CreateTenant administrator.grants.scope_id": "as in CreateUser",
    "IdentityService/CreateTenant administrator.agent_id": "as in CreateUser",
    "IdentityService/SetUserGrants grants.scope_id": "as in CreateUser",
    "SeriesService/CreateSeries agent_id": "the campaign's own list decides: AGENT_NOT_IN_CAMPAIGN",
    "PlansService/BookPlan visits.agent_id": "the campaign's own list decides: AGENT_NOT_IN_CAMPAIGN",
    "BookingService/BookAppointment time.agent_id": "the campaign's own list decides: AGENT_NOT_IN_CAMPAIGN",
    "BookingService/ReassignAppointment agent_id": "the campaign's own list decides",
    "BookingService/SuggestSlots agent_ids": "the campaign's own list decides",
    "BookingService/ExplainSlot agent_id": "the campaign's own list decides: AGENT_NOT_IN_CAMPAIGN",
    "LedgerService/ExplainStart agent_ids": "where the start fits, nobody else is looked for",
    "BookingService/GetDetourCalendar agent_ids": "the campaign's own list decides",
    "BookingService/ImportContacts contacts.contact_id": "the service's own; not read from callers",
    "BookingService/ImportContacts contacts.campaign_id": "the service's own; not read from callers",
    "BookingService/ListAppointments campaign_id": "a filter: nothing matches",
    "BookingService/ListAppointments agent_id": "a filter: nothing matches",
    "BookingService/ListRecentChanges campaign_id": "a filter: nothing matches",
    "PortalService/ListToConfirm campaign_id": "a filter: nothing matches",
    "AnnulmentsService/ListAnnulmentClaims campaign_id": "a filter: nothing matches",
    "UnavailabilityService/ListUnavailabilities agent_id": "a filter: nothing matches",
    "PortalService/StreamReport agent_id": "a filter: nothing matches",
    "RemindersService/AddCallerNumber branch_id": "reminders asks nobody: nobody calls for that branch",
    "RemindersService/SetReminderParameter branch_id": "as in AddCallerNumber: it counts for nobody",
    "RemindersService/SetReminderParameter campaign_id": "reminders asks nobody: it counts for nobody",
    "RemindersService/GetReminderParameter branch_id": "what nobody set falls back to the tenant's",
    "RemindersService/GetReminderParameter campaign_id": "what nobody set falls back to the tenant's",
    "PlanningService/OptimizeDay flexible.appointment_id": "only what these agents' shifts have can be named",
    "PlanningService/RepairDay promised.appointment_id": "as in OptimizeDay",
    "OutcomesService/UpsertOutcomeState state_id": "the caller makes this id; it is one of its own tenant",
    "OutcomesService/UpsertCharacteristic characteristic_id": "the caller makes this id",
    "PlanningService/RepairDay eligible.appointment_id": "what is not on these days counts for nothing",
    "PlanningService/RepairDay eligible.agent_ids": "who is no helper takes nothing over",
    "RepairsService/ApplyRepair moves.agent_id": "the campaign's own list decides",
    "RefixService/UpsertRefixMode mode_id": "the caller makes this id",
    "RefixService/UpsertProcedure procedure_id": "the caller makes this id",
    "RefixService/ValidatePolicy procedures.procedure_id": "the caller makes this id",
    "RefixService/ValidatePolicy procedures.state_id": "a draft: what is none is listed as a contradiction",
    "RefixService/ValidatePolicy procedures.outcome_state_ids": "as in state_id",
    "RefixService/ValidatePolicy user_id": "booking asks nobody: it counts for nobody",
    "RefixService/ImportParameters user_id": "booking asks nobody: it counts for nobody",
    "RefixService/RefixAppointment time.agent_id": "the campaign's own list decides",
    "RefixService/ListRecalls campaign_id": "a filter: nothing matches",
    "RefixService/ListRefixExceptions campaign_id": "a filter: nothing matches",
    "BookingService/SetParameter user_id": "booking asks nobody: it counts for nobody",
    "BookingService/GetEffectiveParameter user_id": "what nobody set falls back to the tenant's",
    "LedgerService/SearchSlots after.agent_id": "where a list goes on: any id has its place in it",
    "LedgerService/FindDetours search.after.agent_id": "as in SearchSlots",
    "LedgerService/HoldStop hold_id": "the caller makes this id; it is one of its own tenant",
    "LedgerService/ReserveStop appointment_id": "the caller makes this id",
    "LedgerService/MoveStop move_id": "the caller makes this id",
    "LedgerService/MoveStops moves.move_id": "the caller makes this id",
    "LedgerService/MoveEachStop moves.move_id": "the caller makes this id",
    "LedgerService/MoveEachStop moves.appointment_id": "each is refused for itself: NOT_FOUND in the answer",
    "LedgerService/ReserveStops stops.appointment_id": "the caller makes this id",
    "LedgerService/ReserveStops stops.hold_id": "no hold is taken where several stops are made at once",
    "LedgerService/ReserveEachStop stops.appointment_id": "the caller makes this id",
    "LedgerService/ReserveEachStop stops.hold_id": "no hold is taken where several stops are made at once",
    "LedgerService/ReserveEachStop stops.plan.agent_id": "as MoveEachStop moves.appointment_id",
    "LedgerService/MoveEachStop moves.plan.agent_id": "as its appointment_id",
    "VisitsService/GetVisits appointment_ids": "what is not there is left out",
    "LedgerService/SettleStop appointment_id": "settling an unused id keeps it from being used later",
    "LedgerService/SettleMove move_id": "settling an unused id keeps it from being used later",
}
"""Fields where the answer need not be NOT_FOUND, only the same for a foreign id and for nobody's; and why."""

TRIES = 4
"""Of a case whose owner's rows some service changed by itself."""

MADE_BY_THE_CALLER = {
    "HoldStop": "hold_id",
    "ReserveStop": "appointment_id",
    "MoveStop": "move_id",
    "MoveStops": "move_id",
    "MoveEachStop": "move_id",
    "ReserveStops": "appointment_id",
    "ReserveEachStop": "appointment_id",
}
"""Ids that a good request brings fresh."""

CASES = [(path, field) for path, rpc in sorted(RPCS.items()) for field in id_fields(rpc.request)]
NAMED = [case for case in CASES if not case[1].endswith("_token")]
PAGED = [path for path, field in CASES if field == "page_token"]
_ANY_ID = re.compile(r"\b[a-z]{3}_[0-9a-f]{32}\b")


def _short(path: str) -> str:
    """`BookingService/HoldSlot` of a full path."""
    return path.rpartition(".")[2]


def _names(cases: list[tuple[str, str]]) -> list[Any]:
    return [pytest.param(path, field, id=f"{_short(path)} {field}") for path, field in cases]


@pytest.mark.asyncio
@pytest.mark.parametrize(("path", "field"), _names(NAMED))
async def test_a_foreign_id_is_like_nobodys(parties: tuple[Party, Party], path: str, field: str) -> None:
    asking, owner = parties
    rpc, name = RPCS[path], field.rpartition(".")[2]

    async def prepare() -> tuple[str, str]:
        await asking.refresh({path.rpartition(".")[2] for path in id_fields(rpc.request)})
        await owner.refresh({name})  # an earlier case may have made the id one of its own tenant too
        return owner.ids[name], nobodys(name)

    async def send(value: str) -> Message | GiroError:
        return await _answer(asking, rpc, field, value)

    foreign, nothing, answers = await _leaving_alone(owner, prepare, send)
    reading = rpc.method.startswith(("Get", "List", "Verify"))
    assert _told(answers[0], foreign, reading=reading) == _told(answers[1], nothing, reading=reading)
    if f"{_short(path)} {field}" in ANSWERED_ALIKE:
        return
    assert isinstance(answers[0], NotFound), f"{field} of another tenant: {answers[0]}"
    assert not isinstance(await _answer(asking, rpc, field, asking.ids[name]), NotFound), "its own is found"


@pytest.mark.asyncio
@pytest.mark.parametrize("path", PAGED, ids=map(_short, PAGED))
async def test_a_foreign_page_token_shows_nothing(parties: tuple[Party, Party], path: str) -> None:
    asking, owner = parties
    rpc = RPCS[path]
    first: Any = Filler(owner.ids, owner.world.day(6)).request(rpc)
    setattr(first, "page_size" if hasattr(first, "page_size") else "limit", 1)
    listed: Any = await owner.call(rpc, first)
    token = listed.next_page_token or await _some_page_token(owner)
    answer = await _answer(asking, rpc, "page_token", token)
    if isinstance(answer, GiroError):
        assert [violation.field for violation in answer.violations] == ["page_token"]
    else:
        assert not _ids_in(str(answer)) & set(owner.ids.values())


@pytest.mark.asyncio
@pytest.mark.parametrize("method", ["HoldSlot", "BookAppointment"])
async def test_a_foreign_slot_token_is_like_a_forged_one(parties: tuple[Party, Party], method: str) -> None:
    asking, owner = parties
    rpc = RPCS[f"/giro.booking.v1.BookingService/{method}"]

    async def prepare() -> tuple[str, str]:
        await owner.refresh({"slot_token"})
        foreign = owner.ids["slot_token"]
        return foreign, foreign[:-4] + ("AAAA" if not foreign.endswith("AAAA") else "BBBB")

    async def send(token: str) -> Message | GiroError:
        return await _answer(asking, rpc, "slot_token", token)

    foreign, forged, answers = await _leaving_alone(owner, prepare, send)
    assert isinstance(answers[0], GiroError)
    assert _told(answers[0], foreign) == _told(answers[1], forged)


@pytest.mark.asyncio
async def test_every_table_tells_whose_its_rows_are(parties: tuple[Party, Party]) -> None:
    """So that none is left out of what has to stay as it was."""
    stored = parties[1].stored
    assert stored is not None
    of_nobody = {table for (_, table), owned in stored.tables.items() if not owned}
    assert of_nobody == OF_NOBODY.keys()


@pytest.mark.asyncio
@pytest.mark.parametrize("code", ["CC0036B", "CC0036DB"])
async def test_a_foreign_state_in_a_parameter_is_like_nobodys(
    parties: tuple[Party, Party], code: str
) -> None:
    asking, owner = parties
    rpc = RPCS["/giro.booking.v1.RefixService/ImportParameters"]

    async def prepare() -> tuple[str, str]:
        await owner.refresh({"state_id"})
        return owner.ids["state_id"], nobodys("state_id")

    async def send(value: str) -> Message | GiroError:
        wanted = refix.ImportParametersRequest(parameters=[refix.NamedValue(name=code, value=value)])
        try:
            return await asking.call(rpc, wanted)
        except GiroError as refused:
            return refused

    foreign, nothing, answers = await _leaving_alone(owner, prepare, send)
    assert _told(answers[0], foreign) == _told(answers[1], nothing)


def test_what_need_not_be_refused_is_still_in_the_contracts() -> None:
    assert set(ANSWERED_ALIKE) <= {f"{_short(path)} {field}" for path, field in CASES}


Prepare = Callable[[], Awaitable[tuple[str, str]]]
Send = Callable[[str], Awaitable[Message | GiroError]]


async def _leaving_alone(
    owner: Party, prepare: Prepare, send: Send
) -> tuple[str, str, list[Message | GiroError]]:
    """What is sent, somebody's and nobody's, and the answers; they leave the owner as it was.

    Services write by themselves too, when an event comes late or a hold expires: then all is done again with
    fresh ids. What is changed by the asking is changed each time.
    """
    changed: list[str] = []
    for _ in range(TRIES):
        foreign, nothing = await prepare()
        await owner.quiet()
        before = await owner.snapshot()
        answers = [await send(value) for value in (foreign, nothing)]
        changed = before.changed(await owner.snapshot())
        if not changed:
            return foreign, nothing, answers
    raise AssertionError(f"{changed} of somebody else changed")


async def _some_page_token(owner: Party) -> str:
    """Of another list, for a list that has one page only."""
    answer = await owner.world.call(owner.world.geo.ListAgents, geo.ListAgentsRequest(page_size=1))
    assert answer.next_page_token
    return str(answer.next_page_token)


async def _answer(asking: Party, rpc: Rpc, field: str, value: str) -> Message | GiroError:
    fresh = MADE_BY_THE_CALLER.get(rpc.method)
    ids = {**asking.ids, fresh: new_id(PREFIXES[fresh])} if fresh else asking.ids
    request = Filler(ids, asking.next_start()).request(rpc, field, value)
    if rpc.method == "ReassignAppointment":
        request.ClearField("start")
    try:
        return await asking.call(rpc, request)
    except GiroError as refused:
        return refused


def _told(answer: Message | GiroError, sent: str, *, reading: bool = True) -> tuple[object, ...]:
    """What an answer says apart from the id that was sent; of a good one to a change, that it is good."""
    if not isinstance(answer, GiroError):
        return type(answer).__name__, str(answer).replace(sent, "<id>") if reading else ""
    violations = [(found.field, found.description.replace(sent, "<id>")) for found in answer.violations]
    metadata = {key: value.replace(sent, "<id>") for key, value in answer.metadata.items()}
    return type(answer), answer.reason, answer.message.replace(sent, "<id>"), metadata, violations


def _ids_in(text: str) -> set[str]:
    return set(_ANY_ID.findall(text))
