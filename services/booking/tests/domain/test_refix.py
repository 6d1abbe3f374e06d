"""The truth table of CC0036 to CC0037A (BK-23), modes as rows (R-031), and the lint (BK-27)."""

from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from booking.domain import refix
from booking.domain.outcomes import OutcomeState, Recall, Result
from booking.domain.parameters import Parameters, definition, stored
from booking.domain.refix import Selector, decide, form, new_owner
from booking.domain.refix_modes import (
    BUILT_IN,
    PROCEDURES,
    CardRule,
    Mode,
    Policy,
    Procedure,
    Work,
    lint,
)
from booking.domain.refix_parameters import CODES, spoken
from kit.errors import GiroError, NotFound, Reason
from kit.parameters import Scope

KO1 = OutcomeState("ko1", "KO", Result.KO, "W", Recall.PUBLIC)
KO3 = OutcomeState("ko3", "KO, date", Result.KO, refix=True)
KO5 = OutcomeState("ko5", "KO, call", Result.KO, "W", Recall.PRIVATE, refix=True)
DONE = OutcomeState("done", "Done", Result.HELD)
AGAIN = OutcomeState("again", "Fixed again", Result.OPEN)
STATES = {state.state_id: state for state in (KO1, KO3, KO5, DONE, AGAIN)}
MODES = {mode.mode_id: mode for mode in BUILT_IN}
EVERY_MINUTE = timedelta(minutes=1)


def values(scope: Scope = Scope.TENANT, **by_code: str) -> Parameters:
    found: dict[str, dict[Scope, str]] = {}
    for code, text in by_code.items():
        parameter = definition(code)
        found[parameter.name] = {scope: stored(parameter, text)}
    return Parameters(found)


def procedure(kind: Work, *state_ids: str, **traits: Any) -> Procedure:
    given = {"state_id": "again" if kind is not Work.RECALL else "", "active": True, **traits}
    return Procedure(f"p-{kind.lower()}", kind, "p", "", EVERY_MINUTE, outcome_state_ids=state_ids, **given)


def policy(*procedures: Procedure, parameters: Parameters | None = None, **modes: Mode) -> Policy:
    by_id = {each.procedure_id: each for each in (*PROCEDURES, *procedures)}
    return Policy(STATES, by_id, {**MODES, **modes}, parameters or values())


FREE_SAME = Selector("", enabled=True, required=True)
FREE_NEW = Selector("", enabled=True)

# CC0036, B, D, CC0037, CC0037A -> new card, flag (None: hidden), the same card's selector
TABLE = [
    ("NO", "0", "0", "NO", "NO", False, None, FREE_SAME),
    ("NO", "again", "0", "NO", "NO", False, None, Selector("again", enabled=False)),
    ("NO", "again", "again", "NO", "NO", False, None, Selector("again", enabled=False)),
    ("NO", "0", "nobodys", "NO", "NO", False, None, FREE_SAME),
    ("SI", "0", "0", "SI", "NO", True, None, FREE_SAME),
    ("SI", "0", "again", "SI", "NO", True, None, FREE_SAME),
    ("SI", "again", "nobodys", "SI", "NO", True, None, Selector("again", enabled=False)),
    ("SI", "0", "0", "NO", "NO", False, False, FREE_SAME),
    ("SI", "0", "0", "NO", "SI", True, True, FREE_SAME),
    ("SI", "again", "again", "NO", "NO", False, False, Selector("again", enabled=False)),
    ("SI", "again", "again", "NO", "SI", True, True, Selector("again", enabled=False)),
    ("SI", "0", "nobodys", "NO", "SI", True, True, FREE_SAME),
]


@pytest.mark.parametrize("row", TABLE, ids=["-".join(row[:5]) for row in TABLE])
@pytest.mark.parametrize("default", ["", "ko1", "nobodys"])
@pytest.mark.parametrize("mode", [None, "mode-5"])
def test_the_truth_table(row: tuple[Any, ...], default: str, mode: str | None) -> None:
    allow, same_id, new_id, always, flag, new_card, shown, same = row
    counts = values(CC0036=allow, CC0036B=same_id, CC0036D=new_id, CC0037=always, CC0037A=flag)
    counts.values["default_appointment_state"] = {Scope.USER: f'"{default}"'}  # type: ignore[index]
    offered = form(MODES[mode] if mode else None, counts, STATES)
    assert (offered.new_card, offered.flag, offered.same) == (new_card, shown, same)
    if new_id == "again":  # an id that exists is shown and cannot be changed
        assert offered.new == Selector("again", enabled=False)
    else:  # an unknown id and 0 alike propose the user's default, if that is a state
        assert offered.new == Selector("ko1" if default == "ko1" else "", enabled=True)


