"""Outcome states, list states and characteristics: what agents may say of a visit, as data (R-028, R-076)."""

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final

from booking.domain import errors
from booking.domain.appointment import Outcome

RECALL_LIST: Final = "W"
"""The list state that returns a contact to the call lists (R-079)."""

REFIX_AT: Final = "refix_at"
"""What the history calls the agent's own date, beside the characteristics."""

CORRECTS: Final = "corrects"
"""What it calls the state that a correction takes the place of."""

_TAKEN: Final = frozenset({REFIX_AT, CORRECTS})
"""No characteristic has one of these names: one of the two values would be lost."""

_NUMBER: Final = re.compile(r"^-?[0-9]{1,15}(\.[0-9]{1,6})?$")


class Kind(StrEnum):
    """What kind of value a characteristic takes; equal to giro.booking.v1.CharacteristicKind."""

    TEXT = "TEXT"
    NUMBER = "NUMBER"
    DATE = "DATE"
    CHOICE = "CHOICE"
    YES_NO = "YES_NO"


class Result(StrEnum):
    """What an outcome says of the visit; equal to giro.booking.v1.VisitResult."""

    OPEN = "OPEN"
    HELD = "HELD"
    KO = "KO"


class Recall(StrEnum):
    """Whether an outcome makes a recall, and for whom (R-078); equal to giro.booking.v1.RecallOption."""

    NONE = "NONE"
    PRIVATE = "PRIVATE"
    PUBLIC = "PUBLIC"


@dataclass(frozen=True, slots=True)
class ListState:
    """What calling lists do with a contact; a recall is due `default_delay` after the outcome (R-035)."""

    code: str
    display_name: str
    default_delay: timedelta = timedelta()


RECALLS: Final = ListState(RECALL_LIST, "Recall")
"""W as it is until a tenant says otherwise: due at once."""


@dataclass(frozen=True, slots=True)
class Characteristic:
    """A field that outcomes may ask for; `choices` are a CHOICE's values."""

    characteristic_id: str
    display_name: str
    kind: Kind
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OutcomeState:
    """A back-office state (R-028): recall (R-044), characteristics (R-075, R-076), agent's date (R-061)."""

    state_id: str
    display_name: str
    result: Result
    list_state: str = ""
    recall: Recall = Recall.NONE
    mandatory: tuple[str, ...] = ()
    visible: tuple[str, ...] = ()
    refix: bool = False
    note_required: bool = False

    @property
    def refixes(self) -> bool:
        """Whether it leads to a new date at all."""
        return self.refix or self.recall is not Recall.NONE


@dataclass(frozen=True, slots=True)
class Written:
    """What an agent sends with an outcome: (id, text) of characteristics, note, date."""

    characteristics: Sequence[tuple[str, str]]
    note: str
    refix_at: datetime | None


def require_characteristic(characteristic: Characteristic) -> None:
    """Raises InvalidInput for choices that are not those of a CHOICE, and for a taken name."""
    if characteristic.characteristic_id in _TAKEN:
        raise errors.invalid("characteristic_id", "is a name that the history has for something else")
    is_choice = characteristic.kind is Kind.CHOICE
    if is_choice and not characteristic.choices:
        raise errors.invalid("choices", "a CHOICE needs at least one")
    if not is_choice and characteristic.choices:
        raise errors.invalid("choices", "only a CHOICE has them")


def require_state(
    state: OutcomeState, characteristics: Collection[str], list_states: Collection[str]
) -> None:
    """Raises InvalidInput or NotFound naming the field by which a state contradicts itself.

    Mandatory implies visible (R-076); a recall needs the list state W, and W a recall (R-044, R-064); what
    was held is not fixed again.
    """
    _require_known(state, characteristics, list_states)
    hidden = [each for each in state.mandatory if each not in state.visible]
    if hidden:
        raise errors.invalid("mandatory", f"{hidden[0]} is mandatory, so it has to be visible")
    has_recall = state.recall is not Recall.NONE
    if has_recall and state.list_state != RECALL_LIST:
        raise errors.invalid("list_state", f'a recall needs the list state "{RECALL_LIST}"')
    if not has_recall and state.list_state == RECALL_LIST:
        raise errors.invalid("recall", f'the list state "{RECALL_LIST}" needs a recall')
    if state.result is Result.HELD and state.refixes:
        raise errors.invalid("result", "a visit that took place is not fixed again")


