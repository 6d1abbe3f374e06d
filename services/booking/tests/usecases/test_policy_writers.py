"""A policy that contradicts itself is never stored: anywhere, in any way, whoever else writes (R-032)."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from booking_house import House

from booking.domain.outcomes import Recall, Result
from booking.domain.refix_modes import BUILT_IN, CardRule, Work
from booking.usecases.refix.policy import upsert_mode
from booking.usecases.set_parameter import set_parameter
from kit.errors import GiroError, Reason
from kit.testing.schedule import two_sessions

pytestmark = pytest.mark.asyncio(loop_scope="session")

Write = Callable[[], Awaitable[Any]]


async def codes(work: Awaitable[Any]) -> str:
    with pytest.raises(GiroError) as refused:
        await work
    assert refused.value.reason is Reason.POLICY_CONTRADICTION
    return refused.value.metadata["codes"]


def writes(house: House) -> dict[str, Write]:
    return {
        "forbid": lambda: set_parameter(house.desk, "CC0036", "", "NO"),
        "always": lambda: set_parameter(house.desk, "CC0037", "", "SI"),
        "activate": lambda: house.procedure(Work.MOVE, "ko-date"),
        "dateless": lambda: house.outcome_state("ko-date", recall=Recall.NONE),
        "preset": lambda: house.parameters(CC0036B="refixed"),
        "hold": lambda: house.outcome_state("refixed", result=Result.HELD, recall=Recall.NONE),
    }


PAIRS = [("forbid", "always"), ("activate", "dateless"), ("preset", "hold")]


@pytest.mark.parametrize(("first", "second"), [*PAIRS, *((b, a) for a, b in PAIRS)])
async def test_of_two_who_contradict_each_other_the_later_is_refused(
    house: House, first: str, second: str
) -> None:
    await house.parameters(CC0036="SI")
    await house.outcome_state("refixed", result=Result.OPEN, recall=Recall.NONE)
    await house.outcome_state("ko-date", recall=Recall.NONE, refix=True)
    ways = writes(house)
    done = await two_sessions(ways[first], ways[second], at="booking.policy.before_commit")
    assert done.held
    assert not done.overtook
    assert not isinstance(done.first, BaseException)
    assert isinstance(done.second, GiroError)
    assert done.second.reason is Reason.POLICY_CONTRADICTION


async def test_what_a_narrower_place_relies_on_is_not_taken_away(house: House) -> None:
    campaign = (await house.campaign()).campaign_id
    await house.parameters(CC0036="SI")
    await house.parameters(campaign, CC0037="SI")
    with pytest.raises(GiroError) as refused:
        await house.parameters(CC0036="NO")
    assert refused.value.metadata == {"codes": "NEW_CARD_NOT_ALLOWED"}
    assert f"campaign {campaign}: refix_always_new_card" in refused.value.message
    await house.parameters(campaign, CC0036="SI")  # of its own now
    await house.parameters(CC0036="NO")
    assert await codes(set_parameter(house.desk, "CC0036", campaign, "")) == "NEW_CARD_NOT_ALLOWED"


async def test_a_user_and_a_campaign_do_not_contradict_where_they_meet(house: House) -> None:
    campaign = (await house.campaign()).campaign_id
    await house.parameters(CC0036="SI")
    await house.parameters("", "usr_1", CC0036="NO")
    assert await codes(house.parameters(campaign, CC0037="SI")) == "NEW_CARD_NOT_ALLOWED"
    await house.parameters("", "usr_1", CC0036="")
    await house.parameters(campaign, CC0037="SI")
    assert await codes(house.parameters("", "usr_2", CC0036="NO")) == "NEW_CARD_NOT_ALLOWED"


async def test_a_state_that_a_campaign_presets_is_not_made_held(house: House) -> None:
    campaign = (await house.campaign()).campaign_id
    await house.outcome_state("refixed", result=Result.OPEN, recall=Recall.NONE)
    await house.parameters(campaign, CC0036B="refixed")
    held = house.outcome_state("refixed", result=Result.HELD, recall=Recall.NONE)
    assert await codes(held) == "HELD_PRESET"


async def test_a_mode_that_its_procedure_contradicts_is_refused(house: House) -> None:
    modes = {mode.mode_id: mode for mode in BUILT_IN}
    for wrong, code in (
        (replace(modes["mode-3"], card=CardRule.NEW), "MODE_CARD_MISMATCH"),
        (replace(modes["mode-4"], refix=False), "MODE_NEVER_APPLIES"),
    ):
        assert await codes(upsert_mode(house.desk, wrong)) == code
    await upsert_mode(house.desk, replace(modes["mode-3"], display_name="Alone"))
