"""What every use case works with."""

from dataclasses import dataclass
from datetime import timedelta

from booking.domain.pages import PageTokens
from booking.domain.slot_token import SlotTokens, SuggestedSlot
from booking.usecases.grounds_reads import GroundsReads
from booking.usecases.ports import Agents, Ledger
from kit.db.engine import Database
from kit.errors import GiroError
from kit.rpc.context import caller


@dataclass(frozen=True, slots=True)
class Desk:
    """The database, what is read from it together, geo, and the seals; made by the composition root."""

    db: Database
    grounds: GroundsReads
    ledger: Ledger
    agents: Agents
    slot_tokens: SlotTokens
    page_tokens: PageTokens
    series_within: timedelta = timedelta(seconds=12)
    """What all stops of a series together may take; less than after which the reconciler undoes it."""
    moves_at_once: int = 100
    """Appointments that a procedure begins to move, and follows, in one transaction."""

    def suggested(self, token: str) -> SuggestedSlot | GiroError:
        """The slot of the caller's token, or why it is none: a repeated request is answered before that
        counts."""
        try:
            return self.slot_tokens.read(caller().tenant, token)
        except GiroError as refusal:
            return refusal