@pytest.mark.parametrize("mode", ["mode-3", "mode-4"])
def test_parameters_have_no_effect_on_modes_3_and_4(mode: str) -> None:
    forms = set()
    for allow, same_id, new_id, always, flag in product(
        ("NO", "SI"), ("0", "again"), ("0", "again", "x"), ("NO", "SI"), ("NO", "SI")
    ):
        counts = values(CC0036=allow, CC0036B=same_id, CC0036D=new_id, CC0037=always, CC0037A=flag)
        forms.add(form(MODES[mode], counts, STATES))
    (only,) = forms
    assert (only.new_card, only.flag) == (mode == "mode-4", None)


@pytest.mark.parametrize("allow", ["NO", "SI"])
def test_mode_1_is_always_the_same_card_and_mode_2_needs_cc0036(allow: str) -> None:
    counts = values(CC0036=allow, CC0037=allow)
    found = policy(parameters=counts).mode_of(KO1)
    assert found is not None
    assert found.mode_id == ("mode-2" if allow == "SI" else "mode-1")
    assert form(found, counts, STATES).new_card is (allow == "SI")


def test_the_mode_follows_the_outcome_and_the_active_procedure() -> None:
    every = policy(procedure(Work.MOVE, "ko3"), procedure(Work.RECALL, "ko5"))
    assert [mode and mode.mode_id for mode in map(every.mode_of, (KO1, KO3, KO5, DONE, None))] == [
        "mode-1",
        "mode-3",
        "mode-5",
        None,
        None,
    ]
    fourth = policy(procedure(Work.NEW_CARD, "ko3")).mode_of(KO3)
    assert fourth is not None
    assert fourth.mode_id == "mode-4"
    assert policy(procedure(Work.MOVE, "ko3", active=False)).mode_of(KO3) is None


def test_a_sixth_mode_is_a_row() -> None:
    sixth = Mode(
        "always-new",
        "New card, called tomorrow",
        Work.NONE,
        CardRule.NEW,
        recall=True,
        refix=False,
        state_ids=("ko1",),
        recall_delay=timedelta(days=1),
        priority=10,
    )
    with_it = policy(**{"always-new": sixth})
    assert with_it.mode_of(KO1) is sixth
    assert form(sixth, values(), STATES).new_card is True
    other = OutcomeState("other", "o", Result.KO, "W", Recall.PUBLIC)
    assert with_it.mode_of(other) is MODES["mode-1"]


@pytest.mark.parametrize(
    ("offered_new", "flag", "chosen", "reason"),
    [
        (False, None, True, Reason.PRESET),
        (True, None, False, Reason.PRESET),
        (True, None, True, None),
        (False, False, True, None),
        (True, True, False, None),
    ],
)
def test_the_card_is_chosen_only_where_the_flag_is_shown(
    offered_new: bool, flag: bool | None, chosen: bool, reason: Reason | None
) -> None:
    offered = refix.Form(
        "", offered_new, flag, Selector("again", enabled=False), Selector("ko1", enabled=True)
    )
    if reason is None:
        decision = decide(offered, chosen, "", STATES)
        assert (decision.new_card, decision.state_id) == (chosen, "ko1" if chosen else "again")
        return
    with pytest.raises(GiroError) as refused:
        decide(offered, chosen, "", STATES)
    assert (refused.value.reason, refused.value.violations[0].field) == (reason, "card")
    expected = "CARD_CHOICE_NEW" if offered_new else "CARD_CHOICE_SAME"
    assert refused.value.metadata == {"expected": expected}


def test_states_that_may_be_chosen() -> None:
    offered = refix.Form("", False, None, Selector("again", enabled=False), FREE_NEW)
    assert decide(offered, None, "again", STATES).state_id == "again"
    with pytest.raises(GiroError) as refused:
        decide(offered, None, "ko1", STATES)
    assert (refused.value.reason, refused.value.metadata) == (Reason.PRESET, {"expected": "again"})
    free = refix.Form("", False, None, FREE_SAME, FREE_NEW)
    with pytest.raises(GiroError) as refused:
        decide(free, None, "", STATES)
    assert refused.value.violations[0].field == "state_id"
    with pytest.raises(NotFound):
        decide(free, None, "nobodys", STATES)


