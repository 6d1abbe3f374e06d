"""Why a start cannot be had, and changes that do open it (GEO-10, GEO-29): each is applied, then booked."""

import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
import pytest_asyncio

from geo.domain.calendar import WeeklyBreak, WeeklyShift, calendar
from geo.domain.plan import Plan
from geo.storage import agents as locks
from geo.usecases.add_absence import AddAbsence, add_absence
from geo.usecases.explain_start import Change, ChangeKind, Explained, ExplainStart, Ground, explain_start
from geo.usecases.hold_stop import HoldStop, hold_stop
from geo.usecases.move_stop import MoveStop, move_stop
from geo.usecases.parameters import set_parameter
from geo.usecases.reserve_stop import ReserveStop, reserve_stop
from geo.usecases.settle_stop import settle_stop
from kit.errors import GiroError, NotFound, Reason
from kit.testing.databases import Databases
from kit.values.ids import new_id
from kit.values.latlng import LatLng
from kit.values.window import Window
from services.geo.tests.search.test_search_on_ledger import House, noon_break
from services.geo.tests.support.world import BEGINS, NORTH, SOUTH, TENANT, at, open_in_time

pytestmark = pytest.mark.asyncio

STEP = 900
FAR = LatLng(45.2, 7.0).key
DAY = Window(at(0), at(24))


@pytest_asyncio.fixture(scope="module")
async def house(make_database: Databases) -> AsyncIterator[House]:
    world = await open_in_time(make_database(["geo"]))
    yield House.on(world)
    await world.db.stop()


def asked(agent: str, start: float, *, place: int = NORTH, others: tuple[str, ...] = ()) -> ExplainStart:
    plan = Plan(agent, Window(at(start), at(start + 0.5)), place, 0)
    return ExplainStart(plan, (DAY,), (agent, *others), BEGINS, STEP, postpone_up_to=7200)


async def explain(house: House, question: ExplainStart) -> Explained:
    asked_now = replace(question, as_of=house.world.now)
    return await explain_start(house.ledger, house.search, TENANT, asked_now)


async def reserve(house: House, plan: Plan) -> str:
    appointment = new_id("apt")
    await reserve_stop(house.ledger, TENANT, ReserveStop(appointment, plan))
    return appointment


async def refusal(house: House, plan: Plan) -> GiroError | None:
    """What a booking would be told; nothing stays booked."""
    try:
        appointment = await reserve(house, plan)
    except GiroError as refused:
        return refused
    await settle_stop(house.ledger, TENANT, appointment)
    return None


def changed_plan(plan: Plan, change: Change) -> Plan:
    if change.kind is ChangeKind.POSTPONE:
        return plan
    length = plan.window.duration
    return replace(plan, agent_id=change.agent_id, window=Window(change.start, change.start + length))


async def apply(house: House, plan: Plan, change: Change, plans: dict[str, Plan]) -> None:
    """Makes the change and books; both have to be granted."""
    if change.kind is ChangeKind.POSTPONE:
        there = plans[change.appointment_id]
        end = change.start + there.window.duration
        there = replace(there, window=Window(change.start, end))
        move = MoveStop(new_id("mov"), change.appointment_id, there)
        await move_stop(house.ledger, TENANT, move)
        plans[change.appointment_id] = there
    plan = changed_plan(plan, change)
    plans[await reserve(house, plan)] = plan


async def test_a_start_that_fits_has_no_reason(house: House) -> None:
    agent = await house.world.agent(noon_break())
    assert await explain(house, asked(agent, 10)) == Explained(())


async def test_the_smallest_shift_and_the_other_agent(house: House) -> None:
    agent, other = [await house.world.agent(noon_break()) for _ in range(2)]
    await house.book(agent, 9, 9.5, SOUTH)
    found = await explain(house, asked(agent, 9.75, others=(other,)))
    drive = 600 + 2669  # 22.2 km from the south
    assert found.grounds == (Ground(Reason.TRAVEL_IN, drive - 900),)
    told = [(one.kind, one.agent_id, one.seconds) for one in found.changes]
    assert told[0] == (ChangeKind.LATER, agent, 2700), "10:30 is the first of the grid after 10:24:29"
    assert told[1] == (ChangeKind.AGENT, other, 0)
    assert found.changes[0].start == at(10.5)


async def test_a_neighbour_that_is_moved_a_little(house: House) -> None:
    agent = await house.world.agent(noon_break())
    neighbour = await house.book(agent, 10, 10.5, NORTH)
    found = await explain(house, asked(agent, 9.75))
    assert [one.reason for one in found.grounds] == [Reason.SLOT_TAKEN]
    postpone = found.changes[-1]
    assert (postpone.kind, postpone.appointment_id, postpone.seconds) == (ChangeKind.POSTPONE, neighbour, 900)
    assert [one.seconds for one in found.changes[:-1]] == [900, 2700], "9:30 before it, 10:30 after it"


