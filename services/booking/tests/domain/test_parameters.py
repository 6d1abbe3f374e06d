"""Parameters in text: read, refused by name, shown with their source."""

from datetime import timedelta

import pytest

from booking.domain import parameters
from booking.domain.parameters import DEFINITIONS, Parameters, definition, require_consistent, stored
from kit.errors import InvalidInput, NotFound
from kit.parameters import Scope


@pytest.mark.parametrize("name", sorted(DEFINITIONS))
def test_every_default_is_shown_and_can_be_set_back(name: str) -> None:
    parameter = DEFINITIONS[name]
    shown = Parameters({}).show(parameter)
    assert shown.source is Scope.SYSTEM
    assert parameter.parse(stored(parameter, shown.value)) == parameter.default
    assert parameter.rule in shown.description or parameter.rule == "R-189"


def test_the_nearest_scope_wins() -> None:
    values = {"lead_time": {Scope.TENANT: "7200", Scope.CAMPAIGN: "3600"}}
    assert Parameters(values).lead_time == timedelta(hours=1)
    assert Parameters(values).show(parameters.LEAD_TIME).source is Scope.CAMPAIGN
    assert Parameters({"lead_time": {Scope.TENANT: "7200"}}).show(parameters.LEAD_TIME).value == "7200s"


def test_postponing_has_no_lead_time_unless_the_tenant_wants_it() -> None:
    assert Parameters({}).lead_time_of_postponement is None
    wanted = Parameters({"postpone_respects_lead_time": {Scope.TENANT: "true"}})
    assert wanted.lead_time_of_postponement == timedelta(hours=36)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("lead_time", "129600"),
        ("lead_time", "-1s"),
        ("lead_time", "5184001s"),
        ("lead_time", "1.5s"),
        ("lead_time", "s"),
        ("lead_time", "1e3s"),
        ("lead_time", "9" * 190 + "s"),
        ("lead_time", "[1]s"),
        ("postpone_respects_lead_time", "yes"),
        ("postpone_respects_lead_time", "1"),
        ("slot_token_ttl", "59s"),
        ("hold_ttl", "901s"),
    ],
)
def test_a_bad_value_is_named(name: str, text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        stored(definition(name), text)
    assert [violation.field for violation in refused.value.violations] == ["value"]


@pytest.mark.parametrize(("texts", "value"), [(("SI", "si", "Sì", " Si "), "true"), (("NO", "no"), "false")])
def test_switches_are_written_as_people_write_them(texts: tuple[str, ...], value: str) -> None:
    assert {stored(definition("CC036"), text) for text in texts} == {value}


def test_an_unknown_parameter_is_not_found() -> None:
    with pytest.raises(NotFound) as refused:
        definition("nonsense")
    assert [violation.field for violation in refused.value.violations] == ["name"]


def test_grades_must_not_contradict_each_other() -> None:
    require_consistent(Parameters({"grade_ideal_up_to": {Scope.TENANT: "1800"}}))
    with pytest.raises(InvalidInput):
        require_consistent(Parameters({"grade_ideal_up_to": {Scope.TENANT: "1801"}}))
