"""What search offers commits; what it does not the ledger refuses for the reason told (GEO-10, GEO-25).

On a real ledger: random days of agents with zones of all kinds, quotas, skills, breaks, nights, touching
shifts, absences, holds and buffers. `GIRO_WORLDS=2000` looks at ten times as many as the suite,
always others; a failing test's name tells its seed, which `GIRO_FIRST_WORLD` begins with.
"""

import os
import random
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from geo.domain.calendar import Calendar, WeeklyBreak, WeeklyShift, calendar
from geo.domain.plan import Plan
from geo.domain.zones import Zone
from geo.usecases.add_absence import AddAbsence, add_absence
from geo.usecases.explain_start import ExplainStart, Ground, explain_start
from geo.usecases.hold_stop import HoldStop, hold_stop
from geo.usecases.parameters import set_parameter
from geo.usecases.reserve_stop import ReserveStop, reserve_stop
from geo.usecases.set_agent_zones import set_agent_zones
from geo.usecases.upsert_zone import upsert_zone
from kit.db.claims import Claim
from kit.errors import GiroError, Reason
from kit.testing.databases import Databases
from kit.values.ids import new_id
from kit.values.latlng import LatLng
from kit.values.window import Window
from services.geo.tests.search.test_search_on_ledger import House
from services.geo.tests.support.world import HOME, TENANT, open_in_time

pytestmark = [pytest.mark.asyncio, pytest.mark.slow]

WORLDS = int(os.environ.get("GIRO_WORLDS", "0"))
FIRST = int(os.environ.get("GIRO_FIRST_WORLD", "0")) or (
    random.SystemRandom().randrange(10**9) if WORLDS else 0
)
"""Where the seeds begin: always elsewhere with `GIRO_WORLDS`, unless it is told."""
RULES = {Reason.NO_SKILL, Reason.OUTSIDE_ZONE, Reason.QUOTA}
SPAN = Window(datetime(2038, 10, 29, tzinfo=UTC), datetime(2038, 11, 1, tzinfo=UTC))
"""Three days around the end of summer time in Rome."""


@pytest_asyncio.fixture(scope="module")
async def house(make_database: Databases) -> AsyncIterator[House]:
    world = await open_in_time(make_database(["geo"]))
    yield House.on(world)
    await world.db.stop()


def shifts(at: random.Random) -> Calendar:
    base = at.choice([HOME, None])
    if at.random() < 0.3:
        return calendar(
            "Europe/Rome", [WeeklyShift(day, 20 * 60, 5 * 60, base, base) for day in range(1, 8)], []
        )
    halves = at.choice([[(480, 1020)], [(480, 780), (780, 1140)]])
    days = [WeeklyShift(day, *half, base, base) for day in range(1, 8) for half in halves]
    breaks = [(720, 765), *at.choice([[], [(600, 615)]])]
    return calendar("Europe/Rome", days, [WeeklyBreak(day, *one) for day in range(1, 8) for one in breaks])


async def some_zone(house: House, at: random.Random) -> str:
    lat, lng = 45 + at.uniform(-0.05, 0.05), 7 + at.uniform(-0.05, 0.05)
    around = ((-0.08, -0.08), (0.08, -0.05), (0.05, 0.08), (-0.06, 0.07))
    corners = [(lng + east, lat + north) for east, north in around]
    ring = tuple((round(x * 1e6), round(y * 1e6)) for x, y in (*corners, corners[0]))
    holds = at.choice([{"polygons": ((ring,),)}, {"postcodes": ("A", "B")}, {"band": at.randint(600, 2400)}])
    zone = Zone("", new_id("nam"), **holds)  # type: ignore[arg-type]
    return (await upsert_zone(house.ledger, TENANT, zone, Claim(new_id("req"), b""))).zone_id


