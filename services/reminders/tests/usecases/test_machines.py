"""Answering machines (R-148): off by default; on, a machine is no answer, and free."""

from collections.abc import Iterator

import pytest
from reminder_house import DAY, PHONE, House, at

from kit.errors import InvalidInput
from kit.rpc import context
from kit.rpc.context import Caller, Grant
from reminders.clients.simulated import Answer, Outcome
from reminders.domain.reminder import State
from reminders.usecases.set_parameter import Where, get_parameter, set_parameter

pytestmark = pytest.mark.asyncio(loop_scope="session")

NAME = "answering_machine_detection"


@pytest.fixture
def inside(house: House) -> Iterator[House]:
    """The house, entered by its administrator."""
    token = context.become(Caller("usr_1", house.tenant, (Grant("ADMINISTRATOR", "tenant", ""),)))
    yield house
    context.unbecome(token)


async def test_a_machine_is_no_answer_is_free_and_is_called_again(house: House) -> None:
    await house.settle_in(DAY, called_as='"Sole Mio"', answering_machine_detection="true", charge_once="true")
    house.carrier.book.script(PHONE, Answer(Outcome.MACHINE), Answer())
    visit = await house.booked(at(3, 12))
    await house.go_to(at(2, 12))
    await house.make()
    assert [call.detect_machine for call in house.carrier.placed] == [True]
    assert await house.colour(visit) == "GREY"
    (attempt,) = await house.attempts(visit)
    assert (attempt.ending, attempt.answered_at is not None) == ("MACHINE", True)
    assert [(row.kind, row.charged) for row in await house.rows("charges")] == [("FAILED", False)]
    await house.go_to((await house.only(visit)).run_at)
    await house.make()
    assert await house.colour(visit) == "GREEN"
    assert [row.charged for row in await house.rows("charges") if row.kind == "ANSWERED"] == [True]


async def test_a_machine_every_time_ends_as_no_answer(house: House) -> None:
    await house.settle_in(DAY, called_as='"Sole Mio"', answering_machine_detection="true")
    house.carrier.book.script(PHONE, Answer(Outcome.MACHINE))
    visit = await house.booked(at(3, 12))
    for _ in range(3):
        await house.go_to((await house.only(visit)).run_at)
        await house.make()
    assert (await house.only(visit)).outcome == "NO_ANSWER"
    assert await house.colour(visit) == "ORANGE"
    assert [row.charged for row in await house.rows("charges")] == [False] * 3


async def test_off_by_default_a_machine_is_charged_as_an_answer_without_key(house: House) -> None:
    await house.settle_in(DAY, called_as='"Sole Mio"')
    house.carrier.book.script(PHONE, Answer(Outcome.MACHINE))
    visit = await house.booked(at(3, 12))
    await house.go_to(at(2, 12))
    await house.make()
    assert [call.detect_machine for call in house.carrier.placed] == [False]
    assert [(row.kind, row.charged) for row in await house.rows("charges")] == [("ANSWERED_NO_KEY", True)]
    assert await house.colour(visit) == "ORANGE"


async def test_the_option_is_refused_where_nobody_can_tell(inside: House) -> None:
    inside.carrier.detects_machines = False
    for where in (Where(), Where("brn_1"), Where(campaign_id="cmp_1")):
        with pytest.raises(InvalidInput, match=NAME) as refused:
            await set_parameter(inside.desk, NAME, where, "true")
        assert [each.field for each in refused.value.violations] == ["value"]
        assert (await set_parameter(inside.desk, NAME, where, "false")).value == "false"
    inside.carrier.detects_machines = True
    await set_parameter(inside.desk, NAME, Where(campaign_id="cmp_1"), "true")
    assert (await get_parameter(inside.desk, NAME, Where())).value == "false"
    assert (await get_parameter(inside.desk, NAME, Where(campaign_id="cmp_1"))).value == "true"


@pytest.mark.parametrize(
    ("email", "state", "said"),
    [("", State.DROPPED, "NO_MACHINE_DETECTION"), ("ada@example.com", State.DONE, "SENT")],
)
async def test_on_from_before_with_a_carrier_that_can_not_tell_nobody_is_called(
    house: House, email: str, state: State, said: str
) -> None:
    on = {NAME: "true", "reminder_ladder": '"VOICE,EMAIL"'}
    await house.settle_in(DAY, called_as='"Sole Mio"', **on)
    house.carrier.detects_machines = False
    visit = await house.booked(at(3, 12), email=email)
    await house.go_to(at(2, 12))
    await house.make()
    reminder = await house.only(visit)
    assert (reminder.state, reminder.outcome or reminder.reason) == (state, said)
    assert house.carrier.placed == []
