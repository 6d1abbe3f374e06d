"""Plans: one row an appointment, with the newest version of it that was told, and its colour."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import text

from kit.db.uow import Tx
from reminders.domain import errors
from reminders.domain.colours import Colour
from reminders.domain.reminder import Visit
from reminders.storage import rows

COLUMNS = """
    p.appointment_id, p.version, p.live, p.campaign_id, p.contact_id, p.starts_at, p.zone, p.name, p.phone,
    p.email, p.language, p.own_offsets, p.colour, p.revision
"""

_ENTER = text(
    """
    INSERT INTO reminders.plans
        (tenant_id, appointment_id, version, live, campaign_id, contact_id, starts_at, zone, name, phone,
         email, language)
    VALUES (:tenant, :id, 0, false, :campaign, :contact, :starts_at, :zone, '', '', '', '')
    ON CONFLICT ON CONSTRAINT plans_pkey DO NOTHING
    """
)

_ENTER_ALL = text(
    """
    INSERT INTO reminders.plans
        (tenant_id, appointment_id, version, live, campaign_id, contact_id, starts_at, zone, name, phone,
         email, language)
    SELECT :tenant, id, 0, false, campaign, contact, starts_at, zone, '', '', '', ''
    FROM unnest(CAST(:ids AS text[]), CAST(:campaigns AS text[]), CAST(:contacts AS text[]),
                CAST(:starts AS timestamptz[]), CAST(:zones AS text[]))
         AS told (id, campaign, contact, starts_at, zone)
    ORDER BY id
    ON CONFLICT ON CONSTRAINT plans_pkey DO NOTHING
    """
)

_GET_TEXT = f"""
    SELECT {COLUMNS} FROM reminders.plans p WHERE p.tenant_id = :tenant AND p.appointment_id = :id
"""  # noqa: S608 - constants

_GET = text(_GET_TEXT)

_SEEN = text(
    """
    SELECT appointment_id, version FROM reminders.plans
    WHERE tenant_id = :tenant AND appointment_id = ANY (CAST(:ids AS text[]))
    """
)

_WITHOUT_ADDRESS_TEXT = """
    SELECT p.appointment_id FROM reminders.plans p
    WHERE p.tenant_id = :tenant AND p.live AND EXISTS (
        SELECT FROM reminders.reminders r
        WHERE r.tenant_id = :tenant AND r.appointment_id = p.appointment_id AND r.starts_at = p.starts_at
          AND r.state = 'DROPPED' AND r.reason = 'NO_ADDRESS' AND r.attempt = 0)
"""

_WITHOUT_ADDRESS = text(f"{_WITHOUT_ADDRESS_TEXT} AND p.contact_id = :contact")

_IS_WITHOUT_ADDRESS = text(f"{_WITHOUT_ADDRESS_TEXT} AND p.appointment_id = :id")

_LOCK = text(f"{_GET_TEXT} FOR UPDATE")

_LOCK_ALL = text(
    f"""
    SELECT {COLUMNS} FROM reminders.plans p
    WHERE p.tenant_id = :tenant AND p.appointment_id = ANY (CAST(:ids AS text[]))
    ORDER BY p.appointment_id FOR UPDATE
    """  # noqa: S608 - constants
)

_LOCK_OF_REMINDER = text(
    f"""
    SELECT {COLUMNS} FROM reminders.plans p
    WHERE p.tenant_id = :tenant AND p.appointment_id =
        (SELECT r.appointment_id FROM reminders.reminders r
         WHERE r.tenant_id = :tenant AND r.reminder_id = :reminder)
    FOR UPDATE
    """  # noqa: S608 - constants
)

_LOCK_OF_ATTEMPT = text(
    f"""
    SELECT {COLUMNS} FROM reminders.plans p
    WHERE p.tenant_id = :tenant AND p.appointment_id =
        (SELECT r.appointment_id FROM reminders.attempts a
         JOIN reminders.reminders r ON r.tenant_id = a.tenant_id AND r.reminder_id = a.reminder_id
         WHERE a.tenant_id = :tenant AND a.attempt_id = :attempt)
    FOR UPDATE
    """  # noqa: S608 - constants
)

_FOLLOW = text(
    """
    UPDATE reminders.plans
    SET version = :version, live = :live, campaign_id = :campaign, contact_id = :contact,
        starts_at = :starts_at, zone = :zone, name = :name, phone = :phone, email = :email,
        language = :language
    WHERE tenant_id = :tenant AND appointment_id = :id
    """
)

_CORRECT = text(
    """
    UPDATE reminders.plans SET name = :name, phone = :phone, email = :email, language = :language
    WHERE tenant_id = :tenant AND appointment_id = :id
    """
)

_CLOSE = text(
    """
    UPDATE reminders.plans SET version = :version, live = false
    WHERE tenant_id = :tenant AND appointment_id = :id
    """
)

_COLOUR = text(
    """
    UPDATE reminders.plans SET colour = :colour, revision = revision + 1
    WHERE tenant_id = :tenant AND appointment_id = :id RETURNING revision
    """
)

_OWN = text(
    """
    UPDATE reminders.plans SET own_offsets = CAST(:offsets AS integer[])
    WHERE tenant_id = :tenant AND appointment_id = :id
    """
)


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan's row. `visit.version` 0: only its place is taken. `own_offsets` None: the defaults hold."""

    visit: Visit
    live: bool
    own_offsets: tuple[timedelta, ...] | None
    colour: Colour | None
    revision: int