async def some_agent(house: House, at: random.Random) -> str:
    skills = at.choice([(), ("roof",)])
    agent = await house.world.agent(shifts(at), at.choice([0, 300, 900]), skills)
    zones = [await some_zone(house, at) for _ in range(at.choice([0, 1, 1, 2]))]
    await set_agent_zones(house.ledger, TENANT, agent, zones)
    await set_parameter(house.ledger, TENANT, "max_visits_per_day", str(at.choice([0, 1, 2, 3])), agent)
    if at.random() < 0.5:
        begin = SPAN.start + timedelta(minutes=15 * at.randrange(250))
        away = Window(begin, begin + timedelta(minutes=15 * at.randint(1, 40)))
        await add_absence(house.ledger, TENANT, AddAbsence(agent, away, "", new_id("req")))
    return agent


@dataclass(frozen=True)
class Wish:
    place: int
    postcode: str
    skills: tuple[str, ...]
    buffer: int

    @classmethod
    def some(cls, at: random.Random) -> "Wish":
        place = LatLng(45 + at.uniform(-0.12, 0.12), 7 + at.uniform(-0.12, 0.12)).key
        return cls(place, at.choice(["", "A", "C"]), at.choice([(), (), ("roof",)]), at.choice([0, 600]))

    def plan(self, agent: str, start: int) -> Plan:
        begin = datetime.fromtimestamp(start, UTC)
        when = Window(begin, begin + timedelta(minutes=30))
        return Plan(agent, when, self.place, self.buffer, self.skills, self.postcode)


async def reserved(house: House, plan: Plan) -> Ground | None:
    """What the ledger refuses it for, with the missing seconds."""
    try:
        await reserve_stop(house.ledger, TENANT, ReserveStop(new_id("apt"), plan))
    except GiroError as refused:
        short = refused.metadata.get("short_seconds")
        return Ground(refused.reason, None if short is None else int(short))
    return None


async def explained(house: House, plan: Plan) -> tuple[Ground, ...]:
    """All that is told against it."""
    asked = ExplainStart(plan, (), (), house.world.now)
    return (await explain_start(house.ledger, house.search, TENANT, asked)).grounds


def asked_for(begin: int, end: int) -> range:
    """The starts in a gap that the search was about: on the grid, the visit within the span."""
    first = max(begin, int(SPAN.start.timestamp()))
    return range(first + -first % 900, min(end, int(SPAN.end.timestamp()) - 1799), 900)


@pytest.mark.parametrize("seed", range(FIRST, FIRST + max(4, WORLDS // 50)))
async def test_offers_commit_and_refusals_say_what_the_ledger_says(house: House, seed: int) -> None:
    at, seen, amounts = random.Random(seed), Counter[Reason](), set[Reason]()
    agents = [await some_agent(house, at) for _ in range(6)]
    for _ in range(20):
        wish = Wish.some(at)
        found = await house.slots(
            *agents,
            place=wish.place,
            postcode=wish.postcode,
            skills=frozenset(wish.skills),
            buffer=wish.buffer,
            windows=(SPAN,),
            granularity=900,
            explain=True,
        )
        for gap in at.sample(found.refused, min(3, len(found.refused))):
            starts = asked_for(gap.start, gap.end)
            if not starts:
                continue
            start = at.choice(starts)
            plan = wish.plan(gap.agent_id, start)
            (told, *_), said = await explained(house, plan), await reserved(house, plan)
            assert said is not None
            assert said == told
            seen[gap.reason] += 1
            amounts |= {said.reason} if said.short_seconds else set()
            if gap.reason in RULES and said.reason is not Reason.OUTSIDE_SHIFT:
                assert said.reason is gap.reason
            elif gap.reason not in RULES:
                assert said.reason not in RULES
        if found.slots:
            slot, _ = at.choice(found.slots)
            plan = wish.plan(slot.agent_id, slot.start)
            assert await explained(house, plan) == ()
            if at.random() < 0.3:
                hold = HoldStop(new_id("hld"), plan, timedelta(minutes=5))
                await hold_stop(house.ledger, TENANT, hold)
            else:
                assert await reserved(house, plan) is None
            (told, *_), said = await explained(house, plan), await reserved(house, plan)
            assert said == told, "taken by now"
    await house.world.sound()
    assert seen[Reason.OUTSIDE_ZONE] > 1
    assert sum(seen.values()) > 20
    assert amounts
