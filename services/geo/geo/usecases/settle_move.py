"""Telling whether a move was made; if not, refusing it for ever."""

from dataclasses import dataclass

from geo.domain.plan import Reserved
from geo.storage import owners
from geo.storage.documents import reserved_of
from geo.usecases.ledger import Ledger
from kit.failpoints import failpoint


@dataclass(frozen=True, slots=True)
class SettledMove:
    """`stop` is the answer the move had; None when it was not made and never will be."""

    stop: Reserved | None

    @property
    def applied(self) -> bool:
        """Whether the swap is in the ledger."""
        return self.stop is not None


async def settle_move(ledger: Ledger, tenant: str, move_id: str) -> SettledMove:
    """The move's fate, the same every time. Waits for a move that is under way."""
    async with ledger.db.uow(tenant) as tx:
        await failpoint("geo.settle_move.before_lock")
        abandoned = await owners.abandon(tx, move_id)
        await failpoint("geo.settle_move.after_lock")
        move = None if abandoned else await owners.find_move(tx, move_id)
        await failpoint("geo.settle_move.before_commit")
    await failpoint("geo.settle_move.after_commit")
    if move is None or not move.applied:
        return SettledMove(None)
    return SettledMove(reserved_of(move.answer))
