"""`python -m loadtests.bench.procedures`: how fast scheduled procedures work what is due, by kind.

Recalls on the agents' dates (mode 5) touch booking alone; moves (mode 3) and new cards (mode 4) ask geo for
many at once. `--infeasible` is the percentage of moves whose date the agent cannot keep, each of which
has to be told with three alternatives. Data: one tenant, one campaign, 16 agents around the clock; every
appointment has an outcome whose agent named a date 60 days later. Timed is from the procedure being switched
on to the last request being done, with the service's own worker; every appointment has to have had exactly
one effect, or one exception item. The yardstick is a client that commits one row after the other to the same
database: what it does a second is one commit each. The processor of each process is counted until all events
of the run have been worked.
"""

import argparse
import asyncio
import os
import tempfile
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

import uvloop
from rich.console import Console
from rich.table import Table

from allinone.stack import Stack, StackOptions
from loadtests.bench import processors
from loadtests.bench.reminders import Database
from tests.eventually import eventually
from tests.world import World

AGENTS: Final = 16
A_DAY: Final = 12
"""Visits of an agent on a day, one an hour."""
LATER: Final = "60 days"
PATIENCE: Final = 1800.0
_COMMITS: Final = 300

_POLICY: Final = """
    INSERT INTO booking.outcome_states (tenant_id, state_id, display_name, result, list_state, recall,
                                        mandatory, visible, refix, note_required)
    VALUES (%(tenant)s, 'refixed', 'Refixed', 'OPEN', '', 'NONE', '{}', '{}', false, false),
           (%(tenant)s, 'RECALL', 'Recall', 'KO', 'W', 'PUBLIC', '{}', '{}', true, false),
           (%(tenant)s, 'MOVE', 'Move', 'KO', '', 'NONE', '{}', '{}', true, false),
           (%(tenant)s, 'NEW_CARD', 'New card', 'KO', '', 'NONE', '{}', '{}', true, false)
"""

_PROCEDURES: Final = """
    INSERT INTO booking.procedures (tenant_id, procedure_id, kind, display_name, description,
                                    interval_seconds, state_id, outcome_state_ids, active, next_run_at)
    SELECT %(tenant)s, id, kind, id, '', 1, CASE WHEN kind <> 'RECALL' THEN 'refixed' END, ARRAY[kind], false,
           now()
    FROM (VALUES ('recall-refixed', 'RECALL'), ('move-refixed', 'MOVE'), ('new-card-refixed', 'NEW_CARD'))
         AS made (id, kind)
"""

_APPOINTMENTS: Final = """
    INSERT INTO booking.appointments (tenant_id, appointment_id, campaign_id, contact_id, agent_id, starts_at,
                                      ends_at, place, state, operator_id, note, created_at, updated_at,
                                      claim_key, settled)
    SELECT %(tenant)s, 'apt_bench_' || %(round)s || '_' || n, %(campaign)s, %(contact)s, %(agent)s, start,
           start + interval '30 minutes', 0, 'TO_CONFIRM', 'usr_1', '', now(), now(),
           'bench:' || %(round)s || ':' || n, true
    FROM generate_series(1, %(many)s) n,
         LATERAL (SELECT date_trunc('second', now()) + interval '7 days' + n * interval '1 hour' AS start) at
"""
"""Recalls need no stop, so these have none."""

_ASKED: Final = f"""
    WITH present AS (
        SELECT appointment_id, row_number() OVER (PARTITION BY agent_id ORDER BY starts_at) AS n
        FROM booking.appointments
        WHERE tenant_id = %(tenant)s AND state = 'TO_CONFIRM' AND outcome_state_id IS NULL
              AND supersedes IS NULL
    ), said AS (
        UPDATE booking.appointments a
        SET outcome_state_id = %(kind)s, version = version + 1,
            refix_at = starts_at + interval '{LATER}'
                       - CASE WHEN n %% %(every)s = {A_DAY} - 2 THEN interval '45 minutes'
                              ELSE interval '0' END
        FROM present WHERE a.tenant_id = %(tenant)s AND a.appointment_id = present.appointment_id
        RETURNING a.appointment_id, a.version, a.refix_at
    )
    INSERT INTO booking.refix_requests
        (tenant_id, refix_id, appointment_id, version, outcome_state_id, refix_at)
    SELECT %(tenant)s, 'rfx_' || appointment_id, appointment_id, version, %(kind)s, refix_at FROM said
"""

