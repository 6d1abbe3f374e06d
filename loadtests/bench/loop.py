"""The closed loop: a number of clients, each with one call in flight, and what it took them."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from statistics import median

Call = Callable[[int], Awaitable[object]]
"""One call; the argument counts up over the run, so that calls can differ."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What a run took: milliseconds of each call that was answered, seconds in all, refusals by reason."""

    milliseconds: list[float]
    seconds: float
    refusals: dict[str, int]

    @property
    def per_second(self) -> float:
        """Answered calls a second."""
        return len(self.milliseconds) / self.seconds

    def quantile(self, share: float) -> float:
        """The milliseconds that `share` (0 to 1) of the calls stayed within."""
        ordered = sorted(self.milliseconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    @property
    def p50(self) -> float:
        """Median milliseconds."""
        return median(self.milliseconds)


class Refused(Exception):
    """The call was answered with a refusal; `args[0]` names its reason. Counted apart, never as a success."""


async def closed_loop(call: Call, *, clients: int, calls: int) -> Sample:
    """Makes `calls` calls from `clients` clients, each waiting for its answer before the next call."""
    numbers = iter(range(calls))
    milliseconds: list[float] = []
    refusals: dict[str, int] = {}
    began = time.perf_counter()
    await asyncio.gather(*(_client(call, numbers, milliseconds, refusals) for _ in range(clients)))
    return Sample(milliseconds, time.perf_counter() - began, refusals)


async def _client(
    call: Call, numbers: Iterator[int], milliseconds: list[float], refusals: dict[str, int]
) -> None:
    for number in numbers:
        began = time.perf_counter()
        try:
            await call(number)
        except Refused as refused:
            refusals[str(refused.args[0])] = refusals.get(str(refused.args[0]), 0) + 1
            continue
        milliseconds.append((time.perf_counter() - began) * 1000)