async def enter(tx: Tx, visit: Visit) -> Plan:
    """The plan of an appointment, made where there is none yet, locked."""
    params = {
        "tenant": tx.tenant,
        "id": visit.appointment_id,
        "campaign": visit.campaign_id,
        "contact": visit.contact_id,
        "starts_at": visit.start,
        "zone": visit.zone,
    }
    await tx.run(_ENTER, params)
    return await lock(tx, visit.appointment_id)


async def enter_all(tx: Tx, visits: Sequence[Visit]) -> Mapping[str, Plan]:
    """The same for different appointments, locked in the order of their ids; by id."""
    ids = [visit.appointment_id for visit in visits]
    params = {
        "tenant": tx.tenant,
        "ids": ids,
        "campaigns": [visit.campaign_id for visit in visits],
        "contacts": [visit.contact_id for visit in visits],
        "starts": [visit.start for visit in visits],
        "zones": [visit.zone for visit in visits],
    }
    await tx.run(_ENTER_ALL, params)
    found = await tx.run(_LOCK_ALL, {"tenant": tx.tenant, "ids": ids})
    return {row.appointment_id: _plan(row) for row in found}


async def get(tx: Tx, appointment_id: str) -> Plan:
    """A plan. Raises NotFound naming `appointment_id`."""
    return _found((await tx.run(_GET, {"tenant": tx.tenant, "id": appointment_id})).one_or_none())


async def seen_versions(tx: Tx, appointment_ids: Collection[str]) -> Mapping[str, int]:
    """The newest versions that were told of appointments, by id; of one that is missing none was."""
    found = await tx.run(_SEEN, {"tenant": tx.tenant, "ids": list(appointment_ids)})
    return {row.appointment_id: int(row.version) for row in found}


async def without_address(tx: Tx, contact_id: str) -> Sequence[str]:
    """The contact's appointments to come of which a reminder was dropped untried, for want of an address."""
    found = await tx.run(_WITHOUT_ADDRESS, {"tenant": tx.tenant, "contact": contact_id})
    return [row.appointment_id for row in found]


async def is_without_address(tx: Tx, appointment_id: str) -> bool:
    """Whether this appointment is one of those."""
    found = await tx.run(_IS_WITHOUT_ADDRESS, {"tenant": tx.tenant, "id": appointment_id})
    return found.one_or_none() is not None


async def lock(tx: Tx, appointment_id: str) -> Plan:
    """The same, locked. Whoever locks reminders of it has locked their plan before."""
    return _found((await tx.run(_LOCK, {"tenant": tx.tenant, "id": appointment_id})).one_or_none())


async def lock_of_reminder(tx: Tx, reminder_id: str) -> Plan:
    """The plan that a reminder belongs to, locked. Raises NotFound naming `reminder_id`."""
    params = {"tenant": tx.tenant, "reminder": reminder_id}
    return _found((await tx.run(_LOCK_OF_REMINDER, params)).one_or_none(), "reminder")


async def lock_of_attempt(tx: Tx, attempt_id: str) -> Plan | None:
    """The plan that an attempt belongs to, locked; None for an attempt that is nobody's of this tenant."""
    row = (await tx.run(_LOCK_OF_ATTEMPT, {"tenant": tx.tenant, "attempt": attempt_id})).one_or_none()
    return None if row is None else _plan(row)


async def follow(tx: Tx, visit: Visit, *, live: bool) -> None:
    """Stores a newer version of the appointment."""
    params = {
        "tenant": tx.tenant,
        "id": visit.appointment_id,
        "version": visit.version,
        "live": live,
        "campaign": visit.campaign_id,
        "contact": visit.contact_id,
        "starts_at": visit.start,
        "zone": visit.zone,
        "name": visit.name,
        "phone": visit.phone,
        "email": visit.email,
        "language": visit.language,
    }
    await tx.run(_FOLLOW, params)


async def correct(tx: Tx, visit: Visit) -> None:
    """Stores how the contact is addressed and reached by now."""
    params = {
        "tenant": tx.tenant,
        "id": visit.appointment_id,
        "name": visit.name,
        "phone": visit.phone,
        "email": visit.email,
        "language": visit.language,
    }
    await tx.run(_CORRECT, params)


async def close(tx: Tx, appointment_id: str, version: int) -> None:
    """The appointment was cancelled with this version."""
    await tx.run(_CLOSE, {"tenant": tx.tenant, "id": appointment_id, "version": version})


async def paint(tx: Tx, appointment_id: str, colour: Colour | None) -> int:
    """Stores a colour; gives its revision, which grows with each change."""
    params = {"tenant": tx.tenant, "id": appointment_id, "colour": colour and colour.value}
    revision: int = (await tx.run(_COLOUR, params)).scalar_one()
    return revision


async def set_own_offsets(tx: Tx, appointment_id: str, offsets: Sequence[timedelta] | None) -> None:
    """Offsets of this appointment alone; None: the defaults hold."""
    seconds = None if offsets is None else [int(each.total_seconds()) for each in offsets]
    await tx.run(_OWN, {"tenant": tx.tenant, "id": appointment_id, "offsets": seconds})


def _found(row: Any, resource: str = "appointment") -> Plan:
    if row is None:
        raise errors.not_found(resource, f"{resource}_id")
    return _plan(row)


def _plan(row: Any) -> Plan:
    own = row.own_offsets
    return Plan(
        visit=rows.visit(row),
        live=row.live,
        own_offsets=None if own is None else tuple(timedelta(seconds=each) for each in own),
        colour=None if row.colour is None else Colour(row.colour),
        revision=row.revision,
    )