"""Those booked for the round: the cards that took the place of an earlier round's are not asked about again.
Each so manieth visit of an agent is asked for while the one before it would last; one of the two is
refused. Never the first one of a day, before which there is time."""

_SWITCH: Final = """
    UPDATE booking.procedures SET active = %(on)s, next_run_at = now()
    WHERE tenant_id = %(tenant)s AND kind = %(kind)s
"""

_LEFT: Final = """
    SELECT count(*) FROM booking.refix_requests
    WHERE tenant_id = %(tenant)s AND state IN ('WAITING', 'RUNNING')
"""

_STATES: Final = """
    SELECT state, count(*) FROM booking.refix_requests
    WHERE tenant_id = %(tenant)s AND outcome_state_id = %(kind)s GROUP BY 1 ORDER BY 1
"""

_EFFECTS: Final = {
    "RECALL": "SELECT count(*), count(DISTINCT appointment_id) FROM booking.recalls"
    " WHERE tenant_id = %(tenant)s",
    "MOVE": "SELECT count(*), count(DISTINCT appointment_id) FROM booking.moves"
    " WHERE tenant_id = %(tenant)s AND state = 'APPLIED'",
    "NEW_CARD": "SELECT count(*), count(DISTINCT supersedes) FROM booking.appointments"
    " WHERE tenant_id = %(tenant)s AND supersedes IS NOT NULL AND state <> 'FAILED'",
}


_EXCEPTIONS: Final = """
    SELECT count(*), count(DISTINCT appointment_id),
           count(*) FILTER (WHERE jsonb_array_length(alternatives) = 3)
    FROM booking.refix_exceptions WHERE tenant_id = %(tenant)s
"""


@dataclass(frozen=True, slots=True)
class Size:
    """A kind, how many items a round has, and of how many one cannot be done (0: all can)."""

    kind: str
    items: int
    every: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """One kind: items in each round; of each round items a second, CPU an item until all events were worked,
    and how long after the last request that was."""

    kind: str
    items: int
    per_second: list[float]
    cpu: list[str]
    drained_in: list[float]
    effects: str


async def run(sizes: list[Size], rounds: int, out: Console) -> tuple[float, list[Row]]:
    """Commits a second of the yardstick, and a row for each kind."""
    with tempfile.TemporaryDirectory(prefix="giro-bench-") as folder:
        os.chmod(folder, 0o755)
        out.print("starting the services")
        async with Stack(StackOptions.for_tests(Path(folder) / "state", durable=True)) as stack:
            database = Database(stack.urls.admin_database)
            commits = _yardstick(database)
            rows = []
            for size in sizes:
                if size.items:
                    out.print(f"measuring: {rounds} x {size.items:,} {size.kind}")
                    rows.append(await _measure(stack, database, size, rounds))
        return commits, rows


def _yardstick(database: Database) -> float:
    database.run("CREATE TABLE public.bench_commits (n integer)")
    began = time.monotonic()
    for number in range(_COMMITS):
        database.run("INSERT INTO public.bench_commits VALUES (%(n)s)", n=number)
    return _COMMITS / (time.monotonic() - began)


async def _measure(stack: Stack, database: Database, size: Size, rounds: int) -> Row:
    kind, items = size.kind, size.items
    world = await World.make(stack, agents=AGENTS, purchased=1_000_000, contacts=AGENTS)
    database.run(_POLICY, tenant=world.tenant)
    database.run(_PROCEDURES, tenant=world.tenant)
    row = Row(kind, items, [], [], [], "")
    for number in range(rounds):
        await _ask(world, database, size, number)
        await _settled(stack, database)
        before, began = processors.taken(stack), time.monotonic()
        await _worked(database, world.tenant, kind)
        row.per_second.append(items / (time.monotonic() - began))
        row.drained_in.append(await _settled(stack, database))
        row.cpu.append(processors.told(before, processors.taken(stack), items))
    await world.close()
    return replace(row, effects=_effects(database, world.tenant, (kind, items * rounds)))


