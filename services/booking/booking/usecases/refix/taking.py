"""Taking requests of procedures, many in one transaction: what somebody else has locked is passed over and
looked at again in the next run, so no worker waits for another, nor for an operator.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from booking.domain.appointment import LIVE, Appointment
from booking.storage import appointments, refix_requests
from booking.storage.refix_requests import RefixRequest
from kit.db.uow import Tx

Asked = tuple[Appointment, RefixRequest]


@dataclass(frozen=True, slots=True)
class Taken:
    """`work` are locked requests with their locked appointments, `overtaken` those of which it is not known
    whether the date counts: for people to decide (STALE_VERSION). `gone` is how many were ended because
    there is nothing to do; `waits` is how many somebody else is busy with."""

    work: Sequence[Asked]
    overtaken: Sequence[Asked]
    gone: int
    waits: int


async def take(tx: Tx, requests: Sequence[RefixRequest]) -> Taken:
    """Those of the requests that are this worker's now.

    The outcome spoke of one version of the appointment, which the changes that keep the date take along.
    """
    taken = await refix_requests.take_all(tx, requests)
    found = await appointments.lock_free(tx, [request.appointment_id for request in taken])
    asked = [(found[each.appointment_id], each) for each in taken if each.appointment_id in found]
    gone = [request.refix_id for card, request in asked if card.state not in LIVE]
    ready = [(card, request) for card, request in asked if card.state in LIVE and card.move_id is None]
    work = [(card, request) for card, request in ready if card.version == request.version]
    overtaken = [(card, request) for card, request in ready if card.version != request.version]
    await refix_requests.end_all(tx, gone, "OBSOLETE")
    return Taken(work, overtaken, len(gone), len(requests) - len(gone) - len(ready))