async def test_postponements_are_tried_up_to_a_bound(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = await house.world.agent(noon_break())
    await house.book(agent, 10, 10.5, NORTH)
    for bound, told in ((1, []), (2, [1800])):
        monkeypatch.setattr("geo.usecases.explain_start.MOST_TRIALS", bound)
        changes = (await explain(house, asked(agent, 10))).changes
        assert [one.seconds for one in changes if one.kind is ChangeKind.POSTPONE] == told


async def test_an_explanation_writes_nothing_and_waits_for_nobody(house: House) -> None:
    """It answers while somebody holds the agents' locks, and their agendas stay at their versions."""
    agents = [await house.world.agent(noon_break()) for _ in range(2)]
    await house.book(agents[0], 10, 10.5, NORTH)
    async with house.world.db.uow(TENANT) as tx:
        before = await locks.lock(tx, agents)
        question = asked(agents[0], 9.75, others=(agents[1],))
        found = await explain(house, question)
    assert {one.kind for one in found.changes} == set(ChangeKind)
    async with house.world.db.uow(TENANT) as tx:
        assert await locks.read(tx, agents) == before


async def test_a_promised_arrival_is_kept(house: House) -> None:
    agent = await house.world.agent(noon_break())
    window = Window(at(10), at(10.5))
    promised = Plan(agent, window, NORTH, 0, arrival=Window(at(9.75), at(10.1)))
    await reserve(house, promised)
    kinds = {one.kind for one in (await explain(house, asked(agent, 9.75))).changes}
    assert ChangeKind.POSTPONE not in kinds, "it was promised until six past ten"


async def test_rules_have_no_neighbour_to_move(house: House) -> None:
    agent = await house.world.agent(noon_break())
    await house.book(agent, 10, 10.5)
    question = asked(agent, 20)
    found = await explain(house, question)
    assert found.grounds == (Ground(Reason.OUTSIDE_SHIFT),)
    assert [one.kind for one in found.changes] == [ChangeKind.EARLIER]
    unskilled = replace(question, plan=replace(asked(agent, 11).plan, skills=("gas",)))
    assert await explain(house, unskilled) == Explained((Ground(Reason.NO_SKILL),))
    with pytest.raises(NotFound):
        await explain(house, asked("agt_nobody", 11))


async def test_a_neighbour_moved_over_midnight_counts_on_its_new_day(house: House) -> None:
    nights = calendar("UTC", [WeeklyShift(day, 20 * 60, 5 * 60) for day in range(1, 8)], [])
    agent = await house.world.agent(nights)
    await set_parameter(house.ledger, TENANT, "max_visits_per_day", "1", agent)
    window = Window(at(23.5), at(24.5))
    plans = {await reserve(house, (plan := Plan(agent, window, NORTH, 0))): plan}
    two_days = Window(at(0), at(48))
    found = await explain(house, replace(asked(agent, 24), windows=(two_days,)))
    assert [one.reason for one in found.grounds] == [Reason.SLOT_TAKEN]
    moves = [one for one in found.changes if one.kind is ChangeKind.POSTPONE]
    assert moves == [], "it would be the visit of the day after, which may have one"
    before = replace(asked(agent, 22), windows=(two_days,))
    found = await explain(house, before)
    assert [one.reason for one in found.grounds] == [Reason.QUOTA]
    (move,) = [one for one in found.changes if one.kind is ChangeKind.POSTPONE]
    assert (move.start, move.seconds) == (at(24), 1800)
    await apply(house, before.plan, move, plans)


async def test_a_neighbour_of_the_next_shift_keeps_clear_of_what_follows_it(house: House) -> None:
    halves = [WeeklyShift(day, *half) for day in range(1, 8) for half in ((480, 720), (780, 1080))]
    for (follower, hours), postponed in (((13.5, 4.25), False), ((16.0, 0.5), True)):
        agent = await house.world.agent(calendar("UTC", halves, []))
        plans = {}
        for start, length in ((13.0, 0.5), (follower, hours)):
            plan = Plan(agent, Window(at(start), at(start + length)), FAR, 0)
            plans[await reserve(house, plan)] = plan
        question = asked(agent, 11.5, place=SOUTH)
        found = await explain(house, question)
        assert [one.reason for one in found.grounds] == [Reason.TRAVEL_OUT]
        moves = [one for one in found.changes if one.kind is ChangeKind.POSTPONE]
        assert bool(moves) is postponed
        for move in moves:
            await apply(house, question.plan, move, plans)


async def test_a_hold_is_nobody_to_postpone(house: House) -> None:
    agent = await house.world.agent(noon_break())
    plan = Plan(agent, Window(at(10), at(10.5)), NORTH, 0)
    await hold_stop(house.ledger, TENANT, HoldStop(new_id("hld"), plan, timedelta(seconds=90)))
    kinds = [one.kind for one in (await explain(house, asked(agent, 10))).changes]
    assert sorted(kinds) == [ChangeKind.EARLIER, ChangeKind.LATER]


@pytest.mark.parametrize("seed", range(3))
async def test_every_change_opens_the_start_and_no_smaller_one_does(house: House, seed: int) -> None:
    """Random days of two agents, booked until they are crowded. A change is applied and booked; the reason is
    the one that a booking is told; no nearer start of the grid and no shorter postponement would do."""
    chance = random.Random(seed)
    agents = tuple([await house.world.agent(noon_break(), buffer=60 * chance.randrange(3)) for _ in range(2)])
    applied = await crowded(house, chance, agents, [asked(agents[0], 8 + n / 4) for n in range(40)])
    assert len(applied) >= 2


@pytest.mark.parametrize("day", [26, 243])
async def test_changes_open_starts_under_quotas_absences_and_breaks_while_the_clocks_change(
    house: House, day: int
) -> None:
    """Nights in Rome over both changes of the clocks, from 22 to 6, with a break at midnight; three visits
    a calendar day, and an hour's absence."""
    chance, nights = random.Random(day), [WeeklyShift(one, 22 * 60, 6 * 60) for one in range(1, 8)]
    weekly = calendar("Europe/Rome", nights, [WeeklyBreak(one, 23 * 60 + 45, 15) for one in range(1, 8)])
    agents = tuple([await house.world.agent(weekly) for _ in range(2)])
    for agent, hour in zip(agents, (22, 26), strict=True):
        await set_parameter(house.ledger, TENANT, "max_visits_per_day", "3", agent)
        away = Window(at(hour, day), at(hour + 1, day))
        await add_absence(house.ledger, TENANT, AddAbsence(agent, away, "", new_id("req")))
    night = (Window(at(19, day), at(30, day)),)
    starts = [replace(asked(agents[0], 24 * day + 20 + n / 4), windows=night) for n in range(36)]
    assert await crowded(house, chance, agents, starts)


async def crowded(
    house: House, chance: random.Random, agents: tuple[str, ...], questions: Sequence[ExplainStart]
) -> set[ChangeKind]:
    """Asks for starts at random, and books what fits, or a change that opens it; the kinds that were made."""
    plans: dict[str, Plan] = {}
    applied: set[ChangeKind] = set()
    for _ in range(24):
        place = LatLng(45 + chance.uniform(-0.1, 0.1), 7 + chance.uniform(-0.1, 0.1)).key
        question = chance.choice(questions)
        plan = replace(question.plan, agent_id=chance.choice(agents), place=place)
        question = replace(question, plan=plan, agent_ids=agents)
        found = await explain(house, question)
        told = await refusal(house, question.plan)
        assert (told.reason if told else None) == (found.grounds[0].reason if found.grounds else None)
        if told is None:
            plans[await reserve(house, question.plan)] = question.plan
            continue
        for change in found.changes:
            await no_smaller_one(house, question, change, plans)
        if found.changes:
            change = chance.choice(found.changes)
            await apply(house, question.plan, change, plans)
            applied.add(change.kind)
    await house.world.sound()
    return applied


async def no_smaller_one(
    house: House, question: ExplainStart, change: Change, plans: dict[str, Plan]
) -> None:
    """Each change opens it, and on the grid nothing nearer does."""
    plan = question.plan
    if change.kind is ChangeKind.POSTPONE:
        for seconds in range(STEP, change.seconds + 1, STEP):
            assert await postponed_opens(house, plan, change.appointment_id, seconds, plans) == (
                seconds == change.seconds
            )
        return
    assert await refusal(house, changed_plan(plan, change)) is None
    sign = 1 if change.kind is ChangeKind.LATER else -1
    for seconds in range(STEP, change.seconds, STEP):
        nearer = replace(change, start=plan.window.start + sign * timedelta(seconds=seconds))
        assert await refusal(house, changed_plan(plan, nearer)) is not None


def later(window: Window, seconds: int) -> Window:
    by = timedelta(seconds=seconds)
    return Window(window.start + by, window.end + by)


async def postponed_opens(
    house: House, plan: Plan, neighbour: str, seconds: int, plans: dict[str, Plan]
) -> bool:
    """Moves it, tries the visit, and moves it back."""
    present = plans[neighbour]
    there = replace(present, window=later(present.window, seconds))
    try:
        await move_stop(house.ledger, TENANT, MoveStop(new_id("mov"), neighbour, there))
    except GiroError:
        return False
    opened = await refusal(house, plan) is None
    await move_stop(house.ledger, TENANT, MoveStop(new_id("mov"), neighbour, present))
    return opened
