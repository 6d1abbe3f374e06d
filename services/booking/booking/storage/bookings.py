"""Bookings under way: from PENDING, with the package's unit taken, to TO_CONFIRM or FAILED."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Final

from psycopg.types.json import Jsonb
from sqlalchemy import text

from booking.domain.appointment import Appointment
from booking.domain.itinerary import Certificate, StopPlan
from booking.domain.package import GIVE_BACK, TAKE
from booking.domain.promise import Promise
from booking.domain.refusal import Refusal
from booking.storage import rows
from booking.storage.appointments import COLUMNS, arrives
from booking.storage.waitlist import SERVED
from kit.db.uow import Tx

OF_SERIES: Final = "series:"
"""How the key of an occurrence begins, whose claim is its series'."""


@dataclass(frozen=True, slots=True)
class Booking:
    """A booking under way: the appointment, the stop it needs, the hold to turn into it (None: afresh).

    `certificate` is what a suggested start rests on; it is not stored, but comes with the request again.
    `hidden`: whoever books shall not learn the agent.
    """

    appointment: Appointment
    plan: StopPlan
    hold_id: str | None
    claim_key: str
    certificate: Certificate | None = None
    hidden: bool = False


_BEGIN = text(
    f"""
    WITH unit AS (
        UPDATE booking.campaigns
        SET taken = taken + {TAKE.taken}, to_confirm = to_confirm + {TAKE.to_confirm}
        WHERE tenant_id = :tenant AND campaign_id = :campaign
          AND taken + cancelled_in_step + to_recover < purchased
        RETURNING tenant_id, campaign_id
    )
    INSERT INTO booking.appointments
        (tenant_id, campaign_id, appointment_id, contact_id, agent_id, starts_at, ends_at, place, state,
         operator_id, note, created_at, updated_at, hold_id, claim_key, postcode, arrives_from, arrives_until,
         promise, promise_zone, promise_from, promise_until, zone)
    SELECT unit.tenant_id, unit.campaign_id, :id, :contact, :agent, :starts_at, :ends_at, :place, 'PENDING',
           :operator, :note, :now, :now, :hold, :claim_key, :postcode, :arrives_from, :arrives_until,
           :promise, :promise_zone, :promise_from, :promise_until,
           coalesce((SELECT k.zone FROM booking.contacts k
                     WHERE k.tenant_id = unit.tenant_id AND k.contact_id = :contact), '')
    FROM unit RETURNING appointment_id
    """  # noqa: S608 - constants
)

# The business clock is as far past created_at as the database's own clock is past began_at.
_NOW = "created_at + (clock_timestamp() - began_at)"

_DECIDE_BOOKED = text(
    f"""
    WITH booked AS (
        UPDATE booking.appointments a SET state = 'TO_CONFIRM', updated_at = {_NOW}
        WHERE tenant_id = :tenant AND appointment_id = :id AND state = 'PENDING'
        RETURNING {COLUMNS}, a.tenant_id
    ), served AS ({SERVED})
    SELECT * FROM booked
    """  # noqa: S608 - constants
)

_LOCK_OLD = text(
    """
    SELECT FROM booking.appointments WHERE tenant_id = :tenant AND appointment_id = (
        SELECT supersedes FROM booking.appointments WHERE tenant_id = :tenant AND appointment_id = :id)
    FOR NO KEY UPDATE
    """
)
"""Two cards that belong together are locked in the order in which they were made (ADR 0030)."""

_DECIDE_FAILED = text(
    f"""
    WITH failed AS (
        UPDATE booking.appointments
        SET state = 'FAILED', failure = :failure, updated_at = {_NOW}, decided_at = clock_timestamp()
        WHERE tenant_id = :tenant AND appointment_id = :id AND state = 'PENDING'
        RETURNING tenant_id, appointment_id, campaign_id, claim_key, supersedes
    ), freed AS (
        UPDATE booking.appointments a SET move_id = NULL
        FROM failed WHERE a.tenant_id = failed.tenant_id AND a.appointment_id = failed.supersedes
          AND a.move_id = failed.appointment_id
    ), unit AS (
        UPDATE booking.campaigns c
        SET taken = c.taken + ({GIVE_BACK.taken}), to_confirm = c.to_confirm + ({GIVE_BACK.to_confirm})
        FROM failed WHERE c.tenant_id = failed.tenant_id AND c.campaign_id = failed.campaign_id
          AND failed.supersedes IS NULL
    )
    SELECT appointment_id, campaign_id, claim_key FROM failed
    """  # noqa: S608 - constants
)