@pytest.mark.parametrize("always", ["NO", "SI"])
def test_no_card_that_is_fixed_again_begins_as_held(always: str) -> None:
    counts = values(
        CC0036=always, CC0037=always, CC0036B="done", CC0036D="done", default_appointment_state="done"
    )
    offered = form(None, counts, STATES)
    assert (offered.same, offered.new) == (FREE_SAME, FREE_NEW)
    with pytest.raises(GiroError) as refused:
        decide(offered, None, "done", STATES)
    assert (refused.value.reason, refused.value.violations[0].field) == (Reason.INVALID_FIELD, "state_id")
    assert decide(offered, None, "again", STATES).state_id == "again"


def test_ownership_moves_only_with_cc0036a() -> None:
    assert new_owner(True, "first", "second") == "second"
    assert new_owner(False, "first", "second") == "first"


@pytest.mark.parametrize(
    ("spelt", "code"),
    [
        ("CC036B", "CC0036B"),
        ("CC0036B", "CC0036B"),
        ("cc036c", "CC0036C"),
        ("CC036DB", "CC0036D"),
        ("CC0036D", "CC0036D"),
        ("CC0036", "CC0036"),
        ("CC036", "CC0036"),
        ("CC0037A", "CC0037A"),
        ("CC037", "CC0037"),
    ],
)
def test_both_spellings_lead_to_the_spoken_name(spelt: str, code: str) -> None:
    assert spoken(spelt) == CODES[code].name
    assert definition(spelt) is CODES[code]


@pytest.mark.parametrize("spelt", ["CC0037B", "CC0038", "CC0036E", "CC", "CC00036"])
def test_what_is_no_code_is_not_found(spelt: str) -> None:
    with pytest.raises(NotFound):
        definition(spelt)


@pytest.mark.parametrize(("text", "value"), [("SI", True), ("NO", False), ("true", True), ("false", False)])
def test_switches_are_written_either_way(text: str, value: bool) -> None:
    assert values(CC0036=text)[CODES["CC0036"]] is value
    assert Parameters({}).show(CODES["CC0036"]).code == "CC0036"


def test_the_nearest_scope_wins_down_to_the_user() -> None:
    name = CODES["CC0036"].name
    all_four = Parameters({name: {Scope.TENANT: "false", Scope.CAMPAIGN: "false", Scope.USER: "true"}})
    shown = all_four.show(CODES["CC0036"])
    assert (shown.value, shown.source) == ("true", Scope.USER)


@pytest.mark.parametrize(
    ("found", "code", "subject"),
    [
        (policy(procedure(Work.MOVE, "ko1")), "PROCEDURE_WITHOUT_DATE", "ko1"),
        (policy(procedure(Work.RECALL, "ko3")), "PROCEDURE_NEEDS_RECALL", "ko3"),
        (policy(procedure(Work.MOVE, "ko5")), "PROCEDURE_FORBIDS_RECALL", "ko5"),
        (policy(procedure(Work.NEW_CARD, "ko5")), "PROCEDURE_FORBIDS_RECALL", "ko5"),
        (policy(procedure(Work.MOVE, "ko3"), procedure(Work.NEW_CARD, "ko3")), "PROCEDURES_COMPETE", "ko3"),
        (policy(procedure(Work.MOVE, "ko3", "x")), "UNKNOWN_STATE", "p-move"),
        (policy(procedure(Work.MOVE, "ko3", state_id="x")), "UNKNOWN_STATE", "p-move"),
        (policy(procedure(Work.RECALL, "ko5", state_id="again")), "STATE_NOT_WRITTEN", "p-recall"),
        (policy(parameters=values(CC0036B="x")), "UNKNOWN_STATE", "refix_same_card_state"),
        (policy(parameters=values(CC0037="SI")), "NEW_CARD_NOT_ALLOWED", "refix_always_new_card"),
        (policy(parameters=values(CC0037A="SI")), "NEW_CARD_NOT_ALLOWED", "refix_new_card_flag"),
        (policy(procedure(Work.MOVE, "ko3", state_id="done")), "HELD_PRESET", "p-move"),
        (policy(procedure(Work.NEW_CARD, "ko3", state_id="done")), "HELD_PRESET", "p-new_card"),
        (policy(parameters=values(CC0036B="done")), "HELD_PRESET", "refix_same_card_state"),
        (policy(parameters=values(CC0036D="done")), "HELD_PRESET", "refix_new_card_state"),
        (
            policy(parameters=values(default_appointment_state="done")),
            "HELD_PRESET",
            "default_appointment_state",
        ),
        (
            policy(parameters=values(CC0036="SI", CC0037="SI", CC0037A="SI")),
            "FLAG_WITHOUT_CHOICE",
            "refix_new_card_flag",
        ),
    ],
)
def test_each_contradiction_is_listed(found: Policy, code: str, subject: str) -> None:
    refused = [(each.code, each.subject) for each in lint(found) if each.refused]
    assert refused == [(code, subject)]
    assert all(each.rule.startswith("R-") and each.message for each in lint(found))


