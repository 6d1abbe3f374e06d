"""What a re-fix under way will write, kept with its move or its new card."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refix:
    """What a re-fix under way will write, whoever finishes it.

    `state_id` goes on the card that gets the date; `old_state_id` on the one that is locked, if any.
    `postcode` is the one that the same card's stop is asked for with, spelled as the contact's is.
    """

    actor_id: str
    owner_id: str
    mode_id: str
    state_id: str = ""
    old_state_id: str = ""
    note: str = ""
    screen: str = ""
    refix_id: str = ""
    postcode: str = ""

    def spelled(self, postcode: str) -> str:
        """A postcode of the ledger, which keeps them in capitals and without spaces, as it was asked for."""
        return self.postcode if "".join(self.postcode.split()).upper() == postcode else postcode
