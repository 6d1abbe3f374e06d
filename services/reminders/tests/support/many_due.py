"""Many reminders of one tenant that are due at once, stored without their events."""

from datetime import timedelta
from typing import Any

from reminder_house import House
from sqlalchemy import text

_PLANS = text(
    """
    INSERT INTO reminders.plans (tenant_id, appointment_id, version, live, campaign_id, contact_id, starts_at,
                                 zone, name, phone, email, language, colour)
    SELECT :tenant, 'apt_' || n, 1, true, 'cmp_1', 'cnt_' || n,
           CAST(:now AS timestamptz) + interval '3 hours',
           'UTC', 'Ada', '+3712' || lpad(n::text, 7, '0'), '', 'en', 'GREY'
    FROM generate_series(1, :many) n
    """
)

_REMINDERS = text(
    """
    INSERT INTO reminders.reminders (tenant_id, reminder_id, appointment_id, starts_at, offset_seconds, zone,
                                     wall, due_at, run_at, tz_version, channel)
    SELECT p.tenant_id, 'rem_' || p.appointment_id, p.appointment_id, p.starts_at, 10800, 'UTC',
           CAST(:now AS timestamptz) AT TIME ZONE 'UTC', :now, :now, 'test-1', 'VOICE'
    FROM reminders.plans p WHERE p.tenant_id = :tenant
    """
)

_RINGS = text(
    """
    SELECT a.reminder_id, count(*) FILTER (WHERE c.provider_reference <> '') AS rings
    FROM reminders.attempts a
    LEFT JOIN reminders.provider_calls c ON c.tenant_id = a.tenant_id AND c.reference = a.attempt_id
    WHERE a.tenant_id = :tenant GROUP BY a.reminder_id
    """
)

_OPEN = text(
    """
    SELECT count(*) FROM reminders.reminders
    WHERE tenant_id = :tenant AND state = ANY (CAST(:states AS text[]))
    """
)


async def fill(house: House, many: int) -> None:
    """So many appointments in three hours, each with a reminder that is due now; no quiet hours."""
    given = {"called_as": '"Sole Mio"', "quiet_from": '"00:00"', "quiet_until": '"00:00"'}
    await house.settle_in(timedelta(hours=3), daily_call_limit="1000000", **given)
    async with house.db.uow(house.tenant) as tx:
        here = {"tenant": house.tenant, "now": await tx.now()}
        await tx.run(_PLANS, {**here, "many": many})
        await tx.run(_REMINDERS, here)


async def rings(house: House) -> dict[str, int]:
    """How often the carrier rang, by reminder: its own journal tells."""
    return {row.reminder_id: row.rings for row in await _read(house, _RINGS)}


async def count_open(house: House, *states: str) -> int:
    """Reminders that have not come to an end, or those in some states."""
    wanted = list(states or ("WAITING", "CLAIMED", "CALLING"))
    return int((await _read(house, _OPEN, states=wanted))[0][0])


async def _read(house: House, statement: Any, **more: Any) -> list[Any]:
    async with house.db.uow(house.tenant) as tx:
        return list(await tx.run(statement, {"tenant": house.tenant, **more}))
