"""`python -m loadtests.bench.portal`: what the customer's portal reads of a campaign of 100,000 appointments.

Lists, the counters box and counts over gRPC from one client and from eight, beside a bare echo; every way to
narrow a list, by each kind of reader; then all rows of the report, read
at full speed and by eight readers at once of whom none reads on before all have begun, with what the serving
process needed of memory. What is read is in `portal_data.py`.
"""

import argparse
import asyncio
import json
import os
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Final

import grpc
import uvloop
from joserfc import jwt
from joserfc.jwk import OKPKey
from rich.console import Console
from rich.table import Table

from allinone.stack import Stack, StackOptions
from giro.booking.v1 import booking_pb2 as booking
from giro.booking.v1 import portal_pb2 as portal
from giro.booking.v1.booking_pb2_grpc import BookingServiceStub
from giro.booking.v1.portal_pb2_grpc import PortalServiceStub
from kit.rpc.tokens import AUDIENCE, TOKEN_ALG, USER_ISSUER
from loadtests.bench import echo, portal_data
from loadtests.bench.loop import Call, closed_loop
from loadtests.bench.portal_data import AGENTS, CAMPAIGN, TENANT, ZONES
from loadtests.bench.replica import Replica, cpu_seconds

ROWS: Final = int(os.environ.get("GIRO_BENCH_APPOINTMENTS", "100000"))
CROWD: Final = 8
CALLS: Final = 150
CALLS_A_WAY: Final = 15
AIM_MS: Final = 20
"""What the lists and the box may take at p50."""

Metadata = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the report; `cpu` are the server's milliseconds a call, `rows` those of one answer."""

    work: str
    rows: int
    p50: float
    p99: float
    per_second: float
    cpu: float


