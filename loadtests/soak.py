"""`make soak`: operators at work for as long as you like, NATS away for a minute in between, then the checks.

python -m loadtests.soak --minutes 10 --writers 32
"""

import argparse
import asyncio
import os
import random
import tempfile
import time
from collections import Counter
from pathlib import Path

import uvloop
from rich.console import Console
from rich.progress import Progress

from allinone.stack import Stack, StackOptions
from tests.world import Refusal, World

OUTAGE_SECONDS = 60


async def soak(minutes: float, writers: int, console: Console) -> int:
    """Runs it; the exit code, 1 when a promise was broken."""
    with tempfile.TemporaryDirectory(prefix="giro-soak-") as folder:
        os.chmod(folder, 0o755)
        options = StackOptions.for_tests(Path(folder) / "state", durable=True)
        async with Stack(options) as stack:
            world = await World.make(stack, agents=8, purchased=1_000_000)
            outcomes = await _work(world, stack, minutes, writers)
            violations = await world.violations()
            strays = await _settled_ownership(world)
            await world.close()
    console.print(dict(outcomes.most_common()))
    console.print(f"{len(violations)} violations; without stop, without owner: {strays}")
    return 1 if violations or any(strays) else 0


async def _work(world: World, stack: Stack, minutes: float, writers: int) -> Counter[str]:
    outcomes: Counter[str] = Counter()
    booked: list[str] = []
    end = time.monotonic() + minutes * 60
    with Progress() as progress:
        bar = progress.add_task("soaking", total=minutes * 60)

        async def watch() -> None:
            while time.monotonic() < end:
                progress.update(bar, completed=minutes * 60 - (end - time.monotonic()))
                await asyncio.sleep(1)

        await asyncio.gather(
            watch(),
            _outage(stack, minutes),
            *(_writer(world, random.Random(number), end, (booked, outcomes)) for number in range(writers)),
        )
    return outcomes


async def _outage(stack: Stack, minutes: float) -> None:
    """NATS is away for a minute in the middle, when there is time for it."""
    if minutes * 60 < 3 * OUTAGE_SECONDS:
        return
    await asyncio.sleep(minutes * 20)
    await stack.stop_nats()
    await asyncio.sleep(OUTAGE_SECONDS)
    await stack.start_nats()


async def _writer(
    world: World, chance: random.Random, end: float, into: tuple[list[str], Counter[str]]
) -> None:
    booked, outcomes = into
    while time.monotonic() < end:
        act = chance.choices(("book", "postpone", "reassign", "confirm", "cancel"), (45, 15, 15, 10, 15))[0]
        try:
            await _act(world, chance, act, booked)
            outcomes[act] += 1
        except Refusal as refusal:
            outcomes[refusal.reason or refusal.code] += 1


async def _act(world: World, chance: random.Random, act: str, booked: list[str]) -> None:
    start = world.day(chance.randrange(4, 40), chance.randrange(24), chance.randrange(0, 60, 5))
    if act == "book" or not booked:
        made = await world.book(start, agent=chance.randrange(8), contact=chance.randrange(12))
        booked.append(made.appointment_id)
    elif act == "postpone":
        await world.postpone(chance.choice(booked[-200:]), start)
    elif act == "reassign":
        await world.reassign(chance.choice(booked[-200:]), chance.randrange(8))
    elif act == "confirm":
        await world.confirm(chance.choice(booked[-200:]))
    else:
        await world.cancel(chance.choice(booked[-200:]))


async def _settled_ownership(world: World) -> tuple[list[str], list[str]]:
    """What is left after the minute that everything has to settle in."""
    deadline = time.monotonic() + 60
    while True:
        strays = await world.ownership()
        if not any(strays) or time.monotonic() > deadline:
            return strays
        await asyncio.sleep(1)


def main() -> int:
    """Reads the arguments and soaks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--writers", type=int, default=32)
    given = parser.parse_args()
    return uvloop.run(soak(given.minutes, given.writers, Console()))


if __name__ == "__main__":
    raise SystemExit(main())
