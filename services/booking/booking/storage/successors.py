"""New cards that take the place of old ones: PENDING while geo is asked, then both are decided together.

The unit of the package goes from the old card to the new one, so none is taken and none given back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb
from pydantic import TypeAdapter
from sqlalchemy import text

from booking.domain.appointment import Appointment
from booking.domain.refix_writes import Refix
from booking.storage import rows
from booking.storage.appointments import COLUMNS, plain
from booking.storage.bookings import Booking, begun
from booking.storage.waitlist import SERVED
from kit.db.uow import Tx

_REFIX: TypeAdapter[Refix] = TypeAdapter(Refix)

_BEGIN = text(
    """
    WITH old AS (
        UPDATE booking.appointments SET move_id = :id
        WHERE tenant_id = :tenant AND appointment_id = :supersedes AND move_id IS NULL
        RETURNING tenant_id, campaign_id, contact_id, appointment_id, zone
    )
    INSERT INTO booking.appointments
        (tenant_id, campaign_id, appointment_id, contact_id, agent_id, starts_at, ends_at, place, state,
         operator_id, note, created_at, updated_at, claim_key, zone, outcome_state_id, supersedes, linked,
         refix, postcode, arrives_from, arrives_until)
    SELECT tenant_id, campaign_id, :id, contact_id, :agent, :starts_at, :ends_at, :place, 'PENDING',
           :operator, :note, :now, :now, :claim_key, zone, nullif(:state, ''), appointment_id, :linked,
           :refix, :postcode, :arrives_from, :arrives_until
    FROM old RETURNING appointment_id
    """
)

_BEGIN_ALL = text(
    """
    WITH old AS (
        UPDATE booking.appointments a SET move_id = r.id
        FROM jsonb_to_recordset(CAST(:cards AS jsonb)) AS r(id text, supersedes text, agent text,
            starts_at timestamptz, ends_at timestamptz, place bigint, operator text, note text,
            now timestamptz, claim_key text, state text, linked boolean, refix jsonb, postcode text,
            arrives_from timestamptz, arrives_until timestamptz)
        WHERE a.tenant_id = :tenant AND a.appointment_id = r.supersedes AND a.move_id IS NULL
        RETURNING a.tenant_id, a.campaign_id, a.contact_id, a.appointment_id, a.zone, r.id, r.agent,
            r.starts_at, r.ends_at, r.place, r.operator, r.note, r.now, r.claim_key, r.state, r.linked,
            r.refix, r.postcode, r.arrives_from, r.arrives_until
    )
    INSERT INTO booking.appointments
        (tenant_id, campaign_id, appointment_id, contact_id, agent_id, starts_at, ends_at, place, state,
         operator_id, note, created_at, updated_at, claim_key, zone, outcome_state_id, supersedes, linked,
         refix, postcode, arrives_from, arrives_until)
    SELECT tenant_id, campaign_id, id, contact_id, agent, starts_at, ends_at, place, 'PENDING',
           operator, note, now, now, claim_key, zone, nullif(state, ''), appointment_id, linked,
           refix, postcode, arrives_from, arrives_until
    FROM old
    """
)

_DECIDE_ALL = text(
    f"""
    UPDATE booking.appointments a SET state = 'TO_CONFIRM', updated_at = :now
    WHERE tenant_id = :tenant AND appointment_id = ANY (CAST(:ids AS text[])) AND state = 'PENDING'
    RETURNING {COLUMNS}
    """  # noqa: S608 - constants
)

_LOCK_ALL_OLD = text(
    f"""
    UPDATE booking.appointments a
    SET state = 'SUPERSEDED', superseded_by = r.id, linked = r.linked, move_id = NULL,
        version = a.version + 1, updated_at = :now, decided_at = clock_timestamp(),
        outcome_state_id = coalesce(nullif(r.state, ''), a.outcome_state_id), refix_at = NULL
    FROM jsonb_to_recordset(CAST(:cards AS jsonb)) AS r(id text, old text, linked boolean, state text)
    WHERE a.tenant_id = :tenant AND a.appointment_id = r.old AND a.move_id = r.id
    RETURNING {COLUMNS}
    """  # noqa: S608 - constants
)

_REFIX_OF = text("SELECT refix FROM booking.appointments WHERE tenant_id = :tenant AND appointment_id = :id")

_DECIDE_NEW = text(
    f"""
    WITH booked AS (
        UPDATE booking.appointments a SET state = 'TO_CONFIRM', updated_at = :now
        WHERE tenant_id = :tenant AND appointment_id = :id AND state = 'PENDING'
        RETURNING {COLUMNS}, a.tenant_id
    ), served AS ({SERVED})
    SELECT * FROM booked
    """  # noqa: S608 - constants
)

_LOCK_OLD = text(
    f"""
    WITH old AS (
        UPDATE booking.appointments a
        SET state = 'SUPERSEDED', superseded_by = :id, linked = :linked, move_id = NULL,
            version = a.version + 1, updated_at = :now, decided_at = clock_timestamp(),
            outcome_state_id = coalesce(nullif(:state, ''), a.outcome_state_id), refix_at = NULL
        FROM (SELECT tenant_id, appointment_id, state FROM booking.appointments
              WHERE tenant_id = :tenant AND appointment_id = :old FOR NO KEY UPDATE) seen
        WHERE a.tenant_id = seen.tenant_id AND a.appointment_id = seen.appointment_id AND a.move_id = :id
        RETURNING {COLUMNS}, a.tenant_id, seen.state AS was
    ), counted AS (
        UPDATE booking.campaigns c SET to_confirm = c.to_confirm + 1
        FROM old WHERE c.tenant_id = old.tenant_id AND c.campaign_id = old.campaign_id
          AND old.was = 'CONFIRMED'
    )
    SELECT * FROM old
    """  # noqa: S608 - constants
)


async def begin(tx: Tx, booking: Booking, refix: Refix) -> bool:
    """Stores the new card as PENDING and keeps the old one as it is; False when it is changing already."""
    params = {**_params(booking), "tenant": tx.tenant, "refix": Jsonb(asdict(refix))}
    return (await tx.run(_BEGIN, params)).first() is not None


async def begin_all(tx: Tx, begun: Sequence[tuple[Booking, Refix]]) -> bool:
    """The same for many; False when one of the old ones is changing already."""
    cards = [
        {name: plain(value) for name, value in {**_params(booking), "refix": asdict(refix)}.items()}
        for booking, refix in begun
    ]
    stored = await tx.run(_BEGIN_ALL, {"tenant": tx.tenant, "cards": Jsonb(cards)})
    return bool(stored.rowcount == len(begun))


def _params(booking: Booking) -> dict[str, Any]:
    appointment = booking.appointment
    return {
        **begun(booking),
        "supersedes": appointment.supersedes,
        "state": appointment.outcome_state_id,
        "linked": appointment.linked,
    }


async def refix_of(tx: Tx, appointment_id: str) -> Refix:
    """What a new card's re-fix writes."""
    found = (await tx.run(_REFIX_OF, {"tenant": tx.tenant, "id": appointment_id})).scalar_one()
    return _REFIX.validate_python(found)