class Portal:
    """Calls of booking as several people."""

    def __init__(self, stack: Stack) -> None:
        self._channel = grpc.aio.insecure_channel(stack.urls.targets["booking"])
        self._key = OKPKey.import_key(json.loads(stack.urls.signing_key_file.read_text()))
        self.booking: Any = BookingServiceStub(self._channel)
        self.portal: Any = PortalServiceStub(self._channel)
        self.manager = self._metadata(["PROJECT_MANAGER", "tenant", ""])
        self.customer = self._metadata(["CUSTOMER", "campaign", CAMPAIGN])
        self.agent = self._metadata(["AGENT", "agent", AGENTS[0]])
        self.served = Replica(stack.urls.targets["booking"], stack.pid("booking") or 0)

    async def close(self) -> None:
        """Closes the channel."""
        await self._channel.close()

    def _metadata(self, grant: list[str]) -> Metadata:
        now = int(time.time())
        who = {"sub": f"usr_{uuid.uuid4().hex}", "tid": TENANT, "grants": [grant], "jti": uuid.uuid4().hex}
        claims = {"iss": USER_ISSUER, "aud": AUDIENCE, "iat": now - 60, "exp": now + 3600, **who}
        token = jwt.encode(
            {"alg": TOKEN_ALG, "kid": self._key.kid}, claims, self._key, algorithms=[TOKEN_ALG]
        )
        return (("authorization", f"Bearer {token}"),)

    # --- what is measured -----------------------------------------------------------------------------

    async def lists(self) -> AsyncIterator[tuple[str, Call]]:
        """Lists by whom and of what, fifty rows a page."""
        upcoming, everything = 1, 2
        of_all: dict[str, Any] = {"scope": everything, "campaign_id": CAMPAIGN}
        yield "ListAppointments, upcoming of the campaign", self._list(scope=upcoming, campaign_id=CAMPAIGN)
        yield "  all of the campaign, first page", self._list(**of_all)
        yield (
            "  all of the campaign, a page in the middle",
            self._list(**of_all, page_token=await self._middle(of_all)),
        )
        yield "  all of one zone of it", self._list(**of_all, zone=ZONES[3])
        yield "  all of one agent in it", self._list(**of_all, agent_id=AGENTS[5])
        yield "  upcoming of an agent, over campaigns", self._list(scope=upcoming, agent_id=AGENTS[5])
        yield "  upcoming, by the customer (looks are kept)", self._list(self.customer, scope=upcoming)
        yield "  all, by the customer", self._list(self.customer, scope=everything)
        yield "  upcoming, by an agent", self._list(self.agent, scope=upcoming)
        yield "  all, by an agent", self._list(self.agent, scope=everything)

    def ways(self) -> Iterator[tuple[str, list[tuple[str, Call]]]]:
        """Each kind of reader with every way to narrow a list, also to nothing."""
        for reader, who in (("manager", self.manager), ("customer", self.customer), ("agent", self.agent)):
            yield reader, [(_words(asked), self._list(who, **asked)) for asked in _ways()]

    def counts(self) -> list[tuple[str, Call]]:
        """Counters and counts."""
        box = portal.GetCampaignBoxRequest(campaign_id=CAMPAIGN)
        report = portal.GetReportRequest(campaign_id=CAMPAIGN)
        recount = portal.VerifyCountersRequest(campaign_id=CAMPAIGN)
        to_confirm = portal.ListToConfirmRequest(campaign_id=CAMPAIGN)
        changes = booking.ListRecentChangesRequest(campaign_id=CAMPAIGN)
        return [
            ("GetCampaignBox, by the customer", _asking(self.portal.GetCampaignBox, box, self.customer)),
            ("ListToConfirm, today", _asking(self.portal.ListToConfirm, to_confirm, self.manager)),
            ("ListRecentChanges", _asking(self.booking.ListRecentChanges, changes, self.customer)),
            ("GetReport (counts all anew)", _asking(self.portal.GetReport, report, self.customer)),
            ("VerifyCounters (counts all anew)", _asking(self.portal.VerifyCounters, recount, self.manager)),
        ]

    def _list(self, who: Metadata = (), **asked: Any) -> Call:
        return _asking(
            self.booking.ListAppointments, booking.ListAppointmentsRequest(**asked), who or self.manager
        )

    async def _middle(self, asked: dict[str, Any]) -> str:
        token, seen = "", 0
        while seen < ROWS // 2:
            request = booking.ListAppointmentsRequest(**asked, page_size=200, page_token=token)
            page = await self.booking.ListAppointments(request, metadata=self.manager)
            token, seen = page.next_page_token, seen + len(page.appointments)
        return str(token)

    # --- reports --------------------------------------------------------------------------------------

    async def report(self, begun: asyncio.Barrier) -> tuple[int, bool]:
        """Reads all rows, after the first ones not before all readers have begun; how many, and whether they
        are what the summary says."""
        request = portal.StreamReportRequest(campaign_id=CAMPAIGN)
        rows, summed = 0, -1
        waits = True
        async for message in self.portal.StreamReport(request, metadata=self.customer, timeout=600):
            if waits:
                await begun.wait()
                waits = False
            rows += len(message.rows)
            if message.HasField("summary"):
                summed = message.summary.campaign.total
        return rows, rows == summed


def _ways() -> Iterator[dict[str, Any]]:
    zones = ("", ZONES[3], "none of the name")
    for scope, campaign, agent, zone in product((1, 2), ("", CAMPAIGN), ("", AGENTS[0]), zones):
        yield {"scope": scope, "campaign_id": campaign, "agent_id": agent, "zone": zone}


def _words(asked: dict[str, Any]) -> str:
    narrowed = [name.removesuffix("_id") for name in ("campaign_id", "agent_id", "zone") if asked[name]]
    return f"{('upcoming', 'all')[asked['scope'] - 1]} by {'+'.join(narrowed) or 'nothing'}"


def _asking(method: Any, request: Any, who: Metadata) -> Call:
    async def ask(_: int) -> object:
        return await method(request, metadata=who, timeout=30)

    return ask


