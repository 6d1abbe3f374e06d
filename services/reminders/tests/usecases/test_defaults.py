"""Changed defaults reach what is planned by them already (R-131), and take back nothing that was brought."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from reminder_house import DAY, HOUR, House, at

from kit.rpc import context
from kit.rpc.context import Caller, Grant
from kit.testing.schedule import two_sessions
from reminders.domain.reminder import State, Visit
from reminders.usecases.follow_defaults import follow_defaults
from reminders.usecases.read_reminders import explain_call
from reminders.usecases.set_parameter import Where, set_parameter
from reminders.usecases.set_reminders import set_reminders

pytestmark = pytest.mark.asyncio(loop_scope="session")

CALLED_AS = {"called_as": '"Sole Mio"'}
TWO_HOURS = timedelta(hours=2)
TENANT = Where()


@pytest.fixture
def inside(house: House) -> Iterator[House]:
    """The house, entered by its administrator."""
    token = context.become(Caller("usr_1", house.tenant, (Grant("ADMINISTRATOR", "tenant", ""),)))
    yield house
    context.unbecome(token)


async def change(house: House, value: str, where: Where = TENANT, name: str = "reminder_offsets") -> None:
    await set_parameter(house.desk, name, where, value)
    while await follow_defaults(house.desk, house.tenant):
        pass


async def states(house: House, visit: Visit) -> dict[timedelta, State]:
    return {each.offset: each.state for each in await house.of(visit)}


async def test_new_defaults_are_planned_and_old_ones_cancelled(inside: House) -> None:
    await inside.settle_in(DAY, HOUR, **CALLED_AS)
    visit = await inside.booked(at(4, 12))
    await change(inside, "86400s,7200s")
    waiting, cancelled = State.WAITING, State.CANCELLED
    assert await states(inside, visit) == {DAY: waiting, TWO_HOURS: waiting, HOUR: cancelled}
    await change(inside, "none")
    assert set((await states(inside, visit)).values()) == {cancelled}
    assert await inside.colour(visit) is None
    await change(inside, "86400s")
    assert await inside.colour(visit) == "GREY"
    assert [each.state for each in await inside.of(visit)].count(waiting) == 1
    await inside.go_to(at(3, 12))
    await inside.make()
    assert len(inside.carrier.placed) == 1


async def test_what_was_answered_stays(inside: House) -> None:
    await inside.settle_in(DAY, **CALLED_AS)
    visit = await inside.booked(at(3, 12))
    await inside.go_to(at(2, 12))
    await inside.make()
    await change(inside, "7200s")
    assert await states(inside, visit) == {DAY: State.DONE, TWO_HOURS: State.WAITING}
    assert await inside.colour(visit) == "GREEN"
    await change(inside, "86400s,7200s")
    assert len(await inside.of(visit)) == 2  # the one that was made is not made again


async def test_own_offsets_and_other_scopes_are_left_alone(inside: House) -> None:
    await inside.settle_in(DAY, **CALLED_AS)
    own, other, mine = [
        await inside.booked(at(4, 12), campaign_id=name) for name in ("cmp_1", "cmp_2", "cmp_3")
    ]
    await set_reminders(inside.desk, own.appointment_id, [HOUR])
    before = await states(inside, own), await inside.of(other)
    await change(inside, "7200s", Where(campaign_id="cmp_3"))
    assert (await states(inside, own), await inside.of(other)) == before
    assert await states(inside, mine) == {DAY: State.CANCELLED, TWO_HOURS: State.WAITING}


async def test_a_campaign_that_comes_to_a_branch_goes_by_its_defaults(inside: House) -> None:
    await inside.settle_in(DAY, **CALLED_AS)
    visit = await inside.booked(at(4, 12))
    await change(inside, "7200s", Where(branch_id="brn_1"))
    assert await states(inside, visit) == {DAY: State.WAITING}
    await change(inside, "brn_1", Where(campaign_id="cmp_1"), "reminder_branch")
    assert await states(inside, visit) == {DAY: State.CANCELLED, TWO_HOURS: State.WAITING}


async def test_a_visit_that_has_begun_and_one_that_was_cancelled_are_left(inside: House) -> None:
    await inside.settle_in(DAY, **CALLED_AS)
    gone, past = await inside.booked(at(4, 12)), await inside.booked(at(3, 12))
    await inside.ended(replace(gone, version=2))
    await inside.go_to(at(3, 12))
    before = await inside.of(gone), await inside.of(past)
    await change(inside, "7200s")
    assert (await inside.of(gone), await inside.of(past)) == before
    assert await follow_defaults(inside.desk, inside.tenant) == 0


async def test_a_limit_that_is_raised_holds_at_once(inside: House) -> None:
    """What was put off to the next day is made on the same one, up to the new limit (R-128)."""
    await inside.settle_in(timedelta(hours=48), daily_call_limit="1", **CALLED_AS)
    visits = [await inside.booked(at(4, 12)) for _ in range(4)]
    await inside.go_to(at(2, 12))
    await inside.make()
    assert len(inside.carrier.placed) == 1
    await inside.go_to(at(2, 15, 30))  # later than a reminder may be late after its own moment
    await change(inside, "3", name="daily_call_limit")
    await inside.make()
    assert len(inside.carrier.placed) == 3
    (left,) = [each for visit in visits for each in await inside.of(visit) if each.state is State.WAITING]
    assert left.run_at == at(3, 9)
    assert [row.put_off for row in await inside.rows("reminders") if row.state == "WAITING"] == [True]
    assert (await inside.events()).count("daily_limit_reached") == 1
    told = await explain_call(inside.desk, left.reminder_id)
    assert "daily_call_limit has changed (R-128)" in [step for each in told.decisions for step in each.path]
    await inside.go_to(at(3, 9))
    await inside.make()
    assert len(inside.carrier.placed) == 4


async def test_a_plan_that_is_made_while_the_defaults_change_follows_them(inside: House) -> None:
    """It has read the old ones, and commits after the change."""
    await inside.settle_in(DAY, **CALLED_AS)
    visit = inside.visit(at(4, 12))
    schedule = await two_sessions(
        lambda: inside.told(visit),
        lambda: set_parameter(inside.desk, "reminder_offsets", Where(), "7200s"),
        at="reminders.follow.before_commit",
        patience=15,
    )
    assert (schedule.held, schedule.overtook) == (True, True)
    assert await states(inside, visit) == {DAY: State.WAITING}
    assert await follow_defaults(inside.desk, inside.tenant) == 1
    assert await states(inside, visit) == {DAY: State.CANCELLED, TWO_HOURS: State.WAITING}
    assert await follow_defaults(inside.desk, inside.tenant) == 0
