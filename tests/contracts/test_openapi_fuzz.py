"""schemathesis against the gateway's own OpenAPI page, on the whole stack."""

import asyncio
import json
import os
import sys
from pathlib import Path

import httpx2
import pytest

from allinone.stack import Stack
from tests.world import World

pytestmark = pytest.mark.asyncio

HOOKS = Path(__file__).with_name("fuzz_hooks.py")
SECONDS = 100
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
)
# QUERY is left out: Envoy refuses it without a content type (400) before it knows whether the path takes it
CONFIG = f"""
hooks = {json.dumps(str(HOOKS))}
[phases.coverage]
unexpected-methods = ["GET", "PUT", "POST", "DELETE", "OPTIONS", "PATCH"]
"""


async def sensible_values(world: World) -> dict[str, list[str]]:
    """Ids that exist and values that make sense, by the name of their field in either spelling."""
    booked = [await world.book(world.day(5, hour), contact=hour) for hour in (8, 10)]
    suggested = (await world.suggest()).slots
    held = await world.hold(suggested[0].slot_token)
    ids = {
        "campaign_id": [world.campaign],
        "agent_id": world.agents,
        "contact_id": world.contacts,
        "appointment_id": [one.appointment_id for one in booked],
        "hold_id": [held.hold_id],
        "slot_token": [slot.slot_token for slot in suggested],
        "time_zone": ["Europe/Rome", "America/New_York"],
        "first_day": [world.day(4).date().isoformat()],
        "last_day": [world.day(9).date().isoformat()],
    }
    others = {
        "name": ["lead_time"],
        "value": ["3600s"],
        "duration": ["1800s", "3600s"],
        "ttl": ["60s"],
        "by": ["60s"],
    }
    return {**ids, **{camel(name): found for name, found in ids.items()}, **others}


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_the_api_does_what_its_page_says(stack: Stack, world: World, tmp_path: Path) -> None:
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    values = json.dumps(await sensible_values(world))
    schemathesis = Path(sys.executable).with_name("schemathesis")
    process = await asyncio.create_subprocess_exec(
        str(schemathesis),
        *("--config-file", str(tmp_path / "schemathesis.toml"), "--no-color"),
        *("run", f"{stack.urls.gateway}/openapi.json"),
        *("--header", f"Authorization: Bearer {world.token()}"),
        *("--checks", ",".join(CHECKS)),
        # the examples of the page are values of the coverage phase too
        *("--phases", "coverage,fuzzing", "--max-examples", "6", "--seed", "20261122"),
        *("--max-time", str(SECONDS), "--workers", "2", "--continue-on-failure"),
        *("--request-timeout", "20"),
        *("--generation-database", "none"),
        cwd=tmp_path,
        env={**os.environ, "GIRO_FUZZ_VALUES": values},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    # a run that reached nothing would pass too
    assert f"Tested: {await operations(stack)}" in said.decode(), said.decode()


async def operations(stack: Stack) -> int:
    """How many there are on the page."""
    async with httpx2.AsyncClient() as client:
        page = (await client.get(f"{stack.urls.gateway}/openapi.json")).json()
    methods = {"get", "post", "put", "patch", "delete"}
    return sum(len(methods & path.keys()) for path in page["paths"].values())
