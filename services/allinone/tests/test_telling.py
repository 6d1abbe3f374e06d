"""A caller of the played flow against a gateway that is busy, or whose agendas move."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest

from allinone.errors import StartFailed
from allinone.telling import Caller, Json

pytestmark = pytest.mark.asyncio

Answers = list[tuple[int, Json]]


def refusal(reason: str) -> Json:
    return {"message": "no", "details": [{"reason": reason}]}


@pytest.fixture
def asked() -> list[Json]:
    return []


@pytest.fixture
def caller_of(asked: list[Json], monkeypatch: pytest.MonkeyPatch) -> Callable[[Answers], Caller]:
    """A caller whose gateway gives these answers, in order."""

    async def at_once(seconds: float) -> None:
        """Nobody waits."""

    monkeypatch.setattr(asyncio, "sleep", at_once)

    def make(answers: Answers) -> Caller:
        async def request(method: str, path: str, json: Any = None) -> httpx2.Response:
            asked.append(json)
            status, body = answers.pop(0)
            return httpx2.Response(status, json=body)

        caller = Caller("http://giro.example", "operator")
        monkeypatch.setattr(caller._http, "request", request)
        return caller

    return make


def numbered() -> Callable[[], Awaitable[Json]]:
    made = iter(range(100))

    async def ask() -> Json:
        return {"slotToken": next(made)}

    return ask


async def test_a_slot_that_went_meanwhile_is_suggested_anew(
    caller_of: Callable[[Answers], Caller], asked: list[Json]
) -> None:
    caller = caller_of(
        [(409, refusal("SLOT_TOKEN_STALE")), (409, refusal("SLOT_TAKEN")), (200, {"ok": True})]
    )

    assert await caller.takes("/v1/appointments", numbered()) == {"ok": True}
    assert [each["slotToken"] for each in asked] == [0, 1, 2]


async def test_another_refusal_is_asked_for_once(
    caller_of: Callable[[Answers], Caller], asked: list[Json]
) -> None:
    caller = caller_of([(400, refusal("LEAD_TIME"))])

    with pytest.raises(StartFailed):
        await caller.takes("/v1/appointments", numbered())
    assert len(asked) == 1


async def test_slots_that_always_go_end_it(caller_of: Callable[[Answers], Caller], asked: list[Json]) -> None:
    caller = caller_of([(409, refusal("SLOT_TAKEN"))] * 20)

    with pytest.raises(StartFailed):
        await caller.takes("/v1/appointments", numbered())
    assert len(asked) == 10


async def test_the_same_call_is_repeated_while_a_busy_machine_passes(
    caller_of: Callable[[Answers], Caller], asked: list[Json]
) -> None:
    caller = caller_of([(503, {"message": "busy"}), (504, {"message": "late"}), (200, {"ok": True})])

    assert await caller.posts("/v1/appointments", {"requestId": "one"}) == {"ok": True}
    assert asked == [{"requestId": "one"}] * 3


async def test_a_gateway_that_stays_busy_ends_it(
    caller_of: Callable[[Answers], Caller], asked: list[Json]
) -> None:
    caller = caller_of([(503, {"message": "busy"})] * 9)

    with pytest.raises(StartFailed):
        await caller.asks("/v1/campaigns")
    assert len(asked) == 4
