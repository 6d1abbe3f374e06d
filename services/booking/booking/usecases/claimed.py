"""What a repeated request is told."""

from booking.domain.appointment import Card
from booking.storage import answers
from booking.usecases.desk import Desk
from kit.db.claims import Claim
from kit.errors import Conflict, Reason, Unavailable
from kit.rpc.context import caller


async def first_card(desk: Desk, claim: Claim) -> Card:
    """The first answer to a request that somebody else has finished. Raises the refusal that it was."""
    async with desk.db.uow(caller().tenant, claim) as tx:
        if tx.first_answer is None:
            raise in_flight()
        return answers.card(tx.first_answer)


def in_flight() -> Conflict:
    """The request is being worked on at this moment."""
    message = "this request_id is being worked on; ask again with the same request_id"
    return Conflict(Reason.REQUEST_IN_FLIGHT, message)


def outcome_unknown(cause: Unavailable) -> Unavailable:
    """The ledger did not answer: the request may be repeated as it is, and is settled if it is not."""
    message = f"{cause.message}; repeat the call with the same request_id to learn the outcome"
    metadata = {"service": "geo", **cause.metadata}
    return Unavailable(cause.reason, message, metadata=metadata)
