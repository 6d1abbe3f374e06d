"""The parameters of re-fixing under spoken names, with the codes that people know (R-029, R-049 to R-058).

CC0036 and its letters decide what a re-fix does, CC0037 and CC0037A whether the operator may choose.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from kit.parameters import Bounds, Parameter, Scope

FREE: Final = "0"
"""The state id that leaves the choice to the operator (R-051, R-053)."""

_CODE: Final = re.compile(r"^CC0{1,2}(36|37)([ABCD]?)$")
_SPELT: Final[Mapping[str, str]] = {"CC036DB": "CC0036D", "CC0036DB": "CC0036D"}
"""Typing errors of the handbook that imports accept (R-029)."""

YES_NO: Final[Mapping[str, str]] = {"SI": "true", "SÌ": "true", "NO": "false"}
"""How switches are written by those who use the codes, in capital letters or small ones."""


def _switch(name: str, description: str, rule: str) -> Parameter[bool]:
    return Parameter(name, bool, default=False, description=f"{description} ({rule}).", rule=rule)


def _state(name: str, default: str, description: str, rule: str) -> Parameter[str]:
    return Parameter(name, str, default, f"{description} ({rule}).", rule)


ALLOW_NEW_CARD = _switch(
    "allow_new_card_on_refix", "Whether re-fixing may make a new card; else always the same one", "R-049"
)
MOVES_OWNERSHIP = _switch(
    "refix_moves_ownership", "Whether the card then belongs to the operator who re-fixed it", "R-050"
)
SAME_CARD_STATE = _state(
    "refix_same_card_state",
    FREE,
    'Outcome state of a re-fixed card, "0": the operator chooses',
    "R-051",
)
SHOW_LINK = _switch("refix_shows_link", "Whether the link between old and new card is shown", "R-052")
NEW_CARD_STATE = _state(
    "refix_new_card_state", FREE, 'Outcome state of the new card, "0": the operator chooses', "R-053"
)
NEW_CARD_ALWAYS = _switch(
    "refix_always_new_card", "Whether re-fixing always makes a new card; else the operator decides", "R-057"
)
NEW_CARD_FLAG = _switch(
    "refix_new_card_flag", "Whether the flag for a new card is set when the operator may decide", "R-058"
)
DEFAULT_STATE = _state(
    "default_appointment_state", "", "Outcome state proposed where the selector is free", "R-055"
)
PRIVATE_RELEASE_MINUTES: Parameter[int] = Parameter(
    "private_release_minutes",
    int,
    60,
    "Minutes after which an overdue private recall is everybody's, 0: never (R-078).",
    "R-078",
    Bounds(0, 60 * 24 * 365),
    Scope.CAMPAIGN,
)

CODES: Final[Mapping[str, Parameter[Any]]] = {
    "CC0036": ALLOW_NEW_CARD,
    "CC0036A": MOVES_OWNERSHIP,
    "CC0036B": SAME_CARD_STATE,
    "CC0036C": SHOW_LINK,
    "CC0036D": NEW_CARD_STATE,
    "CC0037": NEW_CARD_ALWAYS,
    "CC0037A": NEW_CARD_FLAG,
}
"""By code."""

REFIXING: Final[tuple[Parameter[Any], ...]] = (*CODES.values(), DEFAULT_STATE)
"""What decides how a card is fixed again."""

ALL: Final[tuple[Parameter[Any], ...]] = (*REFIXING, PRIVATE_RELEASE_MINUTES)


def spoken(name: str) -> str:
    """The spoken name of a code in any of its spellings, or else what was given."""
    code = name.strip().upper()
    match = _CODE.match(code) if code not in _SPELT else None
    canonical = _SPELT.get(code) or (f"CC00{match[1]}{match[2]}" if match else "")
    found = CODES.get(canonical)
    return name if found is None else found.name


def code_of(name: str) -> str:
    """The code of a spoken name; empty when it has none."""
    return next((code for code, each in CODES.items() if each.name == name), "")
