"""What is due, over all tenants; read as the worker's role. Acting on it goes through each tenant's rows."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import text

from kit.db.worker import WorkerTx, by_tenants_clocks

_DUE = """
    (SELECT tenant_id, reminder_id AS id, run_at AS due FROM reminders.reminders
     WHERE state = 'WAITING' AND run_at <= clock_timestamp() ORDER BY run_at LIMIT :rows)
    UNION ALL
    (SELECT tenant_id, reminder_id, lease_until FROM reminders.reminders
     WHERE state = 'CLAIMED' AND lease_until <= clock_timestamp() ORDER BY lease_until LIMIT :rows)
"""

_AHEAD = """
    UNION ALL
    (SELECT ahead.tenant_id, r.reminder_id, r.run_at FROM sandbox.test_clocks ahead
     CROSS JOIN LATERAL (
         SELECT reminder_id, run_at FROM reminders.reminders
         WHERE tenant_id = ahead.tenant_id AND state = 'WAITING'
           AND run_at <= clock_timestamp() + make_interval(secs => ahead.offset_seconds)
         ORDER BY run_at LIMIT :rows) r
     WHERE ahead.offset_seconds > 0)
"""
"""For tenants whose test clock is ahead. Their leases run out by their own clocks; see `claim`."""

_AHEAD_LEASES = """
    UNION ALL
    (SELECT ahead.tenant_id, r.reminder_id, r.lease_until FROM sandbox.test_clocks ahead
     JOIN reminders.reminders r ON r.tenant_id = ahead.tenant_id AND r.state = 'CLAIMED'
       AND r.lease_until <= clock_timestamp() + make_interval(secs => ahead.offset_seconds)
     WHERE ahead.offset_seconds > 0 LIMIT :rows)
"""

_FIND = {False: text(f"{_DUE} ORDER BY due"), True: text(f"{_DUE} {_AHEAD} {_AHEAD_LEASES} ORDER BY due")}

_UNSETTLED = by_tenants_clocks(
    """
    SELECT a.tenant_id, a.attempt_id AS id FROM reminders.attempts a {ahead}
    WHERE a.look_up_at <= {now} ORDER BY a.look_up_at LIMIT :rows
    """,
    "a.tenant_id",
)

_OLD_ZONES = text(
    """
    SELECT tenant_id, reminder_id AS id FROM reminders.reminders
    WHERE state = 'WAITING' AND tz_version COLLATE "C" < :tz_version LIMIT :rows
    """
)

_OLD_DEFAULTS = text(
    """
    SELECT p.tenant_id, p.appointment_id AS id FROM reminders.defaults d
    JOIN reminders.plans p ON p.tenant_id = d.tenant_id AND p.defaults < d.revision
    WHERE p.live AND p.own_offsets IS NULL LIMIT :rows
    """
)

_BACKLOG = text(
    """
    SELECT count(*) AS due, coalesce(extract(epoch FROM clock_timestamp() - min(run_at)), 0) AS oldest
    FROM reminders.reminders WHERE state = 'WAITING' AND run_at <= clock_timestamp()
    """
)


async def find(tx: WorkerTx, count: int, *, sandbox: bool) -> Mapping[str, Sequence[str]]:
    """Reminders by tenant that are due, or whose claim has run out; the oldest first."""
    return _by_tenant(await tx.run(_FIND[sandbox], {"rows": count}))


async def unsettled(tx: WorkerTx, count: int, *, sandbox: bool) -> Mapping[str, Sequence[str]]:
    """Attempts by tenant that nothing final was heard of in time."""
    return _by_tenant(await tx.run(_UNSETTLED[sandbox], {"rows": count}))


async def of_older_zone_data(tx: WorkerTx, version: str, count: int) -> Mapping[str, Sequence[str]]:
    """Waiting reminders by tenant whose instants were found with an older version of the zones' data.

    Not with a newer one: two processes whose data differ would plan each other's anew without end.
    """
    return _by_tenant(await tx.run(_OLD_ZONES, {"rows": count, "tz_version": version}))


async def of_older_defaults(tx: WorkerTx, count: int) -> Mapping[str, Sequence[str]]:
    """Appointments by tenant whose reminders were planned by defaults that have changed since."""
    return _by_tenant(await tx.run(_OLD_DEFAULTS, {"rows": count}))


async def backlog(tx: WorkerTx) -> tuple[int, float]:
    """How many reminders are due, and the age in seconds of the oldest; test clocks left out."""
    row = (await tx.run(_BACKLOG)).one()
    return int(row.due), float(row.oldest)


def _by_tenant(found: Any) -> Mapping[str, Sequence[str]]:
    by_tenant: dict[str, dict[str, None]] = {}
    for row in found:
        by_tenant.setdefault(row.tenant_id, {})[row.id] = None
    return {tenant: list(ids) for tenant, ids in by_tenant.items()}