NEW = Mode("sixth", "Sixth", Work.NONE, CardRule.NEW)


@pytest.mark.parametrize(
    ("mode", "codes"),
    [
        (replace(NEW, procedure=Work.MOVE), ["MODE_CARD_MISMATCH"]),
        (replace(NEW, procedure=Work.MOVE, card=CardRule.BY_PARAMETERS), ["MODE_CARD_MISMATCH"]),
        (replace(NEW, procedure=Work.NEW_CARD, card=CardRule.SAME), ["MODE_CARD_MISMATCH"]),
        (replace(NEW, procedure=Work.NEW_CARD, refix=False), ["MODE_NEVER_APPLIES"]),
        (replace(NEW, procedure=Work.NEW_CARD, recall=True), ["MODE_NEVER_APPLIES"]),
        (replace(NEW, procedure=Work.RECALL, recall=False), ["MODE_NEVER_APPLIES"]),
        (replace(NEW, procedure=Work.RECALL, refix=False), ["MODE_NEVER_APPLIES"]),
        (replace(NEW, procedure=Work.RECALL, refix=True, recall=True, priority=1), []),
        (replace(NEW, recall=True, refix=False, new_card_allowed=False), ["MODES_TIE"]),
        (replace(NEW, recall=True, refix=False, new_card_allowed=False, priority=1), []),
        (replace(NEW, recall=True, refix=False, new_card_allowed=False, card=CardRule.SAME), []),
    ],
)
def test_a_mode_that_contradicts_itself_or_another_is_listed(mode: Mode, codes: list[str]) -> None:
    base = policy(procedure(Work.MOVE, "ko3"), procedure(Work.RECALL, "ko5"))
    found = lint(replace(base, modes={**base.modes, "sixth": mode}))
    assert [each.code for each in found] == codes
    assert [each.code for each in found if not each.refused] == [c for c in codes if c == "MODES_TIE"]


def test_a_good_policy_has_none_and_what_leads_nowhere_is_told() -> None:
    good = policy(procedure(Work.MOVE, "ko3"), procedure(Work.RECALL, "ko5"))
    assert lint(good) == []
    assert [(each.code, each.subject, each.refused) for each in lint(policy())] == [
        ("NO_MODE", "ko3", False),
        ("NO_MODE", "ko5", False),
    ]
    unknown_new_card_state = policy(
        procedure(Work.MOVE, "ko3"), procedure(Work.RECALL, "ko5"), parameters=values(CC0036D="x")
    )
    assert lint(unknown_new_card_state) == []  # its default is proposed


def test_no_parameter_has_an_effect_on_modes_3_and_4() -> None:
    codes = ("CC0036", "CC0036A", "CC0036C", "CC0037", "CC0037A")
    for work, card in ((Work.MOVE, CardRule.SAME), (Work.NEW_CARD, CardRule.NEW)):
        found = [
            form(
                Mode("m", "M", work, card),
                values(CC0036B=same, CC0036D=new, **dict(zip(codes, switches, strict=True))),
                STATES,
            )
            for switches in product(("SI", "NO"), repeat=5)
            for same, new in product(("0", "again"), repeat=2)
        ]
        (only,) = {str(each): each for each in found}.values()
        assert (only.new_card, only.linked, only.moves_owner) == (card is CardRule.NEW, True, False)
