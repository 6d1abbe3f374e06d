"""Long work lets others have their turn, and keeps within its share of the time."""

import asyncio

import pytest

from geo.usecases import slices
from geo.usecases.slices import Slices

pytestmark = pytest.mark.asyncio


class Clock:
    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 6))
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(slices, "monotonic", clock)
    monkeypatch.setattr(asyncio, "sleep", clock.sleep)
    return clock


async def test_others_get_their_turn_after_two_milliseconds_and_not_before(clock: Clock) -> None:
    work = Slices()
    clock.now += 0.001
    await work.give()
    assert clock.slept == []
    clock.now += 0.0011
    await work.give()
    assert clock.slept == [0]
    clock.now += 0.001
    await work.give()
    assert clock.slept == [0]


async def test_a_turn_of_others_is_as_long_as_the_slice_before_it(clock: Clock) -> None:
    for share, turn in ((0.1, 0.004), (0.5, 0.004), (0.8, 0.001), (1.0, 0)):
        work = Slices(share)
        clock.now += 0.004
        await work.give()
        assert clock.slept.pop() == turn


async def test_a_rest_is_as_long_as_the_share_of_the_time_asks_for(clock: Clock) -> None:
    work = Slices(0.1)
    clock.now += 0.01
    await work.give()
    clock.now += 0.01
    await work.rest()
    clock.now += 0.002
    await work.rest()
    assert clock.slept == [0.01, 0.17, 0.018]


async def test_work_that_somebody_waits_for_does_not_rest(clock: Clock) -> None:
    work = Slices()
    clock.now += 1
    await work.rest()
    assert clock.slept == [0]
