"""The processor that each process of a stack has taken, and when all that follows from events is done."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import nats

from allinone.keys import SERVICES
from allinone.stack import Stack
from loadtests.bench.reminders import Database

_NAMES: Final = (*SERVICES, "nats", "postgres")


def taken(stack: Stack) -> dict[str, float]:
    """CPU seconds so far by name, of its descendants too; of PostgreSQL those of this stack alone."""
    return {name: sum(map(_seconds, _family(stack.pid(name)))) for name in _NAMES}


def told(before: Mapping[str, float], after: Mapping[str, float], items: int) -> str:
    """Milliseconds an item between two looks: those of all, then of each that took any."""
    each = {name: (after[name] - before[name]) * 1000 / items for name in after}
    parts = ", ".join(f"{name} {spent:.1f}" for name, spent in each.items() if spent >= 0.05)
    return f"{sum(each.values()):.1f} ms: {parts}"


async def is_drained(nats_url: str, database: Database) -> bool:
    """Whether no event waits: not in an outbox, and at no consumer."""
    waiting = [database.run(f"SELECT count(*) FROM {schema}.outbox")[0][0] for schema in SERVICES]
    if any(waiting):
        return False
    client = await nats.connect(nats_url)
    try:
        stream_names = [info.config.name or "" for info in await client.jetstream().streams_info()]
        found = [each for name in stream_names for each in await client.jetstream().consumers_info(name)]
        return not any((each.num_pending or 0) + (each.num_ack_pending or 0) for each in found)
    finally:
        await client.close()


def _family(pid: int | None) -> Iterator[int]:
    """The process and all that it has begun, by whatever number of steps."""
    if pid is not None:
        yield pid
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in task.read_text().split():
                yield from _family(int(child))


def _seconds(pid: int) -> float:
    """Its own and those of its children that have ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
