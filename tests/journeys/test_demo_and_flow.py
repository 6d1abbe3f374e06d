"""The demo loaded into a running stack, and the operator's flow played against it, as `make run` does."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from allinone import demo, transcript
from allinone.demo import days, extras
from allinone.demo.calls import Services
from allinone.demo.ids import DemoIds
from allinone.stack import Stack
from giro.booking.v1 import booking_pb2
from giro.geo.v1 import geo_pb2

pytestmark = [pytest.mark.asyncio, pytest.mark.slow, pytest.mark.timeout(600)]

FEWER_DAYS = 4
"""Enough for an agenda with gaps; the whole fortnight takes longer to load."""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / demo.FILE_NAME


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def loaded(stack: Stack, file: Path) -> AsyncIterator[DemoIds]:
    """The demo with a few booked days."""
    platform = demo.platform_user()
    await stack.make_platform_user(platform.email, platform.password)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(days, "DAYS", FEWER_DAYS)
        yield await demo.load(stack, file=file)


async def test_the_ledger_holds_the_booked_days(stack: Stack, loaded: DemoIds) -> None:
    """What was booked is there, each visit with its stop, and the promise holds."""
    supervisor = loaded.users["agent_supervisor"]
    async with Services(stack.urls.targets) as services:
        user = await services.sign_in(supervisor.email, supervisor.password)
        promise = await user.call(services.geo.VerifyInvariants, geo_pb2.VerifyInvariantsRequest())
        owned = await user.call(services.booking.VerifyOwnership, booking_pb2.VerifyOwnershipRequest())

    assert loaded.booked == owned.appointments == owned.stops > 0
    assert promise.agents == 20
    assert not promise.violations


async def test_a_second_start_only_looks(
    stack: Stack, loaded: DemoIds, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("allinone.demo.start._load")
    again = await demo.load(stack, file=file)

    assert again == loaded


async def test_a_load_that_was_cut_off_goes_on_where_it_was(
    stack: Stack, loaded: DemoIds, file: Path
) -> None:
    """Without the file everything is asked for again, and nothing is doubled."""
    before = await _owned(stack, loaded)
    file.unlink()
    again = await demo.load(stack, file=file)

    assert again.tenants == loaded.tenants
    assert await _owned(stack, loaded) == before >= loaded.booked


async def test_every_part_has_something_to_show(stack: Stack, loaded: DemoIds) -> None:
    home, administrator = loaded.tenants["voce"], loaded.users["administrator"]
    campaign_id = home.campaigns["solar"]
    async with httpx2.AsyncClient(base_url=stack.urls.gateway, timeout=60, trust_env=False) as http:
        signing = {"email": administrator.email, "password": administrator.password}
        token = (await http.post("/v1/sessions", json=signing)).json()["accessToken"]

        async def get(path: str) -> Any:
            return (await http.get(path, headers={"authorization": f"Bearer {token}"})).json()

        zones = (await get("/v1/zones"))["zones"]
        waits = (await get(f"/v1/campaigns/{campaign_id}/waitlist"))["entries"]
        claims = (await get("/v1/annulmentClaims"))["claims"]
        away = (await get(f"/v1/unavailabilities?agentId={home.agents['a11']}"))["unavailabilities"]
        zoned = await get(f"/v1/agents/{home.agents['a02']}")
        quota = await get(f"/v1/travelParameters/max_visits_per_day?agentId={home.agents['a09']}")
        series = await get(f"/v1/agents/{home.agents['a10']}/calendar")

    assert [sorted(each.keys() & {"area", "postcodes", "travelBand"}) for each in zones] == [
        ["area"],
        ["postcodes"],
        ["travelBand"],
    ]
    assert len(zoned["zoneIds"]) == 2
    assert quota["value"] == "4"
    assert [each["state"] for each in waits] == ["WAITLIST_STATE_WAITING"]
    assert [each["state"] for each in claims] == ["CLAIM_STATE_OPEN"]
    assert len(away) == 1
    assert series["ics"].count("maintenance") == extras.SERIES_TIMES


async def test_the_lead_time_holds_again_after_the_load(stack: Stack, loaded: DemoIds) -> None:
    administrator = loaded.users["administrator"]
    async with Services(stack.urls.targets) as services:
        user = await services.sign_in(administrator.email, administrator.password)
        for campaign_id in loaded.tenants["voce"].campaigns.values():
            request = booking_pb2.GetEffectiveParameterRequest(name="lead_time", campaign_id=campaign_id)
            parameter = await user.call(services.booking.GetEffectiveParameter, request)
            assert parameter.source == "SYSTEM"


async def test_every_demo_user_signs_in(stack: Stack, loaded: DemoIds) -> None:
    async with Services(stack.urls.targets) as services:
        for each in loaded.users.values():
            await services.sign_in(each.email, each.password)


async def test_the_flow_plays_and_plays_again(
    stack: Stack, loaded: DemoIds, capsys: pytest.CaptureFixture[str]
) -> None:
    """Raises where an answer is not what it has to be; leaves nothing booked but one recall's visit."""
    for _ in range(2):
        await transcript.play(stack.urls.gateway, loaded)
        told = capsys.readouterr().out

        for words in (
            "401 BAD_CREDENTIALS",
            "409 SLOT_TAKEN",
            "LEAD_TIME",
            "the phone rang, key 1: the calendar is green, confirmed",
            "a week of reminders in",
            *(f"mode-{number}: from" for number in range(1, 6)),
            "contract.pdf, application/pdf, version 1: back byte for byte",
            "the same calendar shows it CANCELLED",
            "is offered",
            "a recount of the history says the same",
            "the address is revoked: 404",
            "404 NOT_FOUND",
            "newest first: cancelled",
            "0 violations",
            "0 without the other",
        ):
            assert words in told
    assert await _owned(stack, loaded) == loaded.booked + 1  # the visit whose recall is left


async def _owned(stack: Stack, loaded: DemoIds) -> int:
    """How many appointments there are that are not cancelled."""
    supervisor = loaded.users["agent_supervisor"]
    async with Services(stack.urls.targets) as services:
        user = await services.sign_in(supervisor.email, supervisor.password)
        owned = await user.call(services.booking.VerifyOwnership, booking_pb2.VerifyOwnershipRequest())
    return int(owned.appointments)
