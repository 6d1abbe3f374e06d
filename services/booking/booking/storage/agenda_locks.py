"""Bookings and notes of unavailable days take turns, one agent and one person to visit at a time.

Whoever begins a booking or a move shares an agenda, reads the absences and stores what is PENDING; whoever
notes an absence has the agenda alone, and then looks for what it hits. So a booking either sees the absence
or is seen by it. The locks end with the transaction (ADR 0030).
"""

from collections.abc import Iterable

from sqlalchemy import text

from kit.db.uow import Tx

_LOCKS = {
    alone: text(
        f"SELECT {function}(hashtextextended(agenda, 0)) FROM unnest(CAST(:agendas AS text[])) AS agenda"  # noqa: S608 - a constant
    )
    for alone, function in ((False, "pg_advisory_xact_lock_shared"), (True, "pg_advisory_xact_lock"))
}


async def share(tx: Tx, *ids: str) -> None:
    """Waits for notes under way about these agents and persons; an empty id names nobody."""
    await _lock(tx, ids, alone=False)


async def have_alone(tx: Tx, agent_id: str, contact_id: str) -> None:
    """Waits for those who share, and keeps others from it. Nothing may be waited for afterwards."""
    await _lock(tx, (agent_id, contact_id), alone=True)


async def _lock(tx: Tx, ids: Iterable[str], *, alone: bool) -> None:
    agendas = [f"booking agenda {tx.tenant} {each}" for each in ids if each]
    if agendas:
        await tx.run(_LOCKS[alone], {"agendas": agendas})