async def measured(portal_: Portal, work: str, call: Call, calls: int) -> Row:
    """The call from one client, then from a crowd, with what the server's process used."""
    answer: Any = await call(0)
    lists = [field for field, _ in answer.ListFields() if field.is_repeated]
    rows = len(getattr(answer, lists[0].name)) if lists else 0
    await closed_loop(call, clients=2, calls=calls // 5)
    one = await closed_loop(call, clients=1, calls=calls)
    before = cpu_seconds(portal_.served.pid)
    crowd = await closed_loop(call, clients=CROWD, calls=calls)
    cpu = (cpu_seconds(portal_.served.pid) - before) / calls * 1000
    return Row(work, rows, one.p50, one.quantile(0.99), crowd.per_second, cpu)


async def narrowed(portal_: Portal) -> AsyncIterator[str]:
    """For each kind of reader what the quickest and the slowest way to narrow a list took, in words."""
    for reader, ways in portal_.ways():
        p50 = {work: (await closed_loop(call, clients=1, calls=CALLS_A_WAY)).p50 for work, call in ways}
        slowest = max(p50, key=lambda work: p50[work])
        yield (
            f"{len(ways)} ways to narrow a list, by a {reader}: p50 {min(p50.values()):.1f} to"
            f" {p50[slowest]:.1f} ms, the slowest {slowest}"
        )


async def yardstick() -> Row:
    """The bare echo, in the same minute."""
    async with echo.served() as (call, process):
        await closed_loop(call, clients=2, calls=CALLS)
        one = await closed_loop(call, clients=1, calls=CALLS)
        before = cpu_seconds(process)
        crowd = await closed_loop(call, clients=CROWD, calls=CALLS)
        cpu = (cpu_seconds(process) - before) / CALLS * 1000
        return Row("a bare echo", 0, one.p50, one.quantile(0.99), crowd.per_second, cpu)


async def reports(portal_: Portal, readers: int) -> str:
    """All rows by so many readers at once: seconds and memory, in words."""
    served = portal_.served
    served.count_most_anew()
    before, began, cpu = served.megabytes, time.monotonic(), cpu_seconds(served.pid)
    begun = asyncio.Barrier(readers)
    found = await asyncio.gather(*(portal_.report(begun) for _ in range(readers)))
    took, rows = time.monotonic() - began, sum(rows for rows, _ in found)
    return (
        f"{readers} reader(s): {rows:,} rows in {took:.1f} s, {rows / took:,.0f} a second,"
        f" {(cpu_seconds(served.pid) - cpu) / rows * 1e6:.0f} µs of CPU a row;"
        f" memory {before:.0f} MB before, at most {served.most_megabytes:.0f} MB,"
        f" {served.megabytes:.0f} MB after; {sum(whole for _, whole in found)} of {readers} sum up"
    )


async def run(out: Console) -> tuple[list[Row], list[str]]:
    """The whole report."""
    with tempfile.TemporaryDirectory(prefix="giro-bench-") as folder:
        os.chmod(folder, 0o755)
        out.print("starting the services")
        async with Stack(StackOptions.for_tests(Path(folder) / "state", durable=True)) as stack:
            began = time.monotonic()
            states = await asyncio.to_thread(portal_data.fill, stack.urls.admin_database, ROWS)
            out.print(
                f"4 campaigns of {ROWS:,} appointments in {time.monotonic() - began:.0f} s: {dict(states)}"
            )
            asks = Portal(stack)
            rows = [await yardstick()]
            rows += [await measured(asks, work, call, CALLS) async for work, call in asks.lists()]
            counts = asks.counts()
            rows += [await measured(asks, work, call, CALLS) for work, call in counts[:3]]
            rows += [await measured(asks, work, call, 20) for work, call in counts[3:]]
            told = [line async for line in narrowed(asks)]
            told += [await reports(asks, readers) for readers in (1, 1, CROWD)]
            await asks.close()
        return rows, told


def table(rows: list[Row]) -> Table:
    """The report for a terminal."""
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    shown = Table(
        title=f"{ROWS:,} appointments a campaign; aim {AIM_MS} ms at p50; load of the machine {load}"
    )
    for heading in ("work", "rows", "p50 ms", "p99 ms", f"a second ({CROWD} clients)", "CPU ms"):
        shown.add_column(heading, justify="left" if heading == "work" else "right")
    for row in rows:
        numbers = f"{row.p50:.1f}", f"{row.p99:.1f}", f"{row.per_second:.0f}", f"{row.cpu:.1f}"
        shown.add_row(row.work, str(row.rows), *numbers)
    return shown


def main() -> None:
    """The command."""
    told = "Measure what the portal reads. GIRO_BENCH_APPOINTMENTS: of each campaign, 100,000 without."
    argparse.ArgumentParser(description=told).parse_args()
    out = Console(width=120)
    rows, lines = uvloop.run(run(out))
    out.print(table(rows))
    for line in lines:
        out.print(line)


if __name__ == "__main__":
    main()
