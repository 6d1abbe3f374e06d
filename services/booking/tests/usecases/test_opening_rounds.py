"""A round over the openings of all tenants: one that is sick keeps no other waiting."""

from collections.abc import Sequence

import pytest
from booking_house import House
from waiting_queue import Died, Queue, die_at

from booking.storage import openings
from booking.usecases import openings as rounds
from booking.usecases.desk import Desk
from booking.usecases.openings import Place, work_openings
from kit.db.worker import WorkerTx
from kit.errors import Reason, Unavailable

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAGE = openings.page
AWAY = Unavailable(Reason.SERVICE_UNAVAILABLE, "geo did not answer", metadata={"service": "geo"})


class Ward:
    """Openings of several tenants, some of which are sick; notes which are worked."""

    def __init__(self, names: dict[str, str], sick: dict[str, Exception]) -> None:
        self.names, self.sick, self.worked = names, sick, list[str]()

    async def page(self, tx: WorkerTx, after: tuple[str, str], count: int) -> Sequence[tuple[str, str]]:
        """Without what other tests have left open."""
        found = await PAGE(tx, after, 100_000)
        return [row for row in found if row[1] in self.names][:count]

    async def work(self, _: Desk, tenant: str, opening_id: str) -> None:
        name = self.names[opening_id]
        self.worked.append(name)
        if error := self.sick.get(name):
            raise error


async def some_open(house: House, number: int) -> dict[str, str]:
    """That many openings of tenants of their own, worked in the order of their names."""
    found: list[tuple[str, str]] = []
    for _ in range(number):
        each = House(house.desk, house.ledger, house.agents)
        each.enter()
        queue = await Queue.of(each, 1)
        die_at("opening.after_commit")
        with pytest.raises(Died):
            await queue.free()
        async with house.desk.db.worker() as tx:
            found += await PAGE(tx, (each.tenant, ""), 1)
    return {opening_id: f"opening {place}" for place, (_, opening_id) in enumerate(sorted(found))}


async def a_ward(house: House, monkeypatch: pytest.MonkeyPatch, number: int, **sick: Exception) -> Ward:
    names = await some_open(house, number)
    ward = Ward(names, {name.replace("_", " "): error for name, error in sick.items()})
    monkeypatch.setattr(rounds, "work_opening", ward.work)
    monkeypatch.setattr(openings, "page", ward.page)
    return ward


@pytest.mark.parametrize("error", [AWAY, RuntimeError("no campaign"), KeyError("row")])
async def test_a_sick_opening_keeps_no_other_waiting(
    house: House, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    ward = await a_ward(house, monkeypatch, 3, opening_0=error, opening_1=error)
    place = Place()
    await work_openings(house.desk, place)
    assert ward.worked == ["opening 0", "opening 1", "opening 2"]
    assert place == Place()


async def test_a_round_ends_when_geo_is_away_and_the_next_goes_on_behind(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    ward = await a_ward(house, monkeypatch, 4, opening_0=AWAY, opening_1=AWAY, opening_2=AWAY)
    place = Place()
    monkeypatch.setattr(rounds, "_BATCH", 2)
    with pytest.raises(Unavailable):
        await work_openings(house.desk, place)
    assert ward.worked == ["opening 0", "opening 1", "opening 2"]
    await work_openings(house.desk, place)
    assert ward.worked[3:] == ["opening 3"]
    with pytest.raises(Unavailable):
        await work_openings(house.desk, place)
    assert ward.worked[4:] == ["opening 0", "opening 1", "opening 2"]
