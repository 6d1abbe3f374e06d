"""`python -m loadtests.bench.reminders`: 100,000 reminders due in an hour, two workers, simulated carrier.

The hour is played at its own pace for as long as asked (the rate is the same in every minute of it), then a
backlog as after an outage. Lateness is from the planned instant to the carrier being asked, by the
database's clock; the load is the CPU time of PostgreSQL's own processes.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import uvloop
from rich.console import Console

from allinone import environment
from allinone.stack import Stack, StackOptions
from kit.values.latlng import LatLng
from reminders.app import zone_data_version

REMINDERS = int(os.environ.get("GIRO_BENCH_REMINDERS", "100000"))
TENANTS = 50
HOUR = 3600
SETTLE_SECONDS = 3
PLACE = LatLng(45.07, 7.69).key
HEAD_START = 90
"""Seconds for storing them all before the first one is due."""

_FILL = """
    WITH made AS (
        INSERT INTO reminders.plans (tenant_id, appointment_id, version, live, campaign_id, contact_id,
                                     starts_at, zone, name, phone, email, language, colour)
        SELECT 'ten_bench_' || n %% %(tenants)s, %(prefix)s || n, 1, true, 'cmp_1', 'cnt_1',
               %(first)s::timestamptz + n * %(step)s::interval + %(ahead)s::interval
                   - CASE WHEN n %% 50 = 0 THEN %(pointless)s::interval ELSE '0' END,
               'UTC', 'Ada', '+3712' || lpad(n::text, 7, '0'), '', 'en', 'GREY'
        FROM generate_series(1, %(many)s) n
        RETURNING tenant_id, appointment_id, starts_at
    )
    INSERT INTO reminders.reminders (tenant_id, reminder_id, appointment_id, starts_at, offset_seconds, zone,
                                     wall, due_at, run_at, tz_version, channel)
    SELECT tenant_id, 'rem_' || appointment_id, appointment_id, starts_at, 7200, 'UTC', now(), run, run,
           %(tz)s, 'VOICE'
    FROM made, LATERAL (SELECT %(first)s::timestamptz
        + substr(appointment_id, length(%(prefix)s) + 1)::int * %(step)s::interval AS run) due
"""

_SETTINGS = """
    INSERT INTO reminders.parameters (tenant_id, scope, scope_id, name, value)
    SELECT 'ten_bench_' || n, 'TENANT', '', p.name, p.value
    FROM generate_series(0, %(tenants)s - 1) n,
         (VALUES ('called_as', '"Bench"'), ('daily_call_limit', '1000000'), ('quiet_from', '"00:00"'),
                 ('quiet_until', '"00:00"')) p (name, value)
"""

_NUMBERS = """
    INSERT INTO reminders.numbers (tenant_id, number_id, branch_id, phone, state)
    SELECT 'ten_bench_' || n, 'num_1', '', '+37167000000', 'ACTIVE' FROM generate_series(0, %(tenants)s - 1) n
"""

_CAMPAIGNS = """
    INSERT INTO booking.campaigns (tenant_id, campaign_id, display_name, purchased, skills, time_zone,
                                   buffer_seconds)
    SELECT 'ten_bench_' || n, 'cmp_1', 'Bench', 0, '{}', 'UTC', 0 FROM generate_series(0, %(tenants)s - 1) n
"""

_CONTACTS = """
    INSERT INTO booking.contacts (tenant_id, contact_id, campaign_id, display_name, phone, address, place)
    SELECT 'ten_bench_' || n, 'cnt_1', 'cmp_1', 'Ada', '+371' || 20000000 + n, '', %(place)s
    FROM generate_series(0, %(tenants)s - 1) n
"""
"""With the number that is rung: what booking says when it is asked counts."""

_APPOINTMENTS = """
    INSERT INTO booking.appointments (tenant_id, appointment_id, campaign_id, contact_id, agent_id, starts_at,
                                      ends_at, place, state, operator_id, note, created_at, updated_at,
                                      claim_key, settled)
    SELECT tenant_id, appointment_id, 'cmp_1', 'cnt_1', 'agt_1', start, start + interval '1 hour', %(place)s,
           'CONFIRMED', 'usr_1', '', now(), now(), appointment_id, true
    FROM reminders.plans, date_trunc('second', starts_at) start
    WHERE appointment_id LIKE %(prefix)s || '%%'
"""
"""Each call asks booking whether its appointment still takes place."""

_LATENESS = """
    SELECT count(*), coalesce(percentile_cont(array[0.5, 0.99, 1]) WITHIN GROUP (
               ORDER BY extract(epoch FROM c.asked_at - r.run_at)), array[0, 0, 0])
    FROM reminders.reminders r
    JOIN reminders.attempts a ON a.tenant_id = r.tenant_id AND a.reminder_id = r.reminder_id
    JOIN reminders.provider_calls c ON c.tenant_id = a.tenant_id AND c.reference = a.attempt_id
    WHERE r.appointment_id LIKE %(prefix)s || '%%'
"""

_TWICE = """
    SELECT count(*) FROM (
        SELECT 1 FROM reminders.attempts GROUP BY tenant_id, reminder_id HAVING count(*) > 1) twice
"""

_OUTCOMES = """
    SELECT coalesce(outcome, reason, state), count(*) FROM reminders.reminders
    WHERE appointment_id LIKE %(prefix)s || '%%' AND (state <> 'WAITING' OR run_at < clock_timestamp())
    GROUP BY 1 ORDER BY 2 DESC
