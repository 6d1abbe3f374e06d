"""What an operator may choose when an appointment is fixed again: the truth table of R-049 to R-058."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from booking.domain import errors
from booking.domain.outcomes import OutcomeState, Result
from booking.domain.parameters import Parameters
from booking.domain.refix_modes import ALONE, CardRule, Mode
from booking.domain.refix_parameters import (
    ALLOW_NEW_CARD,
    DEFAULT_STATE,
    FREE,
    MOVES_OWNERSHIP,
    NEW_CARD_ALWAYS,
    NEW_CARD_FLAG,
    NEW_CARD_STATE,
    SAME_CARD_STATE,
    SHOW_LINK,
)


class Screen(StrEnum):
    """Where somebody re-fixes; the same rules hold in all three (R-030)."""

    AGENDA = "AGENDA"
    CALL_SCREEN = "CALL_SCREEN"
    BACK_OFFICE = "BACK_OFFICE"


@dataclass(frozen=True, slots=True)
class Selector:
    """The state selector: which state it shows, whether it may be changed, whether one has to be chosen."""

    state_id: str
    enabled: bool
    required: bool = False


_FREE: Final = Selector("", enabled=True)


@dataclass(frozen=True, slots=True)
class Form:
    """What the screen offers. `flag` is the initial value of "new appointment", None where it is hidden;
    `new_card` is what counts while the flag stays as it is.

    `linked` tells whether a new card's link to the old one is shown (R-052), `moves_owner` whether the card
    is then whoever's re-fixed it (R-050).
    """

    mode_id: str
    new_card: bool
    flag: bool | None
    same: Selector
    new: Selector
    linked: bool = True
    moves_owner: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """What will be done: which card, and the state to write on it (empty: none)."""

    new_card: bool
    state_id: str


def form(mode: Mode | None, parameters: Parameters, states: Mapping[str, OutcomeState]) -> Form:
    """The form for an appointment whose outcome is in this mode; without any mode, by the parameters.

    A preset that says that the visit was held counts as none: only its agent says so afterwards (R-018).
    """
    card = CardRule.BY_PARAMETERS if mode is None else mode.card
    new_card, flag = _card(card, parameters)
    mode_id = mode.mode_id if mode else ""
    if mode is not None and mode.procedure in ALONE:  # parameters have no effect
        return Form(mode_id, new_card, flag, _FREE, _FREE)
    held = {state.state_id for state in states.values() if state.result is Result.HELD}
    return Form(
        mode_id,
        new_card,
        flag,
        _same(parameters, held),
        _new(parameters, states.keys() - held),
        linked=bool(parameters[SHOW_LINK]),
        moves_owner=bool(parameters[MOVES_OWNERSHIP]),
    )


def require_plain(offered: Form) -> None:
    """Raises PRESET naming `start` unless a new start decides nothing else: neither which card nor its state.

    Otherwise who postpones would walk round what a re-fix has to respect (R-030, R-042, R-046).
    """
    if offered.new_card or offered.flag is not None or offered.same != _FREE:
        raise errors.refix_instead()


def decide(
    offered: Form, new_card: bool | None, state_id: str, states: Mapping[str, OutcomeState]
) -> Decision:
    """What somebody chose: `new_card` None and `state_id` empty leave it as it was offered.

    Raises PRESET naming `card` or `state_id` for a choice that is not theirs, NotFound naming `state_id`,
    InvalidInput naming it when one has to be chosen, or the chosen one says that the visit was held.
    """
    if new_card is not None and offered.flag is None and new_card != offered.new_card:
        raise errors.preset("card", "CARD_CHOICE_NEW" if offered.new_card else "CARD_CHOICE_SAME")
    on_new = offered.new_card if new_card is None else new_card
    selector = offered.new if on_new else offered.same
    if state_id and not selector.enabled and state_id != selector.state_id:
        raise errors.preset("state_id", selector.state_id)
    chosen = state_id or selector.state_id
    if chosen and chosen not in states:
        raise errors.not_found("outcome state", "state_id")
    if chosen and states[chosen].result is Result.HELD:
        raise errors.invalid("state_id", "a visit that is still to come was not held")
    if selector.required and not chosen:
        raise errors.invalid("state_id", "a state has to be chosen")
    return Decision(on_new, chosen)


def _card(rule: CardRule, parameters: Parameters) -> tuple[bool, bool | None]:
    if rule is not CardRule.BY_PARAMETERS:
        return rule is CardRule.NEW, None
    if not parameters[ALLOW_NEW_CARD]:
        return False, None
    if parameters[NEW_CARD_ALWAYS]:
        return True, None
    flag = bool(parameters[NEW_CARD_FLAG])
    return flag, flag


def _same(parameters: Parameters, held: Collection[str]) -> Selector:
    preset = str(parameters[SAME_CARD_STATE])
    if preset == FREE or preset in held:
        return Selector("", enabled=True, required=True)
    return Selector(preset, enabled=False)


def _new(parameters: Parameters, states: Collection[str]) -> Selector:
    preset, proposed = str(parameters[NEW_CARD_STATE]), str(parameters[DEFAULT_STATE])
    if preset != FREE and preset in states:
        return Selector(preset, enabled=False)
    return Selector(proposed if proposed in states else "", enabled=True)


def new_owner(parameters_move_it: bool, owner_id: str, actor_id: str) -> str:
    """Whose the card is after the re-fix (R-050)."""
    return actor_id if parameters_move_it else owner_id


@dataclass(frozen=True, slots=True)
class OperatorRecall:
    """A call that an operator owes a customer (R-078). `release_at` is when a private one is everybody's."""

    recall_id: str
    appointment_id: str
    campaign_id: str
    contact_id: str
    operator_id: str
    private: bool
    due_at: datetime
    release_at: datetime | None
    version: int
    open: bool = True


@dataclass(frozen=True, slots=True)
class Alternative:
    """A start that fits, by an agent of the campaign."""

    agent_id: str
    start: datetime
    end: datetime
