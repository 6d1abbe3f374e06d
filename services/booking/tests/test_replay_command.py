"""`python -m booking replay`: the operator's check of a tenant."""

import asyncio

import pytest
from booking_house import House
from sqlalchemy import text

from booking.__main__ import main
from kit.testing.databases import DatabaseUrls

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, urls: DatabaseUrls) -> None:
    """What the command is told."""
    monkeypatch.setenv("GIRO_DATABASE_URL", urls.app("booking"))


async def replay(tenant: str) -> int:
    """The exit code; in a thread, since the command has an event loop of its own."""
    with pytest.raises(SystemExit) as ended:
        await asyncio.to_thread(main, ["replay", tenant])
    assert isinstance(ended.value.code, int)
    return ended.value.code


async def test_it_says_what_differs(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    card = await house.booked()
    await house.reassign(card, house.agents[1])
    assert await replay(house.tenant) == 0
    rest = "0 are older than their record, 0 have none, 0 have changes that no event tells"
    assert capsys.readouterr().out.splitlines()[-1] == f"1 appointments, 2 events: 0 differ, {rest}"
    ident = card.appointment.appointment_id
    async with house.desk.db.uow(house.tenant) as tx:
        statement = text("UPDATE booking.appointments SET agent_id = 'agt_x' WHERE appointment_id = :a")
        await tx.run(statement, {"a": ident})
    assert await replay(house.tenant) == 1
    assert capsys.readouterr().out.splitlines()[-2:] == [
        f"{ident}: the row differs in agent_id",
        f"1 appointments, 0 events: 1 differ, {rest}",
    ]


async def test_what_is_no_tenant_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert await replay("two words") == 2
    assert capsys.readouterr().err.startswith("booking: 'two words' is no id of a tenant")
