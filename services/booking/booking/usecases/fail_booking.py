"""Ends a booking, of whatever kind, that did not come to be."""

from booking import events
from booking.domain.refusal import Refusal
from booking.storage import answers, bookings, refix_requests
from kit.db.uow import Tx


async def fail_booking(tx: Tx, appointment_id: str, refusal: Refusal) -> bool:
    """PENDING -> FAILED with the unit given back; False when it is decided already. What a procedure made it
    for is tried again.

    The ledger has to refuse the id from now on, since a message of ours may still be on its way: the
    reconciler sees to it.
    """
    failed = await bookings.decide_failed(tx, appointment_id, refusal)
    if failed is None:
        return False
    events.failed(tx, failed.appointment_id, failed.campaign_id)
    await refix_requests.again(tx, [appointment_id])
    if not failed.claim_key.startswith(bookings.OF_SERIES):
        await tx.answer_claim(failed.claim_key, answers.from_refusal(refusal))
    return True
