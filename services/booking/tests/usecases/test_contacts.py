"""A person is corrected: each field, by version, told, kept, and by whoever may (BK-46)."""

from dataclasses import fields, replace
from typing import Any

import pytest
from booking_house import House
from sqlalchemy import text

from booking.domain.contact import Contact, Correction
from booking.usecases.list_contact_changes import list_contact_changes
from booking.usecases.list_contacts import get_contact
from booking.usecases.update_contact import update_contact
from giro.booking.v1.contact_events_pb2 import ContactUpdated
from kit.errors import Conflict, InvalidInput, NotAllowed, NotFound, Reason
from kit.rpc.context import Grant
from kit.testing.schedule import two_sessions
from kit.values.ids import new_id
from kit.values.latlng import LatLng

pytestmark = pytest.mark.asyncio(loop_scope="session")

TOLD: dict[str, Any] = {
    "display_name": "Ada Bianchi",
    "phone": "+390200000001",
    "address": "Via Po 2",
    "point": LatLng(45.1, 9.3),
    "email": "ada@example.com",
    "language": "it",
    "zone": "south",
    "postcode": "10124",
}


async def correct(house: House, contact: str, version: int = 0, **told: Any) -> Contact:
    return await update_contact(house.desk, house.places, contact, Correction(**told), version)


async def told(house: House) -> list[ContactUpdated]:
    query = text(
        "SELECT payload FROM booking.outbox WHERE tenant_id = :t"
        " AND subject LIKE '%.contact_updated' ORDER BY id"
    )
    async with house.desk.db.uow(house.tenant) as tx:
        return [ContactUpdated.FromString(row.payload) for row in await tx.run(query, {"t": house.tenant})]


async def test_every_field_of_a_person_can_be_corrected() -> None:
    assert TOLD.keys() == {each.name for each in fields(Correction)}
    fixed = {"contact_id", "campaign_id", "version", "placed_by"}
    assert TOLD.keys() == {each.name for each in fields(Contact)} - fixed


@pytest.mark.parametrize("field", sorted(TOLD))
async def test_each_field_is_corrected_told_and_kept(house: House, field: str) -> None:
    contact = await house.contact(await house.campaign())
    before = await get_contact(house.desk, contact)
    after = await correct(house, contact, before.version, **{field: TOLD[field]})
    assert (
        after == replace(before, version=2, **{field: TOLD[field]}) == await get_contact(house.desk, contact)
    )
    assert await correct(house, contact, 2, **{field: TOLD[field]}) == after, "nothing changed"
    (event,) = await told(house)
    assert (event.contact_id, event.campaign_id) == (contact, before.campaign_id)
    assert (event.version, list(event.fields)) == (2, [field])
    (change,) = (await list_contact_changes(house.desk, contact, 0, "")).changes
    assert (change.version, change.actor_id) == (2, "usr_operator")
    (kept,) = change.fields
    texts = ["45.4642,9.19", "45.1,9.3"] if field == "point" else [getattr(before, field), TOLD[field]]
    assert [kept.field, kept.before, kept.after] == [field, *texts]


async def test_a_correction_of_what_somebody_else_corrected_is_refused(house: House) -> None:
    contact = await house.contact(await house.campaign())
    await correct(house, contact, 1, phone="+390200000001")
    with pytest.raises(Conflict) as refused:
        await correct(house, contact, 1, phone="+390200000002")
    assert (refused.value.reason, refused.value.metadata["current_version"]) == (Reason.STALE_VERSION, "2")
    assert [each.field for each in refused.value.violations] == ["version"]
    assert (await get_contact(house.desk, contact)).phone == "+390200000001"
    assert (await correct(house, contact, 0, phone="+390200000002")).version == 3  # whatever is there


async def test_of_two_who_saw_the_same_one_corrects(house: House) -> None:
    contact = await house.contact(await house.campaign())
    outcome = await two_sessions(
        lambda: correct(house, contact, 1, phone="+390200000001"),
        lambda: correct(house, contact, 1, language="it"),
        at="booking.contact.before_decide",
    )
    assert outcome.held
    assert not outcome.overtook
    assert [type(outcome.first), type(outcome.second)] == [Contact, Conflict]
    assert [each.version for each in (await list_contact_changes(house.desk, contact, 0, "")).changes] == [2]


async def test_corrections_come_in_pages_and_are_never_rewritten(house: House) -> None:
    contact = await house.contact(await house.campaign())
    for number in range(3):
        await correct(house, contact, phone=f"+39020000001{number}", email=f"a{number}@example.com")
    first = await list_contact_changes(house.desk, contact, 2, "")
    rest = await list_contact_changes(house.desk, contact, 2, first.next_page_token)
    assert [each.version for each in [*first.changes, *rest.changes]] == [2, 3, 4]
    assert [each.field for each in rest.changes[0].fields] == ["phone", "email"]
    assert rest.next_page_token == ""
    other = await house.contact(await house.campaign())
    with pytest.raises(InvalidInput):
        await list_contact_changes(house.desk, other, 2, first.next_page_token)
    for statement in (
        "UPDATE booking.contact_changes SET actor_id = ''",
        "DELETE FROM booking.contact_changes",
    ):
        with pytest.raises(Exception, match="permission denied"):
            async with house.desk.db.uow(house.tenant) as tx:
                await tx.run(text(statement))


async def test_corrections_are_read_and_made_within_reach_and_tenant(house: House) -> None:
    mine, other = await house.campaign(), await house.campaign()
    strange, near = await house.contact(other), await house.contact(mine)
    house.enter(Grant("OPERATOR", "campaign", mine.campaign_id))
    assert (await correct(house, near, phone="+390200000003")).version == 2
    for attempt in (correct(house, strange, phone=""), list_contact_changes(house.desk, strange, 0, "")):
        with pytest.raises(NotAllowed) as refused:
            await attempt
        assert refused.value.reason is Reason.OUT_OF_SCOPE
    stranger = House(house.desk, house.ledger, house.agents)
    stranger.enter()
    for ident in (near, new_id("cnt")):
        for attempt in (correct(stranger, ident, phone=""), list_contact_changes(house.desk, ident, 0, "")):
            with pytest.raises(NotFound) as missing:
                await attempt
            assert [each.field for each in missing.value.violations] == ["contact_id"]
