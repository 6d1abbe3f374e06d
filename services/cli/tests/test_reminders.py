"""Reminders on the command line: the plan, the path through the rules, the counts."""

import json

import pytest
from running_giro import Giro
from stub_gateway import StubGateway

REMINDER = {
    "reminderId": "rem_1",
    "offset": "86400s",
    "start": "2026-12-02T09:00:00Z",
    "dueAt": "2026-12-01T09:00:00Z",
    "nextAt": "2026-12-01T09:00:00Z",
    "timeZone": "Europe/Rome",
    "state": "REMINDER_STATE_DONE",
    "outcome": "COMING",
    "reason": "",
    "attempts": [
        {
            "attemptId": "cal_1",
            "number": 1,
            "channel": "VOICE",
            "state": "ENDED",
            "ending": "ANSWERED",
            "digit": "1",
            "caller": "+390000000001",
        }
    ],
}


@pytest.fixture
def desk(gateway: StubGateway) -> StubGateway:
    plan = {"reminders": [REMINDER], "colour": "COLOUR_GREEN"}
    decision = {"at": "2026-11-30T08:00:00Z", "what": "planned", "path": ["outside of quiet hours (R-115)"]}
    counts = {"reminders": [{"what": "DONE/COMING", "count": 3}], "attempts": [], "charged": 3}
    gateway.on("GET", "/v1/appointments/apt_1/reminders", plan)
    gateway.on("GET", "/v1/reminders/rem_1:explain", {"reminder": REMINDER, "decisions": [decision]})
    gateway.on("GET", "/v1/reminders:report", counts)
    return gateway


def test_the_plan_in_local_time_with_its_colour(desk: StubGateway, giro: Giro) -> None:
    ran = giro("reminders", "list", "apt_1")
    assert ran.exit_code == 0, ran.stderr
    for seen in ("24 h 00", "Tue 01 Dec 10:00", "done", "coming", "rem_1", "in the calendar: green"):
        assert seen in ran.stdout


def test_the_path_names_the_rules(desk: StubGateway, giro: Giro) -> None:
    ran = giro("reminders", "explain", "rem_1")
    assert "R-115" in ran.stdout
    assert "voice 1: answered, key 1 from +390000000001" in ran.stdout


def test_the_report_counts(desk: StubGateway, giro: Giro) -> None:
    ran = giro("reminders", "report", "2026-12-01", "2026-12-07")
    assert "DONE/COMING" in ran.stdout
    assert desk.query_of("/v1/reminders:report")["firstDay"] == ["2026-12-01"]
    assert (
        json.loads(giro("reminders", "report", "2026-12-01", "2026-12-07", "-o", "json").stdout)["charged"]
        == 3
    )