async def _ask(world: World, database: Database, size: Size, number: int) -> None:
    """Books what the round is about, and says of each that its agent wants it 60 days later."""
    kind, items = size.kind, size.items
    tenant = world.tenant
    if kind == "RECALL":
        whose = {"campaign": world.campaign, "contact": world.contacts[0], "agent": world.agents[0]}
        database.run(_APPOINTMENTS, tenant=tenant, round=number, many=items, **whose)
    else:
        await _book(world, items, number)
    database.run(_ASKED, tenant=tenant, kind=kind, every=size.every or 1)
    database.run("ANALYZE booking.appointments, booking.refix_requests")


async def _book(world: World, items: int, number: int) -> None:
    """Real bookings, since geo has to have their stops; each round on days of its own."""
    slots = asyncio.Semaphore(16)
    days = -(-items // (AGENTS * A_DAY))

    async def one(at: int) -> None:
        agent, rest = at % AGENTS, at // AGENTS
        day, hour = 4 + number * days + rest // A_DAY, 6 + rest % A_DAY
        async with slots:
            await world.book(world.day(day, hour), agent=agent, contact=agent)

    await asyncio.gather(*map(one, range(items)))


async def _worked(database: Database, tenant: str, kind: str) -> None:
    """Switches the procedure on, waits until nothing is left, and switches it off."""
    database.run(_SWITCH, tenant=tenant, kind=kind, on=True)
    look = partial(_left, database, tenant)
    await eventually(look, lambda left: not left, within=PATIENCE)
    database.run(_SWITCH, tenant=tenant, kind=kind, on=False)


async def _settled(stack: Stack, database: Database) -> float:
    """Waits until every event has been worked; the seconds that it took."""
    began = time.monotonic()
    look = partial(processors.is_drained, stack.urls.nats, database)
    await eventually(look, bool, within=PATIENCE)
    return time.monotonic() - began


async def _left(database: Database, tenant: str) -> int:
    return int(database.run(_LEFT, tenant=tenant)[0][0])


def _effects(database: Database, tenant: str, size: tuple[str, int]) -> str:
    kind, items = size
    made, distinct = database.run(_EFFECTS[kind], tenant=tenant)[0]
    told, told_of, with_three = database.run(_EXCEPTIONS, tenant=tenant)[0]
    states = ", ".join(f"{many} {state}" for state, many in database.run(_STATES, tenant=tenant, kind=kind))
    once = made == distinct == items - told and told == told_of == with_three
    verdict = (
        "each once" if once else f"NOT EACH ONCE: {made} of {distinct}, {told} told, {with_three} with three"
    )
    return f"{states}; {verdict}"


def table(commits: float, rows: list[Row]) -> Table:
    """The report for a terminal."""
    load = os.getloadavg()
    title = f"procedures; yardstick {commits:.0f} single commits a second; load {load[0]:.1f} {load[1]:.1f}"
    shown = Table(title=title)
    for heading in (
        "kind",
        "items",
        "a second",
        "of yardstick",
        "10,000 take s",
        "events worked s later",
        "CPU an item",
        "effects",
    ):
        words = heading in {"kind", "CPU an item", "effects"}
        shown.add_column(heading, justify="left" if words else "right")
    for row in rows:
        speed = median(row.per_second)
        shown.add_row(
            row.kind,
            f"{row.items:,}",
            f"{speed:.0f}",
            f"{speed / commits:.2f}",
            f"{10_000 / speed:.0f}",
            f"{median(row.drained_in):.1f}",
            "\n".join(row.cpu),
            row.effects,
        )
    return shown


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recalls", type=int, default=10_000, help="items of each round; 0 leaves it out")
    parser.add_argument("--moves", type=int, default=1_000)
    parser.add_argument(
        "--infeasible", type=int, default=0, choices=(0, 1, 2, 5), help="percent of the moves"
    )
    parser.add_argument("--new-cards", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    every = 100 // chosen.infeasible if chosen.infeasible else 0
    sizes = [
        Size("RECALL", chosen.recalls),
        Size("MOVE", chosen.moves, every),
        Size("NEW_CARD", chosen.new_cards),
    ]
    out = Console(width=160)
    out.print(table(*uvloop.run(run(sizes, chosen.rounds, out))))


if __name__ == "__main__":
    main()
