"""Takes people to visit into a campaign, all or none."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from booking.domain import errors
from booking.domain.contact import Contact
from booking.storage import answers, campaigns, contacts
from booking.usecases.desk import Desk
from booking.usecases.locate import locate, require_short
from booking.usecases.ports import Places
from booking.usecases.reach import reach
from kit.db.claims import Claim
from kit.errors import GiroError
from kit.rpc.context import caller
from kit.values.ids import new_id

MOST_LOOKED_UP: Final = 200
"""Addresses of one import that are looked up."""


@dataclass(frozen=True, slots=True)
class ImportContacts:
    """The people, without ids yet; those without a point have an address."""

    campaign_id: str
    contacts: Sequence[Contact]
    claim: Claim


async def import_contacts(desk: Desk, places: Places, command: ImportContacts) -> Sequence[str]:
    """Their ids, in the order given; the same again for the same claim.

    Who has an address alone is placed by it, or needs a pin where that is not sure enough (GEO-18). Raises
    NotFound, InvalidInput naming the first point that is one too many to look up, Unavailable when addresses
    cannot be looked up: then nobody is taken in.
    """
    reach().require_campaign(command.campaign_id)
    located = await _located(places, command.contacts)
    async with desk.db.uow(caller().tenant, command.claim) as tx:
        if tx.first_answer is not None:
            return answers.ids(tx.first_answer)
        await campaigns.require(tx, command.campaign_id)
        if isinstance(located, GiroError):
            raise located
        people = [replace(contact, contact_id=new_id("cnt")) for contact in located]
        await contacts.insert(tx, command.campaign_id, people)
        ids = [person.contact_id for person in people]
        tx.answer(answers.from_ids(ids))
    return ids


async def _located(places: Places, people: Sequence[Contact]) -> Sequence[Contact] | GiroError:
    """All with their places, or why there are none: a repeated request is answered before that counts."""
    lacking = [at for at, person in enumerate(people) if person.point is None]
    if len(lacking) > MOST_LOOKED_UP:
        field = f"contacts[{lacking[MOST_LOOKED_UP]}].point"
        return errors.invalid(field, f"is missing: at most {MOST_LOOKED_UP} addresses are looked up at once")
    try:
        for at in lacking:
            require_short(people[at].address, f"contacts[{at}].address")
        told = await locate(places, caller().tenant, [people[at].address for at in lacking])
    except GiroError as failed:
        return failed
    found = dict(zip(lacking, told, strict=True))
    return [
        replace(person, point=found[at].point, placed_by=found[at].placed_by) if at in found else person
        for at, person in enumerate(people)
    ]
