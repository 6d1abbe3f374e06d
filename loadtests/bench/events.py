"""`python -m loadtests.bench.events`: how long after it was written an event is on NATS (BK-45).

From the moment when an event's row stands in booking's outbox, which a trigger of the bench's own notes, to
the moment for which NATS itself notes that it has stored it. The row is the last statement before the commit,
so the time since the commit is less by what the commit takes on the disk. Neither end is read in a client,
which is busy with 31 others. Clients correct contacts and book, one and then 32, each with the next call at
once.
"""

import argparse
import itertools
import os
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import grpc
import nats
import uvloop
from rich.console import Console
from rich.table import Table

from allinone.stack import Stack, StackOptions
from giro.booking.v1 import booking_pb2 as booking
from giro.booking.v1.booking_pb2_grpc import BookingServiceStub
from kit import subjects
from loadtests.bench import processors
from loadtests.bench.loop import Sample, closed_loop
from loadtests.bench.reminders import Database
from tests.eventually import eventually
from tests.world import World

AIM_MS: Final = 1_000
"""Within which an event has to be on NATS after its commit."""
CROWD: Final = 32
AGENTS: Final = 16
A_DAY: Final = 12
_PEOPLE: Final = 400
_PAGE: Final = 500

_NOTED: Final = (
    "CREATE TABLE public.bench_told (event_id text PRIMARY KEY, written_at timestamptz NOT NULL)",
    """CREATE FUNCTION public.bench_tell() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
       BEGIN INSERT INTO public.bench_told VALUES (NEW.event_id, clock_timestamp()); RETURN NULL; END $$""",
    """CREATE TRIGGER bench AFTER INSERT ON booking.outbox
       FOR EACH ROW EXECUTE FUNCTION public.bench_tell()""",
)

Work = tuple[str, Callable[[int], Awaitable[object]], int]
"""What is done, the call, and how many calls."""


@dataclass(frozen=True, slots=True)
class Row:
    """Some clients' work: what a call took, and the milliseconds of each of its events."""

    work: str
    clients: int
    calls: Sample
    delays: Sample


@dataclass(slots=True)
class Bench:
    """A tenant and the calls to measure, straight to booking."""

    world: World
    stack: Stack
    database: Database
    channel: grpc.aio.Channel
    numbers: Iterator[int]

    def works(self, calls: int) -> Iterator[Work]:
        """What is measured."""
        yield "UpdateContact", self._correct, calls
        yield "BookAppointment", self._book, calls // 2

    async def _correct(self, number: int) -> object:
        who, phone = self.world.contacts[number % _PEOPLE], f"+39{next(self.numbers):010}"
        request = booking.UpdateContactRequest(contact_id=who, phone=phone)
        return await self._stub.UpdateContact(request, metadata=self._metadata)

    async def _book(self, _number: int) -> object:
        at = next(self.numbers)
        agent, rest = at % AGENTS, at // AGENTS
        start = self.world.day(4 + rest // A_DAY, 6 + rest % A_DAY)
        return await self.world.book(start, agent=agent, contact=agent)

    @property
    def _stub(self) -> Any:
        return BookingServiceStub(self.channel)

    @property
    def _metadata(self) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self.world.token()}"),)


async def run(calls: int, out: Console) -> list[Row]:
    """The whole report."""
    with tempfile.TemporaryDirectory(prefix="giro-bench-") as folder:
        os.chmod(folder, 0o755)
        out.print("starting the services")
        async with Stack(StackOptions.for_tests(Path(folder) / "state", durable=True)) as stack:
            bench = await _prepared(stack)
            rows = []
            for (work, call, many), clients in itertools.product(bench.works(calls), (1, CROWD)):
                out.print(f"measuring: {work}, clients: {clients}")
                rows.append(await _measure(bench, (work, call, many if clients > 1 else many // 5), clients))
            await bench.channel.close()
            await bench.world.close()
        return rows


async def _prepared(stack: Stack) -> Bench:
    database = Database(stack.urls.admin_database)
    for statement in _NOTED:
        database.run(statement)
    world = await World.make(stack, agents=AGENTS, purchased=1_000_000, contacts=_PEOPLE)
    channel = grpc.aio.insecure_channel(stack.urls.targets["booking"])
    return Bench(world, stack, database, channel, itertools.count())


async def _measure(bench: Bench, work: Work, clients: int) -> Row:
    name, call, many = work
    bench.database.run("TRUNCATE public.bench_told")
    took = await closed_loop(call, clients=clients, calls=many)

    async def drained() -> bool:
        return await processors.is_drained(bench.stack.urls.nats, bench.database)

    await eventually(drained, bool, within=120)
    return Row(name, clients, took, Sample(await _delays(bench), took.seconds, {}))


async def _delays(bench: Bench) -> list[float]:
    """Milliseconds of each event. Raises AssertionError when one is not there."""
    written = dict(bench.database.run("SELECT event_id, written_at FROM public.bench_told"))
    stored = await _stored(bench.stack.urls.nats)
    assert written.keys() <= stored.keys(), "an event that left the outbox is not on NATS"
    return [(stored[name] - at).total_seconds() * 1000 for name, at in written.items()]


async def _stored(nats_url: str) -> dict[str, datetime]:
    """When NATS stored each of booking's events, by its id and NATS's own clock."""
    client = await nats.connect(nats_url)
    found: dict[str, datetime] = {}
    try:
        stream = subjects.stream("booking")
        reader = await client.jetstream().pull_subscribe(">", stream=stream)
        while True:
            try:
                messages = await reader.fetch(_PAGE, timeout=1)
            except TimeoutError:
                return found
            for message in messages:
                name = (message.headers or {})["Nats-Msg-Id"]
                found[name] = message.metadata.timestamp.astimezone(UTC)
                await message.ack()
    finally:
        await client.close()


def table(rows: list[Row]) -> Table:
    """The report for a terminal."""
    load = os.getloadavg()
    shown = Table(
        title=f"written in the outbox until on NATS; aim {AIM_MS} ms; load {load[0]:.1f} {load[1]:.1f}"
    )
    headings = (
        "work",
        "clients",
        "calls a second",
        "events",
        "p50 ms",
        "p99 ms",
        "longest ms",
        "call p99 ms",
    )
    for heading in headings:
        shown.add_column(heading, justify="left" if heading == "work" else "right")
    for row in rows:
        shown.add_row(
            row.work,
            str(row.clients),
            f"{row.calls.per_second:.0f}",
            f"{len(row.delays.milliseconds):,}",
            f"{row.delays.p50:.1f}",
            f"{row.delays.quantile(0.99):.1f}",
            f"{max(row.delays.milliseconds):.0f}",
            f"{row.calls.quantile(0.99):.0f}",
        )
    return shown


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=2_000, help="of 32 clients; bookings are half as many")
    out = Console(width=140)
    out.print(table(uvloop.run(run(parser.parse_args().calls, out))))


if __name__ == "__main__":
    main()
