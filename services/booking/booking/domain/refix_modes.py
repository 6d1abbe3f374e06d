"""Modes of re-fixing as policy rows, procedures, and the lint of it all (R-025 to R-032, R-045).

A mode says when it applies (recall, agent's date, procedure, parameter) and what it does (which card, when
the recall is due). The five of the handbook are rows like any tenant's own; the code knows none by name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Final

from booking.domain.outcomes import OutcomeState, Recall, Result
from booking.domain.parameters import Parameters
from booking.domain.refix_parameters import (
    ALLOW_NEW_CARD,
    DEFAULT_STATE,
    FREE,
    NEW_CARD_ALWAYS,
    NEW_CARD_FLAG,
    NEW_CARD_STATE,
    SAME_CARD_STATE,
)


class Work(StrEnum):
    """What a scheduled procedure does; equal to giro.booking.v1.ProcedureKind."""

    NONE = "NONE"
    MOVE = "MOVE"
    NEW_CARD = "NEW_CARD"
    RECALL = "RECALL"


ALONE: Final = frozenset({Work.MOVE, Work.NEW_CARD})
"""Work that fixes a visit again without an operator: parameters have no effect on it (R-065, R-068)."""


class CardRule(StrEnum):
    """Which card a re-fix writes; equal to giro.booking.v1.CardRule."""

    SAME = "SAME"
    NEW = "NEW"
    BY_PARAMETERS = "BY_PARAMETERS"


@dataclass(frozen=True, slots=True)
class Mode:
    """One policy row. It applies when all of its conditions hold; None and empty leave one open.

    `recall` and `refix` speak of the outcome state, `procedure` of the active procedure on that state,
    `new_card_allowed` of CC0036. The greatest `priority` wins, then the first id.
    """

    mode_id: str
    display_name: str
    procedure: Work
    card: CardRule
    recall: bool | None = None
    refix: bool | None = None
    new_card_allowed: bool | None = None
    state_ids: tuple[str, ...] = ()
    recall_delay: timedelta | None = None
    priority: int = 0

    def applies(self, state: OutcomeState, work: Work, *, new_card_allowed: bool) -> bool:
        """Whether its conditions hold for an outcome state with this active procedure."""
        open_or_equal = (
            (self.recall, state.recall is not Recall.NONE),
            (self.refix, state.refix),
            (self.new_card_allowed, new_card_allowed),
        )
        named = not self.state_ids or state.state_id in self.state_ids
        return (
            named
            and self.procedure is work
            and all(wanted is None or wanted == found for wanted, found in open_or_equal)
        )


BUILT_IN: Final = (
    Mode(
        "mode-1",
        "Operator's recall, same card",
        Work.NONE,
        CardRule.SAME,
        recall=True,
        refix=False,
        new_card_allowed=False,
    ),
    Mode(
        "mode-2",
        "Operator's recall, new card",
        Work.NONE,
        CardRule.BY_PARAMETERS,
        recall=True,
        refix=False,
        new_card_allowed=True,
    ),
    Mode("mode-3", "Agent alone, same card", Work.MOVE, CardRule.SAME, recall=False, refix=True),
    Mode("mode-4", "Agent alone, new card", Work.NEW_CARD, CardRule.NEW, recall=False, refix=True),
    Mode(
        "mode-5",
        "Recall on the agent's date",
        Work.RECALL,
        CardRule.BY_PARAMETERS,
        recall=True,
        refix=True,
    ),
)
"""R-026, R-027; a tenant may replace one by a row of the same id, and add others (R-031)."""


@dataclass(frozen=True, slots=True)
class Procedure:
    """A scheduled procedure (R-077): what it does, for which outcome states, how often; `state_id` is what it
    writes on the current card, empty for none (R-062, R-067)."""

    procedure_id: str
    kind: Work
    display_name: str
    description: str
    interval: timedelta
    state_id: str = ""
    outcome_state_ids: tuple[str, ...] = ()
    active: bool = False


PROCEDURES: Final = (
    Procedure(
        "move-refixed",
        Work.MOVE,
        "ESEMPIO Spostamento appuntamento rifissato",
        "Moves an appointment to the date its agent named. Set state_id to the outcome state that the moved "
        "card shall have, outcome_state_ids to the outcomes it works for, the interval, and active.",
        timedelta(minutes=5),
    ),
    Procedure(
        "new-card-refixed",
        Work.NEW_CARD,
        "ESEMPIO Creazione nuovo appuntamento rifissato",
        "Makes a new card at the date the agent named and locks the old one. Set state_id to the outcome "
        "state to write on the old card, outcome_state_ids to the outcomes it works for, the interval, and "
        "active.",
        timedelta(minutes=5),
    ),
    Procedure(
        "recall-refixed",
        Work.RECALL,
        "ESEMPIO Impostazione richiamo per rifissare appuntamento",
        "Makes a recall for the operator, due on the date the agent named. Set outcome_state_ids to the "
        "outcomes it works for, the interval, and active; it writes no state.",
        timedelta(minutes=5),
    ),
)
"""The three built-in ones, which work for nothing until a tenant says so (R-062, R-063, R-067, R-071)."""


@dataclass(frozen=True, slots=True)
class Policy:
    """All that decides how an outcome is re-fixed."""

    states: Mapping[str, OutcomeState]
    procedures: Mapping[str, Procedure]
    modes: Mapping[str, Mode]
    parameters: Parameters = field(default_factory=lambda: Parameters({}))

    def procedures_on(self, state_id: str) -> Sequence[Procedure]:
        """The active procedures that work for an outcome state."""
        return [
            each
            for _, each in sorted(self.procedures.items())
            if each.active and state_id in each.outcome_state_ids
        ]

    def mode_of(self, state: OutcomeState | None) -> Mode | None:
        """The mode of an appointment with this outcome (R-025); None when none applies."""
        if state is None:
            return None
        active = self.procedures_on(state.state_id)
        work = active[0].kind if active else Work.NONE
        allowed = bool(self.parameters[ALLOW_NEW_CARD])
        fitting = [
            each for each in self.modes.values() if each.applies(state, work, new_card_allowed=allowed)
        ]
        return min(fitting, key=lambda mode: (-mode.priority, mode.mode_id), default=None)


@dataclass(frozen=True, slots=True, order=True)
class Contradiction:
    """What does not go together: `subject` is the id of the state, procedure or parameter at fault.

    `refused` tells whether saving it is refused; the others are told, since a policy is made step by step.
    """

    code: str
    subject: str
    message: str
    rule: str
    refused: bool = True


def lint(policy: Policy) -> Sequence[Contradiction]:
    """Every contradiction, in order (R-032)."""
    found = [*_of_parameters(policy), *_of_procedures(policy), *_of_states(policy), *_of_modes(policy)]
    return sorted(set(found))


def _of_parameters(policy: Policy) -> Sequence[Contradiction]:
    found: list[Contradiction] = []
    counts = policy.parameters
    for each in (NEW_CARD_ALWAYS, NEW_CARD_FLAG):
        if counts[each] and not counts[ALLOW_NEW_CARD]:
            message = f"{each.name} needs {ALLOW_NEW_CARD.name}"
            found.append(Contradiction("NEW_CARD_NOT_ALLOWED", each.name, message, "R-047"))
    if counts[NEW_CARD_ALWAYS] and counts[NEW_CARD_FLAG]:
        message = f"{NEW_CARD_FLAG.name} counts only where {NEW_CARD_ALWAYS.name} is off"
        found.append(Contradiction("FLAG_WITHOUT_CHOICE", NEW_CARD_FLAG.name, message, "R-058"))
    state_id = counts[SAME_CARD_STATE]
    if state_id not in {FREE, *policy.states}:
        message = f"{SAME_CARD_STATE.name} names {state_id!r}, which is no outcome state"
        found.append(Contradiction("UNKNOWN_STATE", SAME_CARD_STATE.name, message, "R-051"))
    presets = [(each.name, str(counts[each])) for each in (SAME_CARD_STATE, NEW_CARD_STATE, DEFAULT_STATE)]
    return [*found, *_held(policy, presets)]


def _of_procedures(policy: Policy) -> Sequence[Contradiction]:
    found: list[Contradiction] = []
    for procedure in policy.procedures.values():
        named = {*procedure.outcome_state_ids, *([procedure.state_id] if procedure.state_id else ())}
        for state_id in sorted(named - policy.states.keys()):
            message = f"{procedure.procedure_id} names {state_id!r}, which is no outcome state"
            found.append(Contradiction("UNKNOWN_STATE", procedure.procedure_id, message, "R-062"))
        if procedure.kind is Work.RECALL and procedure.state_id:
            message = f"{procedure.procedure_id} makes recalls and writes no state"
            found.append(Contradiction("STATE_NOT_WRITTEN", procedure.procedure_id, message, "R-071"))
    written = [(each.procedure_id, each.state_id) for each in policy.procedures.values()]
    return [*found, *_held(policy, written)]


def _held(policy: Policy, written: Sequence[tuple[str, str]]) -> Sequence[Contradiction]:
    """Of (who writes it, state) those that say that a visit which is fixed again was held."""
    return [
        Contradiction(
            "HELD_PRESET", subject, f"{subject} writes {state_id!r}: held is the agent's word", "R-018"
        )
        for subject, state_id in written
        if state_id in policy.states and policy.states[state_id].result is Result.HELD
    ]


def _of_states(policy: Policy) -> Sequence[Contradiction]:
    found: list[Contradiction] = []
    for state in policy.states.values():
        active = policy.procedures_on(state.state_id)
        found.extend(filter(None, (_against(state, each) for each in active)))
        if len(active) > 1:
            message = f"{active[0].procedure_id} and {active[1].procedure_id} are both active on it"
            found.append(Contradiction("PROCEDURES_COMPETE", state.state_id, message, "R-045"))
        if state.refixes and policy.mode_of(state) is None:
            found.append(
                Contradiction("NO_MODE", state.state_id, "no mode applies to it", "R-025", refused=False)
            )
    return found


def _against(state: OutcomeState, procedure: Procedure) -> Contradiction | None:
    name, has_recall = procedure.procedure_id, state.recall is not Recall.NONE
    if not state.refix:
        message = f"{name} is active on it, but its agent names no date"
        return Contradiction("PROCEDURE_WITHOUT_DATE", state.state_id, message, "R-045")
    if procedure.kind is Work.RECALL and not has_recall:
        message = f"{name} makes recalls, but it has no recall"
        return Contradiction("PROCEDURE_NEEDS_RECALL", state.state_id, message, "R-074")
    if procedure.kind is not Work.RECALL and has_recall:
        message = f"{name} needs no operator, but it makes a recall"
        return Contradiction("PROCEDURE_FORBIDS_RECALL", state.state_id, message, "R-064")
    return None


_CARDS: Final = {Work.MOVE: CardRule.SAME, Work.NEW_CARD: CardRule.NEW}
"""The card that a procedure writes whatever a mode says (R-062, R-067)."""


def _of_modes(policy: Policy) -> Sequence[Contradiction]:
    found: list[Contradiction] = []
    firsts: dict[tuple[object, ...], Mode] = {}
    for _, mode in sorted(policy.modes.items()):
        card = _CARDS.get(mode.procedure, mode.card)
        if mode.card is not card:
            message = f"its procedure is {mode.procedure}, which writes the {card.lower()} card"
            found.append(Contradiction("MODE_CARD_MISMATCH", mode.mode_id, message, "R-032"))
        if _never_applies(mode):
            message = f"no outcome state can have an active {mode.procedure} on these conditions"
            found.append(Contradiction("MODE_NEVER_APPLIES", mode.mode_id, message, "R-032"))
        first = firsts.setdefault(_conditions(mode), mode)
        if first is not mode and first.card is not mode.card:
            message = f"{first.mode_id} has the same conditions and priority, and comes first"
            found.append(Contradiction("MODES_TIE", mode.mode_id, message, "R-032", refused=False))
    return found


def _never_applies(mode: Mode) -> bool:
    """Whether its conditions are those under which a procedure may not be active (`_against`)."""
    if mode.procedure is Work.NONE:
        return False
    needs_recall = mode.procedure is Work.RECALL
    return mode.refix is False or mode.recall not in {None, needs_recall}


def _conditions(mode: Mode) -> tuple[object, ...]:
    states = frozenset(mode.state_ids)
    return mode.procedure, mode.recall, mode.refix, mode.new_card_allowed, states, mode.priority
