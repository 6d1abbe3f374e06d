"""What a portal and three screens are answered through the gateway, in JSON (R-017, R-030, R-049, R-052)."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from allinone.stack import Stack
from giro.booking.v1 import booking_pb2 as booking
from giro.booking.v1 import outcomes_pb2 as outcomes
from giro.booking.v1 import refix_pb2 as refix
from giro.booking.v1.outcomes_pb2_grpc import OutcomesServiceStub
from giro.booking.v1.refix_pb2_grpc import RefixServiceStub
from tests.world import World, request_id

pytestmark = pytest.mark.asyncio

Json = dict[str, Any]
SCREENS = ("SCREEN_AGENDA", "SCREEN_CALL_SCREEN", "SCREEN_BACK_OFFICE")
NEW_CARD = {"CC0036": "SI", "CC0037": "SI", "CC0037A": "NO", "CC0036D": "refixed"}


@pytest_asyncio.fixture
async def http(stack: Stack) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=stack.urls.gateway, timeout=60, trust_env=False) as client:
        yield client


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def test_not_having_looked_is_no_reason(world: World, http: httpx2.AsyncClient) -> None:
    """BK-08: refused by the field's name, and the log says who looked."""
    booked = (await world.book(world.day(4, 12))).appointment_id
    customer = bearer(world.token("CUSTOMER", world.campaign))
    assert (await http.get(f"/v1/appointments/{booked}", headers=customer)).status_code == 200
    for reason in ("NOT_SEEN", "ANNULMENT_REASON_NOT_SEEN", 99, 0, None):
        body = {"reason": reason, "requestId": request_id()}
        answer = await http.post(f"/v1/appointments/{booked}:claimAnnulment", json=body, headers=customer)
        found = answer.json()
        assert (answer.status_code, found["code"]) == (400, 3), found  # INVALID_ARGUMENT
        named = [each["field"] for detail in found["details"] for each in detail.get("fieldViolations", [])]
        assert named == ["reason"], reason
    supervisor = bearer(world.token("AGENT_SUPERVISOR"))
    views = (await http.get(f"/v1/appointments/{booked}/views", headers=supervisor)).json()["views"]
    assert [(each["role"], each["version"]) for each in views] == [("CUSTOMER", "1")]
    assert views[0]["viewedAt"]
    assert (await world.get(booked)).state == booking.APPOINTMENT_STATE_TO_CONFIRM  # no claim came of it


async def test_who_owns_and_who_sees_the_link_of_a_new_card(world: World, http: httpx2.AsyncClient) -> None:
    """BK-23, rows A and C, by RPC; BK-32: the same case from three screens gives the same."""
    await _policy(world)
    for number, (owner_moves, linked) in enumerate((("SI", "SI"), ("NO", "NO"), ("SI", "NO"), ("NO", "SI"))):
        await _parameters(world, CC0036A=owner_moves, CC0036C=linked, **NEW_CARD)
        screens = SCREENS if number == 0 else SCREENS[number - 1 : number]
        results = [
            await _scripted(world, http, screen, 4 + 4 * number + place)
            for place, screen in enumerate(screens)
        ]
        assert results == [_expected(owner_moves == "SI", linked == "SI")] * len(screens)
    assert await world.ownership() == ([], [])


def _expected(owner_moves: bool, linked: bool) -> Json:
    audit = {"operator": linked, "auditor": True}
    return {
        "owner_moved": owner_moves,
        "new": {"supersedes": linked, "state": "refixed", "locked": False},
        "old": {"superseded_by": linked, "locked": True, "colour": "CARD_COLOUR_LIGHT_BLUE"},
        "told": audit,
        "owners": owner_moves,
    }


async def _scripted(world: World, http: httpx2.AsyncClient, screen: str, day: int) -> Json:
    """Booked by one operator, fallen through, fixed again by another; what everybody is shown then."""
    old = await world.book(world.day(day, 9), minutes=30)
    ko = {"stateId": "ko", "note": "nobody at home", "requestId": request_id()}
    first, second = bearer(world.token("AGENT")), bearer(world.token("OPERATOR"))
    told = await http.post(f"/v1/appointments/{old.appointment_id}:setOutcome", json=ko, headers=first)
    assert told.status_code == 200, told.text
    again = {
        "time": {"start": world.day(day + 30, 9).strftime("%Y-%m-%dT%H:%M:%SZ")},
        "screen": screen,
        "note": "see you then",
        "requestId": request_id(),
    }
    made = await http.post(f"/v1/appointments/{old.appointment_id}:refix", json=again, headers=second)
    assert made.status_code == 200, made.text
    new = made.json()
    assert new["appointmentId"] != old.appointment_id
    return await _shown(world, http, old, new)


async def _shown(world: World, http: httpx2.AsyncClient, old: Any, new: Json) -> Json:
    ident, before = new["appointmentId"], old.appointment_id
    roles = ("OPERATOR", "AGENT_SUPERVISOR", "PROJECT_MANAGER", "ADMINISTRATOR")
    cards = [await _get(http, world.token(role), f"/v1/appointments/{ident}") for role in roles]
    olds = [await _get(http, world.token(role), f"/v1/appointments/{before}") for role in roles]
    assert {each.get("supersedes", "") for each in cards} in ({before}, {""}), "every role is shown the same"
    entries = {
        "operator": await _history(http, world.token("OPERATOR"), ident),
        "auditor": await _history(http, world.token("ADMINISTRATOR"), ident),
    }
    kinds = {who: [each["kind"] for each in found] for who, found in entries.items()}
    return {
        "owner_moved": new["operatorId"] != old.operator_id,
        "new": {
            "supersedes": cards[0].get("supersedes", "") == before,
            "state": cards[0]["outcomeStateId"],
            "locked": cards[0].get("locked", False),
        },
        "old": {
            "superseded_by": olds[0].get("supersededBy", "") == ident,
            "locked": olds[0]["locked"],
            "colour": olds[0]["cardColour"],
        },
        "told": {who: "HISTORY_KIND_SUPERSEDES" in found for who, found in kinds.items()},
        "owners": "HISTORY_KIND_OWNER" in kinds["auditor"],
    }


async def _get(http: httpx2.AsyncClient, token: str, path: str) -> Json:
    answer = await http.get(path, headers=bearer(token))
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def _history(http: httpx2.AsyncClient, token: str, ident: str) -> list[Json]:
    found: list[Json] = (await _get(http, token, f"/v1/appointments/{ident}/history")).get("entries", [])
    return found


async def _policy(world: World) -> None:
    service = OutcomesServiceStub(world.channel)
    ko = {"result": outcomes.VISIT_RESULT_KO, "list_state": "W", "recall": outcomes.RECALL_OPTION_PUBLIC}
    refixed = {"result": outcomes.VISIT_RESULT_OPEN, "recall": outcomes.RECALL_OPTION_NONE}
    for state, traits in (("ko", ko), ("refixed", refixed)):
        made = outcomes.UpsertOutcomeStateRequest(state_id=state, display_name=state, **traits)
        await world.call(service.UpsertOutcomeState, made)


async def _parameters(world: World, **by_code: str) -> None:
    values = [refix.NamedValue(name=code, value=value) for code, value in by_code.items()]
    stub = RefixServiceStub(world.channel)
    await world.call(stub.ImportParameters, refix.ImportParametersRequest(parameters=values))
