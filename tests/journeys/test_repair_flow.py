"""A day goes wrong: a supervisor learns whom to call, and changes it in one step, over JSON (GEO-31)."""

import asyncio
import os
import sys
import time
from asyncio.subprocess import PIPE
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from allinone.stack import Stack
from tests.eventually import eventually
from tests.world import World, stamp

pytestmark = pytest.mark.asyncio


async def _post(stack: Stack, world: World, path: str, body: Any) -> tuple[int, Any]:
    headers = {"authorization": f"Bearer {world.token('AGENT_SUPERVISOR')}"}
    async with httpx2.AsyncClient(base_url=stack.urls.gateway, headers=headers, timeout=60) as http:
        answer = await http.post(path, json=body)
    return answer.status_code, answer.json()


async def _at_noon(world: World) -> datetime:
    """Moves the tenant's clock to noon, in three days; gives that instant."""
    noon = world.day(3, 12)
    await world.advance(noon - datetime.now(UTC))
    return noon


async def test_a_late_agents_day_is_repaired_in_one_step(world: World, stack: Stack) -> None:
    booked = [await world.book(world.day(3, 13 + n), contact=n, minutes=45) for n in range(3)]
    busy = await world.book(world.day(3, 13), agent=1, contact=5, minutes=45)
    await _at_noon(world)
    agent, helper = world.agents
    began = time.monotonic()
    status, found = await _post(
        stack, world, f"/v1/agents/{agent}:proposeRepair", {"delay": "5400s", "helperAgentIds": [helper]}
    )
    took = time.monotonic() - began
    assert (status, took < 5) == (200, True), (found, took)
    assert found["visits"], "an hour and a half cannot be without any change"
    assert found["unplaced"] == []
    for visit in found["visits"]:
        assert visit["contact"]["displayName"].startswith("Person ")
        later = visit["start"] > visit["appointment"]["start"]
        assert visit["callNeeded"] is later
    moves = [
        {
            "appointmentId": visit["appointment"]["appointmentId"],
            "agentId": visit["agentId"],
            "start": visit["start"],
            "version": visit["appointment"]["version"],
        }
        for visit in found["visits"]
    ]
    body = {"moves": moves, "requestId": "repair-of-the-day"}
    status, applied = await _post(stack, world, "/v1/repairs", body)
    assert status == 200, applied
    assert await _post(stack, world, "/v1/repairs", body) == (200, applied)
    now = {each.appointment_id: each for each in await world.appointments()}
    for move in moves:
        after = now[move["appointmentId"]]
        assert after.agent_id == move["agentId"]
        assert after.start.ToJsonString() == move["start"]
    untouched = {each.appointment_id for each in (*booked, busy)} - {move["appointmentId"] for move in moves}
    assert all(now[one].version == 1 for one in untouched)
    assert await eventually(world.ownership, lambda seen: seen == ([], [])) == ([], [])
    assert await world.violations() == []


async def test_what_nobody_can_do_is_named_and_a_stale_repair_refused(world: World, stack: Stack) -> None:
    lost = await world.book(world.day(3, 14), contact=1, minutes=45)
    await _at_noon(world)
    agent = world.agents[0]
    away = {"start": stamp(world.day(3, 12)).ToJsonString(), "end": stamp(world.day(4, 11)).ToJsonString()}
    status, found = await _post(
        stack, world, f"/v1/agents/{agent}:proposeRepair", {"unavailable": away, "searchTime": "1s"}
    )
    assert status == 200, found
    assert found["visits"] == [] or found["visits"][0]["callNeeded"]
    body: dict[str, Any] = {
        "moves": [],
        "cancellations": [{"appointmentId": lost.appointment_id, "version": lost.version}],
        "requestId": "given-up-for-good",
    }
    await world.postpone(lost.appointment_id, world.day(3, 14) + timedelta(hours=2))
    status, refused = await _post(stack, world, "/v1/repairs", body)
    assert (status, refused["details"][0]["reason"]) == (409, "STALE_VERSION")
    assert (await world.get(lost.appointment_id)).version == 2


async def test_a_supervisor_repairs_from_the_command_line(world: World, stack: Stack) -> None:
    booked = [await world.book(world.day(3, 13 + n), contact=n, minutes=45) for n in range(3)]
    await _at_noon(world)
    agent, helper = world.agents
    words = ("day", "repair", agent, "--delay", "90m", "--helper", helper, "--apply")
    environment = {
        **os.environ,
        "GIRO_GATEWAY_URL": stack.urls.gateway,
        "GIRO_TOKEN": world.token("AGENT_SUPERVISOR"),
        "COLUMNS": "160",
    }
    giro = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "cli", *words, env=environment, stdout=PIPE, stderr=PIPE
    )
    out, err = (part.decode() for part in await giro.communicate())
    assert giro.returncode == 0, out + err
    assert "before" in out
    assert "changed together" in out + err
    versions = {each.appointment_id: each.version for each in await world.appointments()}
    changed = [one.appointment_id for one in booked if versions[one.appointment_id] == 2]
    assert changed
    assert all(one in out for one in changed)
    assert await world.violations() == []
