"""ContactsService: what was corrected of people."""

from typing import Any

from booking.domain.contact import ContactChange
from booking.transport import messages
from booking.usecases.desk import Desk
from booking.usecases.list_contact_changes import list_contact_changes
from giro.booking.v1 import contacts_pb2 as pb
from giro.booking.v1.contacts_pb2_grpc import ContactsServiceServicer


class ContactsServicer(ContactsServiceServicer):
    """Requests arrive checked against the contract."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def ListContactChanges(
        self, request: pb.ListContactChangesRequest, _: Any
    ) -> pb.ListContactChangesResponse:
        """A page of corrections."""
        page = await list_contact_changes(
            self._desk, request.contact_id, request.page_size, request.page_token
        )
        return pb.ListContactChangesResponse(
            changes=map(_change, page.changes), next_page_token=page.next_page_token
        )


def _change(found: ContactChange) -> pb.ContactChange:
    fields = [pb.FieldChange(field=each.field, before=each.before, after=each.after) for each in found.fields]
    return pb.ContactChange(
        version=found.version,
        changed_at=messages.timestamp(found.changed_at),
        actor_id=found.actor_id,
        fields=fields,
    )
