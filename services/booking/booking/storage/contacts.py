"""The people to visit."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import text

from booking.domain import errors
from booking.domain.contact import Contact
from booking.storage import rows
from kit.db.uow import Tx

_INSERT = text(
    """
    INSERT INTO booking.contacts (tenant_id, campaign_id, contact_id, display_name, phone, address, place,
                                  email, language, zone, postcode, placed_by)
    SELECT :tenant, :campaign, new.*
    FROM unnest(CAST(:ids AS text[]), CAST(:names AS text[]), CAST(:phones AS text[]),
                CAST(:addresses AS text[]), CAST(:places AS bigint[]),
                CAST(:emails AS text[]), CAST(:languages AS text[]), CAST(:zones AS text[]),
                CAST(:postcodes AS text[]), CAST(:placed AS text[])) AS new
    """
)

_COLUMNS = (
    "contact_id, campaign_id, display_name, phone, address, place, email, language, zone, postcode,"
    " placed_by, version"
)

_GET = text(
    f"SELECT {_COLUMNS} FROM booking.contacts"  # noqa: S608 - constants
    " WHERE tenant_id = :tenant AND contact_id = :contact"
)

_GET_ALL = text(
    f"SELECT {_COLUMNS} FROM booking.contacts"  # noqa: S608 - constants
    " WHERE tenant_id = :tenant AND contact_id = ANY (CAST(:contacts AS text[]))"
)

_LOCK = text(f"{_GET.text} FOR NO KEY UPDATE")

_SAVE = text(
    """
    UPDATE booking.contacts
    SET display_name = :name, phone = :phone, address = :address, place = :place, email = :email,
        language = :language, zone = :zone, postcode = :postcode, placed_by = :placed, version = :version
    WHERE tenant_id = :tenant AND contact_id = :contact
    """
)

_LIST = text(
    f"""
    SELECT {_COLUMNS} FROM booking.contacts
    WHERE tenant_id = :tenant AND campaign_id = :campaign AND contact_id > :after
    ORDER BY contact_id LIMIT :rows
    """  # noqa: S608 - constants
)


async def insert(tx: Tx, campaign_id: str, contacts: Sequence[Contact]) -> None:
    """Stores people of one campaign, all or none."""
    params = {
        "tenant": tx.tenant,
        "campaign": campaign_id,
        "ids": [contact.contact_id for contact in contacts],
        "names": [contact.display_name for contact in contacts],
        "phones": [contact.phone for contact in contacts],
        "addresses": [contact.address for contact in contacts],
        "places": [None if contact.point is None else contact.point.key for contact in contacts],
        "emails": [contact.email for contact in contacts],
        "languages": [contact.language for contact in contacts],
        "zones": [contact.zone for contact in contacts],
        "postcodes": [contact.postcode for contact in contacts],
        "placed": [contact.placed_by.value for contact in contacts],
    }
    await tx.run(_INSERT, params)


async def get(tx: Tx, contact_id: str) -> Contact:
    """One person. Raises NotFound naming `contact_id`."""
    return _found((await tx.run(_GET, {"tenant": tx.tenant, "contact": contact_id})).one_or_none())


async def get_all(tx: Tx, contact_ids: Collection[str]) -> Mapping[str, Contact]:
    """By id those of them that there are."""
    found = await tx.run(_GET_ALL, {"tenant": tx.tenant, "contacts": list(contact_ids)})
    return {row.contact_id: rows.contact(row) for row in found}


async def lock(tx: Tx, contact_id: str) -> Contact:
    """The same, locked until the end of the transaction."""
    return _found((await tx.run(_LOCK, {"tenant": tx.tenant, "contact": contact_id})).one_or_none())


async def save(tx: Tx, contact: Contact) -> None:
    """Stores a locked one as it is now."""
    params = {
        "tenant": tx.tenant,
        "contact": contact.contact_id,
        "name": contact.display_name,
        "phone": contact.phone,
        "address": contact.address,
        "place": None if contact.point is None else contact.point.key,
        "placed": contact.placed_by.value,
        "email": contact.email,
        "language": contact.language,
        "zone": contact.zone,
        "postcode": contact.postcode,
        "version": contact.version,
    }
    await tx.run(_SAVE, params)


async def page(tx: Tx, campaign_id: str, after: str, count: int) -> Sequence[Contact]:
    """People of a campaign by id after one."""
    params = {"tenant": tx.tenant, "campaign": campaign_id, "after": after, "rows": count}
    return [rows.contact(row) for row in await tx.run(_LIST, params)]


def _found(row: Any) -> Contact:
    if row is None:
        raise errors.not_found("contact", "contact_id")
    return rows.contact(row)