_SETTLED = text(
    """
    UPDATE booking.appointments SET settled = true
    WHERE tenant_id = :tenant AND appointment_id = ANY (CAST(:ids AS text[]))
      AND state IN ('FAILED', 'CANCELLED', 'SUPERSEDED') AND NOT settled
    """
)

_OF_CLAIM = text(
    f"""
    SELECT {COLUMNS}, a.hold_id, c.buffer_seconds, c.skills
    FROM booking.appointments a
    JOIN booking.campaigns c ON c.tenant_id = a.tenant_id AND c.campaign_id = a.campaign_id
    WHERE a.tenant_id = :tenant AND a.claim_key = :claim_key
    """  # noqa: S608 - constants
)


@dataclass(frozen=True, slots=True)
class Failed:
    """A booking that this transaction has decided to be failed."""

    appointment_id: str
    campaign_id: str
    claim_key: str


async def begin(tx: Tx, booking: Booking) -> bool:
    """Takes a unit of the package and stores the appointment as PENDING; False when no unit is left.

    The campaign's row is locked from here to the end of the transaction.
    """
    appointment = booking.appointment
    params: dict[str, Any] = {
        **begun(booking),
        "tenant": tx.tenant,
        "campaign": appointment.campaign_id,
        "contact": appointment.contact_id,
        "hold": booking.hold_id,
        **_promise(appointment.promise),
    }
    return (await tx.run(_BEGIN, params)).first() is not None


def begun(booking: Booking) -> dict[str, Any]:
    """What the row of every new card says, whatever it is booked for."""
    appointment = booking.appointment
    return {
        "id": appointment.appointment_id,
        "agent": appointment.agent_id,
        "starts_at": appointment.window.start,
        "ends_at": appointment.window.end,
        "place": appointment.point.key,
        "operator": appointment.operator_id,
        "note": appointment.note,
        "now": appointment.created_at,
        "claim_key": booking.claim_key,
        "postcode": appointment.postcode,
        **arrives(appointment),
    }


def _promise(found: Promise | None) -> dict[str, Any]:
    return {
        "promise": None if found is None else found.kind.value,
        "promise_zone": None if found is None else found.time_zone,
        "promise_from": None if found is None else found.window.start,
        "promise_until": None if found is None else found.window.end,
    }


async def decide_booked(tx: Tx, appointment_id: str) -> Appointment | None:
    """PENDING -> TO_CONFIRM, and who waited for a visit waits no more; None when it is decided already."""
    row = (await tx.run(_DECIDE_BOOKED, {"tenant": tx.tenant, "id": appointment_id})).one_or_none()
    return None if row is None else rows.appointment(row)


async def decide_failed(tx: Tx, appointment_id: str, refusal: Refusal) -> Failed | None:
    """PENDING -> FAILED; None when it is decided already.

    Gives the unit back, or, for a card that was to take another's place, lets that one change again.
    """
    await tx.run(_LOCK_OLD, {"tenant": tx.tenant, "id": appointment_id})
    params = {"tenant": tx.tenant, "id": appointment_id, "failure": Jsonb(asdict(refusal))}
    row = (await tx.run(_DECIDE_FAILED, params)).one_or_none()
    return None if row is None else Failed(row.appointment_id, row.campaign_id, row.claim_key)


async def mark_settled(tx: Tx, appointment_ids: Sequence[str]) -> None:
    """Notes that the ledger refuses the ids of these dead appointments from now on."""
    await tx.run(_SETTLED, {"tenant": tx.tenant, "ids": list(appointment_ids)})


async def of_claim(tx: Tx, claim_key: str) -> Booking | None:
    """The booking that a request began, decided or not."""
    row = (await tx.run(_OF_CLAIM, {"tenant": tx.tenant, "claim_key": claim_key})).one_or_none()
    if row is None:
        return None
    appointment = rows.appointment(row)
    buffer = timedelta(seconds=row.buffer_seconds)
    plan = StopPlan(
        appointment.agent_id,
        appointment.window,
        appointment.point,
        buffer,
        tuple(row.skills),
        appointment.postcode,
        appointment.arrival,
    )
    return Booking(appointment, plan, row.hold_id, claim_key)
