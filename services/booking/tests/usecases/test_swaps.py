"""Two appointments whose agents change places: both or none, whatever dies and whoever else is at it."""

import asyncio
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from booking_house import House, claim
from house_clock import soon
from ledger_double import Lost
from rounds_double import RoundsDouble

from booking.domain.appointment import Card
from booking.usecases.confirm_appointment import ConfirmAppointment, confirm_appointment
from booking.usecases.swap_appointments import SwapAppointments, swap_appointments
from kit.db.claims import Claim
from kit.errors import GiroError, NotFound, Reason
from kit.testing.dying import Died, die_at
from kit.values.ids import new_id

pytestmark = pytest.mark.asyncio(loop_scope="session")

STEPS = ("before_decide", "after_pending", "after_move", "before_commit", "after_commit")


async def two(house: House, second_hours: float = 48) -> tuple[Card, Card]:
    campaign = await house.campaign()
    contact = await house.contact(campaign)
    first = await house.book(campaign, contact, soon(48), house.agents[0])
    return first, await house.book(campaign, contact, soon(second_hours), house.agents[1])


async def swap(
    house: House, pair: tuple[Card, Card], key: Claim | None = None, **versions: int
) -> list[Card]:
    ids = [card.appointment.appointment_id for card in pair]
    seen = versions.get("version", 0), versions.get("other_version", 0)
    command = SwapAppointments((ids[0], seen[0]), (ids[1], seen[1]), key or claim())
    return await swap_appointments(house.desk, RoundsDouble(house.ledger), command)


async def agents(house: House, pair: tuple[Card, Card]) -> list[int]:
    stored = [await house.stored(card.appointment.appointment_id) for card in pair]
    return [house.agents.index(each.agent_id) for each in stored]


async def refusal(work: Any) -> GiroError:
    with pytest.raises(GiroError) as error:
        await work
    return error.value


async def test_at_the_same_hour_two_agents_change_places(house: House) -> None:
    pair, key = await two(house), claim()
    await confirm_appointment(house.desk, ConfirmAppointment(pair[0].appointment.appointment_id, 0))
    made = await swap(house, pair, key)
    assert [card.appointment.agent_id for card in made] == [house.agents[1], house.agents[0]]
    assert [card.appointment.window for card in made] == [card.appointment.window for card in pair]
    assert [card.appointment.state for card in made] == ["CONFIRMED", "TO_CONFIRM"]
    assert await swap(house, pair, key) == made
    assert [name for name, _ in await house.events()].count("appointment_reassigned") == 2
    await house.require_sound()


async def test_what_does_not_fit_moves_neither(house: House) -> None:
    pair = await two(house, 50)
    campaign = await house.campaign()
    await house.book(campaign, await house.contact(campaign), soon(48.25), house.agents[1])
    before = await house.all_stored()
    assert (await refusal(swap(house, pair))).reason is Reason.SLOT_TAKEN
    after = await house.all_stored()
    for row in (before, after):
        for key in row:
            row[key] = row[key]._asdict() | {"decided_at": None}
    assert before == after
    await house.require_sound()


async def test_one_agent_and_nobody_are_named(house: House) -> None:
    pair = await two(house)
    same = await refusal(swap(house, (pair[0], pair[0])))
    assert [violation.field for violation in same.violations] == ["other_appointment_id"]
    command = SwapAppointments((pair[0].appointment.appointment_id, 0), (new_id("apt"), 0), claim())
    with pytest.raises(NotFound) as error:
        await swap_appointments(house.desk, RoundsDouble(house.ledger), command)
    assert [violation.field for violation in error.value.violations] == ["other_appointment_id"]
    assert (await refusal(swap(house, pair, other_version=7))).reason is Reason.STALE_VERSION


async def test_an_agent_of_another_campaign_is_named(house: House) -> None:
    mine = await house.campaign(agents=house.agents[:1])
    other = await house.campaign(agents=house.agents[1:2])
    first = await house.book(mine, await house.contact(mine), soon(48), house.agents[0])
    second = await house.book(other, await house.contact(other), soon(48), house.agents[1])
    error = await refusal(swap(house, (first, second)))
    assert error.reason is Reason.AGENT_NOT_IN_CAMPAIGN
    assert [violation.field for violation in error.violations] == ["appointment_id"]


async def test_a_repeat_gets_the_first_answer_whoever_has_them_by_now(house: House) -> None:
    pair, key = await two(house, 50), claim()
    made = await swap(house, pair, key)
    await house.reassign(made[1], house.agents[1])  # now one agent has both
    assert await swap(house, pair, key) == made
    same = await refusal(swap(house, pair))
    assert [violation.field for violation in same.violations] == ["other_appointment_id"]


@pytest.mark.parametrize("step", STEPS)
async def test_death_at_any_step_leaves_both_or_none(house: House, step: str) -> None:
    pair = await two(house)
    die_at(f"booking.repair.{step}")
    with pytest.raises(Died):
        await swap(house, pair)
    await house.settle()
    moved = step in {"after_move", "before_commit", "after_commit"}
    assert await agents(house, pair) == ([1, 0] if moved else [0, 1])
    await house.require_sound()


@pytest.mark.parametrize("lost", list(Lost))
async def test_an_answer_that_is_lost_is_settled(house: House, lost: Lost) -> None:
    pair = await two(house)
    house.ledger.lose("move_all", lost)
    try:
        await swap(house, pair)
    except GiroError as error:
        assert error.code == "UNAVAILABLE"  # noqa: PT017
    await house.settle()
    await house.ledger.deliver_late()
    await house.settle()
    assert await agents(house, pair) in ([1, 0], [0, 1])
    await house.require_sound()


async def test_swaps_and_other_changes_at_once_stay_sound(house: House) -> None:
    pair = await two(house)
    work = [swap(house, pair) for _ in range(4)]
    changes = [house.postpone(pair[0], soon(60 + n)) for n in range(3)]
    await asyncio.gather(*work, *changes, return_exceptions=True)
    await house.settle()
    assert sorted(await agents(house, pair)) == [0, 1]
    await house.require_sound()


async def test_a_swap_keeps_to_absences(house: House) -> None:
    from booking.usecases.unavailability import SetUnavailability, set_unavailability

    pair = await two(house, 24 * 10)
    day = pair[0].appointment.window.start.astimezone(ZoneInfo("Europe/Rome")).date().isoformat()
    note = SetUnavailability(house.agents[1], "", day, "", "", "ill", claim())
    await set_unavailability(house.desk, note)
    assert (await refusal(swap(house, pair))).reason is Reason.ABSENT
    assert await agents(house, pair) == [0, 1]
