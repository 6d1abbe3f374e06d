"""The people to visit."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import text

from booking.domain import errors
from booking.domain.contact import Contact, Correction, Located, PlacedBy
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
    "contact_id, campaign_id, display_name, phone, address, place, email, language, zone, postcode, placed_by"
)

_GET = text(
    f"SELECT {_COLUMNS} FROM booking.contacts"  # noqa: S608 - constants
    " WHERE tenant_id = :tenant AND contact_id = :contact"
)

_GET_ALL = text(
    f"SELECT {_COLUMNS} FROM booking.contacts"  # noqa: S608 - constants
    " WHERE tenant_id = :tenant AND contact_id = ANY (CAST(:contacts AS text[]))"
)

# what people have pinned, no address moves
_REPLACED = "(CAST(:placed AS text) = 'PINNED' OR (CAST(:placed AS text) <> '' AND placed_by <> 'PINNED'))"

_CORRECT = text(
    f"""
    UPDATE booking.contacts
    SET address = coalesce(:address, address), zone = coalesce(:zone, zone),
        postcode = coalesce(:postcode, postcode),
        place = CASE WHEN {_REPLACED} THEN CAST(:place AS bigint) ELSE place END,
        placed_by = CASE WHEN {_REPLACED} THEN :placed ELSE placed_by END
    WHERE tenant_id = :tenant AND contact_id = :contact RETURNING {_COLUMNS}
    """  # noqa: S608 - constants
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


async def correct(tx: Tx, contact_id: str, correction: Correction, located: Located | None = None) -> Contact:
    """The person as corrected; `located` is where the new address is, for one whom nobody has pinned.

    Raises NotFound naming `contact_id`.
    """
    point, placed = correction.point, PlacedBy.PINNED.value
    if point is None:
        point, placed = (None, "") if located is None else (located.point, located.placed_by.value)
    params = {
        "tenant": tx.tenant,
        "contact": contact_id,
        "address": correction.address,
        "place": None if point is None else point.key,
        "placed": placed,
        "zone": correction.zone,
        "postcode": correction.postcode,
    }
    return _found((await tx.run(_CORRECT, params)).one_or_none())


async def page(tx: Tx, campaign_id: str, after: str, count: int) -> Sequence[Contact]:
    """People of a campaign by id after one."""
    params = {"tenant": tx.tenant, "campaign": campaign_id, "after": after, "rows": count}
    return [rows.contact(row) for row in await tx.run(_LIST, params)]


def _found(row: Any) -> Contact:
    if row is None:
        raise errors.not_found("contact", "contact_id")
    return rows.contact(row)