async def decide_new(tx: Tx, appointment_id: str) -> Appointment | None:
    """PENDING -> TO_CONFIRM, and who waited waits no more; None when it is decided already.

    The old card's row is locked by the caller.
    """
    params = {"tenant": tx.tenant, "id": appointment_id, "now": await tx.now()}
    row = (await tx.run(_DECIDE_NEW, params)).one_or_none()
    return None if row is None else rows.appointment(row)


async def lock_old(tx: Tx, new: Appointment, state_id: str) -> Appointment:
    """The old card -> SUPERSEDED, with this outcome state unless it is empty; its unit is the new card's."""
    params = {
        "tenant": tx.tenant,
        "id": new.appointment_id,
        "old": new.supersedes,
        "linked": new.linked,
        "state": state_id,
        "now": new.updated_at,
    }
    return rows.appointment((await tx.run(_LOCK_OLD, params)).one())


async def decide_all(tx: Tx, appointment_ids: Sequence[str], now: datetime) -> Sequence[Appointment]:
    """PENDING -> TO_CONFIRM for many; those that were not decided already.

    The old cards' rows are locked by the caller, who sees to it as well that none of the people waits.
    """
    params = {"tenant": tx.tenant, "ids": list(appointment_ids), "now": now}
    return rows.appointments(await tx.run(_DECIDE_ALL, params))


async def lock_all_old(tx: Tx, decided: Sequence[tuple[Appointment, str]]) -> Mapping[str, Appointment]:
    """The old cards of these new ones -> SUPERSEDED, with this outcome state unless it is empty; by id.

    How many more are to be confirmed is the caller's to count.
    """
    cards = [
        {"id": new.appointment_id, "old": new.supersedes, "linked": new.linked, "state": state_id}
        for new, state_id in decided
    ]
    params = {"tenant": tx.tenant, "cards": Jsonb(cards), "now": decided[0][0].updated_at}
    found = rows.appointments(await tx.run(_LOCK_ALL_OLD, params))
    return {old.appointment_id: old for old in found}
