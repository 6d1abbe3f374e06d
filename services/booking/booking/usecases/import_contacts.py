"""Takes people to visit into a campaign, all or none."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from booking.domain.contact import Contact
from booking.storage import answers, campaigns, contacts
from booking.usecases.desk import Desk
from booking.usecases.reach import reach
from kit.db.claims import Claim
from kit.rpc.context import caller
from kit.values.ids import new_id


@dataclass(frozen=True, slots=True)
class ImportContacts:
    """The people, without ids yet."""

    campaign_id: str
    contacts: Sequence[Contact]
    claim: Claim


async def import_contacts(desk: Desk, command: ImportContacts) -> Sequence[str]:
    """Their ids, in the order given; the same again for the same claim. Raises NotFound."""
    reach().require_campaign(command.campaign_id)
    async with desk.db.uow(caller().tenant, command.claim) as tx:
        if tx.first_answer is not None:
            return answers.ids(tx.first_answer)
        await campaigns.require(tx, command.campaign_id)
        people = [replace(contact, contact_id=new_id("cnt")) for contact in command.contacts]
        await contacts.insert(tx, command.campaign_id, people)
        ids = [person.contact_id for person in people]
        tx.answer(answers.from_ids(ids))
    return ids