def _require_known(
    state: OutcomeState, characteristics: Collection[str], list_states: Collection[str]
) -> None:
    for field, ids in (("mandatory", state.mandatory), ("visible", state.visible)):
        for position, each in enumerate(ids):
            if each not in characteristics:
                raise errors.not_found("characteristic", f"{field}[{position}]")
    if state.list_state and state.list_state not in list_states:
        raise errors.not_found("list state", "list_state")


def outcome(state: OutcomeState, written: Written, known: Mapping[str, Characteristic]) -> Outcome:
    """The outcome that an agent's words stand for.

    Each outcome brings its mandatory fields (R-075): what one before it said of another visit does not count.
    Raises MANDATORY_MISSING, FIELD_HIDDEN, NotFound for a characteristic that is none, and InvalidInput
    naming the field for a value that does not fit.
    """
    values = _values(state, written.characteristics, known)
    for each in state.mandatory:
        if not values.get(each):
            raise errors.mandatory_missing(each)
    if state.note_required and not written.note.strip():
        raise errors.invalid("note", "the outcome needs a note")
    if written.refix_at is not None and not state.refix:
        raise errors.field_hidden("refix_at", "refix_at")
    if written.refix_at is None and state.refix:
        raise errors.invalid("refix_at", "the outcome needs the agent's date")
    return Outcome(state.state_id, state.result is Result.HELD, values, written.refix_at)


def require_ahead(refix_at: datetime | None, now: datetime) -> None:
    """Raises InvalidInput naming `refix_at` for a date that is not in the future."""
    if refix_at is not None and refix_at <= now:
        raise errors.invalid("refix_at", "must be in the future")


def shown(state: OutcomeState | None, values: Mapping[str, str]) -> Mapping[str, str]:
    """What an agent sees: the characteristics that the state shows (R-076); none without a state."""
    visible = state.visible if state else ()
    return {key: value for key, value in values.items() if key in visible}


def facts_shown(state: OutcomeState | None, facts: Mapping[str, str]) -> Mapping[str, str]:
    """What an agent sees of what an outcome wrote: the same characteristics, and the agent's own date."""
    date = {key: value for key, value in facts.items() if key == REFIX_AT}
    return {**shown(state, facts), **date}


def _values(
    state: OutcomeState, sent: Sequence[tuple[str, str]], known: Mapping[str, Characteristic]
) -> Mapping[str, str]:
    values: dict[str, str] = {}
    for position, (characteristic_id, text) in enumerate(sent):
        field = f"characteristics[{position}]"
        if characteristic_id not in known:
            raise errors.not_found("characteristic", f"{field}.characteristic_id")
        if characteristic_id not in state.visible:
            raise errors.field_hidden(f"{field}.characteristic_id", characteristic_id)
        if characteristic_id in values:
            raise errors.invalid(f"{field}.characteristic_id", "is there twice")
        if not _fits(known[characteristic_id], text):
            message = f"{text[:40]!r} is no {known[characteristic_id].kind.lower()}"
            raise errors.invalid(f"{field}.value", message)
        values[characteristic_id] = text
    return values


def _fits(characteristic: Characteristic, text: str) -> bool:
    if characteristic.kind is Kind.CHOICE:
        return text in characteristic.choices
    if characteristic.kind is Kind.YES_NO:
        return text in {"true", "false"}
    if characteristic.kind is Kind.DATE:
        return _is_day(text)
    if characteristic.kind is Kind.NUMBER:
        return _NUMBER.match(text) is not None and math.isfinite(float(text))
    return bool(text.strip())


def _is_day(text: str) -> bool:
    try:
        return len(text) == len("YYYY-MM-DD") and date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
