"""What a re-fix under way will write, kept with its move or its new card."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refix:
    """What a re-fix under way will write, whoever finishes it.

    `state_id` goes on the card that gets the date; `old_state_id` on the one that is locked, if any.
    """

    actor_id: str
    owner_id: str
    mode_id: str
    state_id: str = ""
    old_state_id: str = ""
    note: str = ""
    screen: str = ""
    refix_id: str = ""
