"""The drives that calendar programs were told, so that they learn what became of each."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import text

from booking.domain.agent_calendar import Drive, ToldDrive
from kit.db.uow import Tx
from kit.values.window import Window

_ALONE = text("SELECT pg_advisory_xact_lock(hashtextextended(:calendar, 0))")

_TELLINGS = text(
    """
    SELECT coalesce(sum(sequence + 1), 0) FROM booking.calendar_drives
    WHERE tenant_id = :tenant AND agent_id = :agent
    """
)

_TOLD = text(
    """
    SELECT appointment_id, starts_at, ends_at, sequence, changed_at, is_off FROM booking.calendar_drives
    WHERE tenant_id = :tenant AND agent_id = :agent
      AND (ends_at >= :first AND ends_at < :last OR appointment_id = ANY(:ids))
    """
)

_TELL = text(
    """
    INSERT INTO booking.calendar_drives
        (tenant_id, agent_id, appointment_id, starts_at, ends_at, sequence, changed_at, is_off)
    SELECT :tenant, :agent, * FROM unnest(
        CAST(:ids AS text[]), CAST(:starts AS timestamptz[]), CAST(:ends AS timestamptz[]),
        CAST(:sequences AS integer[]), CAST(:changed AS timestamptz[]), CAST(:off AS boolean[])
    )
    ON CONFLICT ON CONSTRAINT calendar_drives_pkey DO UPDATE
    SET starts_at = excluded.starts_at, ends_at = excluded.ends_at, sequence = excluded.sequence,
        changed_at = excluded.changed_at, is_off = excluded.is_off
    """
)


async def take_turn(tx: Tx, agent_id: str) -> None:
    """Readers of one agent's calendar take turns from here on, so that no number is given twice."""
    await tx.run(_ALONE, {"calendar": f"booking calendar {tx.tenant} {agent_id}"})


async def tellings(tx: Tx, agent_id: str) -> int:
    """How often a drive of the agent's was told anew; it only grows, for what was told is never deleted."""
    return int((await tx.run(_TELLINGS, {"tenant": tx.tenant, "agent": agent_id})).scalar_one())


async def told(tx: Tx, agent_id: str, window: Window, ids: Sequence[str]) -> dict[str, ToldDrive]:
    """By appointment: the drives told to visits that start in the window, and to the visits named."""
    given = {"tenant": tx.tenant, "agent": agent_id, "first": window.start, "last": window.end}
    found = await tx.run(_TOLD, {**given, "ids": list(ids)})
    return {row.appointment_id: _told(row) for row in found}


async def tell(tx: Tx, agent_id: str, before: Mapping[str, ToldDrive], now: Sequence[ToldDrive]) -> None:
    """Notes what is told anew; nothing is written for what stayed."""
    changed = [each for each in now if before.get(each.drive.appointment_id) != each]
    if not changed:
        return
    params = {
        "tenant": tx.tenant,
        "agent": agent_id,
        "ids": [each.drive.appointment_id for each in changed],
        "starts": [each.drive.window.start for each in changed],
        "ends": [each.drive.window.end for each in changed],
        "sequences": [each.sequence for each in changed],
        "changed": [each.changed_at for each in changed],
        "off": [each.is_off for each in changed],
    }
    await tx.run(_TELL, params)


def _told(row: Any) -> ToldDrive:
    drive = Drive(row.appointment_id, Window(row.starts_at, row.ends_at))
    return ToldDrive(drive, row.sequence, row.changed_at, row.is_off)
