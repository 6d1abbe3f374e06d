"""What search offers commits; what it does not the ledger refuses for the reason told (GEO-10, GEO-25).

On a real ledger: random days of agents with zones of all kinds, quotas, skills, breaks, nights and buffers.
"""

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
from geo.usecases.explain_start import ExplainStart, explain_start
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
from services.geo.tests.support.world import HOME, TENANT, open_world

pytestmark = [pytest.mark.asyncio, pytest.mark.slow]

RULES = {Reason.NO_SKILL, Reason.OUTSIDE_ZONE, Reason.QUOTA}
SPAN = Window(datetime(2027, 10, 29, tzinfo=UTC), datetime(2027, 11, 1, tzinfo=UTC))
"""Three days around the end of summer time in Rome."""


@pytest_asyncio.fixture(scope="module")
async def house(make_database: Databases) -> AsyncIterator[House]:
    world = await open_world(make_database(["geo"]))
    yield House.on(world)
    await world.db.stop()


def shifts(at: random.Random) -> Calendar:
    base = at.choice([HOME, None])
    if at.random() < 0.3:
        return calendar(
            "Europe/Rome", [WeeklyShift(day, 20 * 60, 5 * 60, base, base) for day in range(1, 8)], []
        )
    days = [WeeklyShift(day, 8 * 60, 17 * 60, base, base) for day in range(1, 8)]
    return calendar("Europe/Rome", days, [WeeklyBreak(day, 720, 765) for day in range(1, 8)])


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


async def reserved(house: House, plan: Plan) -> Reason | None:
    try:
        await reserve_stop(house.ledger, TENANT, ReserveStop(new_id("apt"), plan))
    except GiroError as refused:
        return refused.reason
    return None


def asked_for(begin: int, end: int) -> range:
    """The starts in a gap that the search was about: on the grid, the visit within the span."""
    first = max(begin, int(SPAN.start.timestamp()))
    return range(first + -first % 900, min(end, int(SPAN.end.timestamp()) - 1799), 900)


@pytest.mark.parametrize("seed", range(4))
async def test_offers_commit_and_refusals_say_what_the_ledger_says(house: House, seed: int) -> None:
    at, seen, now = random.Random(seed), Counter[Reason](), datetime.now(UTC).replace(microsecond=0)
    agents = [await some_agent(house, at) for _ in range(6)]
    for _ in range(25):
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
        for gap in at.sample(found.refused, min(4, len(found.refused))):
            starts = asked_for(gap.start, gap.end)
            if not starts:
                continue
            start = at.choice(starts)
            plan = wish.plan(gap.agent_id, start)
            explained = await explain_start(
                house.ledger, house.search, TENANT, ExplainStart(plan, (), (), now)
            )
            said = await reserved(house, plan)
            assert said is explained.grounds[0].reason
            seen[gap.reason] += 1
            if gap.reason in RULES and said is not Reason.OUTSIDE_SHIFT:
                assert said is gap.reason
            elif gap.reason not in RULES:
                assert said not in RULES
        if found.slots:
            slot, _ = at.choice(found.slots)
            assert await reserved(house, wish.plan(slot.agent_id, slot.start)) is None
    await house.world.sound()
    assert seen[Reason.OUTSIDE_ZONE] > 3
    assert sum(seen.values()) > 50