"""

_LEFT = """
    SELECT count(*) FROM reminders.reminders WHERE appointment_id LIKE %(prefix)s || '%%'
    AND state IN ('WAITING', 'CLAIMED', 'CALLING') AND run_at < clock_timestamp()
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What PostgreSQL did so far: transactions committed, CPU seconds of its processes."""

    commits: int
    cpu: float


class Database:
    """The bench's own look at the database, as its administrator."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True)

    def run(self, statement: str, **values: Any) -> list[Any]:
        """Runs one statement."""
        cursor = self._connection.execute(statement, values)
        return cursor.fetchall() if cursor.description else []

    def load(self) -> Load:
        """What it has done until now."""
        commits = self.run("SELECT sum(xact_commit) FROM pg_stat_database")[0][0]
        return Load(int(commits), sum(map(_cpu_seconds, _postgres_processes())))


def _postgres_processes() -> list[int]:
    found = []
    for each in Path("/proc").iterdir():
        try:
            if each.name.isdigit() and (each / "comm").read_text().strip() == "postgres":
                found.append(int(each.name))
        except OSError:
            continue  # it has ended
    return found


def _cpu_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def bench(minutes: float, backlog_minutes: float, out: Console) -> None:
    """The whole measurement."""
    with tempfile.TemporaryDirectory(prefix="giro-bench-") as folder:
        os.chmod(folder, 0o755)
        options = StackOptions.for_tests(Path(folder) / "state", durable=True)
        out.print("starting the services; the first worker is the service itself, the second stands alone")
        async with Stack(options) as stack:
            database = Database(stack.urls.admin_database)
            database.run(_SETTINGS, tenants=TENANTS)
            for statement in (_NUMBERS, _CAMPAIGNS, _CONTACTS):
                database.run(statement, tenants=TENANTS, place=PLACE)
            worker = await _second_worker(stack)
            try:
                await _hour(database, minutes, out)
                await _backlog(database, backlog_minutes, out)
            finally:
                worker.terminate()
                await worker.wait()


async def _second_worker(stack: Stack) -> asyncio.subprocess.Process:
    made = {
        **environment.of_process("reminders", os.environ, stack.installation),
        "GIRO_LOG_LEVEL": "WARNING",
    }
    made |= {"GIRO_REMINDERS_METRICS_PORT": "0"}
    return await asyncio.create_subprocess_exec(sys.executable, "-m", "reminders", "work", env=made)


async def _hour(database: Database, minutes: float, out: Console) -> None:
    step = f"{HOUR / REMINDERS} seconds"
    began = time.monotonic()
    first = database.run("SELECT now() + CAST(%(head)s AS interval)", head=f"{HEAD_START} seconds")[0][0]
    _fill(database, "hour_", first=first, step=step, many=REMINDERS, ahead="2 hours", pointless="0")
    database.run("ANALYZE")
    out.print(f"{REMINDERS:,} reminders of {TENANTS} tenants stored in {time.monotonic() - began:.0f} s")
    await asyncio.sleep(max(0.0, HEAD_START - (time.monotonic() - began)))
    before, started = database.load(), time.monotonic()
    await asyncio.sleep(minutes * 60)
    after, took = database.load(), time.monotonic() - started
    await asyncio.sleep(SETTLE_SECONDS)
    _tell(database, "hour_", f"{minutes:g} min of the hour", out)
    out.print(
        f"  PostgreSQL: {(after.commits - before.commits) / took:.0f} commits/s,"
        f" {(after.cpu - before.cpu) / took:.2f} CPUs"
    )
    database.run("DELETE FROM reminders.reminders WHERE state = 'WAITING'")


async def _backlog(database: Database, minutes: float, out: Console) -> None:
    many = int(REMINDERS * minutes * 60 / HOUR)
    first = database.run("SELECT now() - %(ago)s::interval", ago=f"{minutes} minutes")[0][0]
    before, started = database.load(), time.monotonic()
    step = f"{HOUR / REMINDERS} seconds"
    _fill(database, "late_", first=first, step=step, many=many, ahead="2 hours", pointless="7199 seconds")
    while left := database.run(_LEFT, prefix="late_")[0][0]:
        if time.monotonic() - started > 60 * minutes:
            out.print(f"  not drained after {minutes:g} min: {left} left")
            break
        await asyncio.sleep(1)
    after, took = database.load(), time.monotonic() - started
    out.print(
        f"a backlog of {minutes:g} min, {many:,} reminders: drained in {took:.0f} s, {many / took:.0f}/s"
    )
    _tell(database, "late_", "the backlog", out)
    out.print(
        f"  PostgreSQL: {(after.commits - before.commits) / took:.0f} commits/s,"
        f" {(after.cpu - before.cpu) / took:.2f} CPUs"
    )


def _fill(database: Database, prefix: str, **values: Any) -> None:
    database.run(_FILL, prefix=prefix, tenants=TENANTS, tz=zone_data_version(), **values)
    database.run(_APPOINTMENTS, prefix=prefix, place=PLACE)


def _tell(database: Database, prefix: str, what: str, out: Console) -> None:
    (count, (median, p99, worst)), *_ = database.run(_LATENESS, prefix=prefix)
    outcomes = ", ".join(f"{many} {name}" for name, many in database.run(_OUTCOMES, prefix=prefix))
    out.print(f"{what}: {count} calls, lateness p50 {median:.2f} s, p99 {p99:.2f} s, worst {worst:.2f} s")
    out.print(f"  {outcomes}; made twice: {database.run(_TWICE)[0][0]}")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=3, help="how much of the hour is played")
    parser.add_argument("--backlog-minutes", type=float, default=10, help="length of the outage")
    chosen = parser.parse_args()
    uvloop.run(bench(chosen.minutes, chosen.backlog_minutes, Console(width=120)))


if __name__ == "__main__":
    main()
