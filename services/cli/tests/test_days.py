"""Repairing a day from the command line."""

from typing import Any

import pytest
from cli_samples import AGENTS, APPOINTMENT, CAMPAIGN, CONTACT
from running_giro import Giro
from stub_gateway import StubGateway

GIADA, MARCO = (each["agentId"] for each in AGENTS)
PROPOSE = f"/v1/agents/{GIADA}:proposeRepair"
MOVED: dict[str, Any] = {
    "appointment": APPOINTMENT,
    "contact": CONTACT,
    "agentId": MARCO,
    "start": "2026-12-01T10:00:00Z",
    "end": "2026-12-01T10:45:00Z",
    "callNeeded": True,
}
UNPLACED: dict[str, Any] = {
    "appointment": {**APPOINTMENT, "appointmentId": "apt_" + "9" * 32},
    "contact": {**CONTACT, "displayName": "Ugo Bruno"},
    "refusals": [{"agentId": GIADA, "reason": "ERROR_REASON_TRAVEL_OUT", "shortSeconds": "900"}],
}
FOUND: dict[str, Any] = {
    "visits": [MOVED],
    "unplaced": [],
    "holdsInTheWay": 1,
    "travelBefore": "5400s",
    "travelAfter": "4800s",
    "provedBest": True,
}


@pytest.fixture
def desk(gateway: StubGateway) -> StubGateway:
    """A gateway with a day that can be repaired."""
    gateway.on("GET", "/v1/campaigns", {"campaigns": [CAMPAIGN], "nextPageToken": ""})
    gateway.on("GET", "/v1/agents", {"agents": AGENTS, "nextPageToken": ""})
    gateway.on("GET", f"/v1/agents/{GIADA}", AGENTS[0])
    gateway.on("POST", PROPOSE, FOUND)
    gateway.on("POST", "/v1/repairs", {"appointments": [APPOINTMENT]})
    return gateway


def test_a_late_agents_day_is_shown_before_and_after_and_not_changed(desk: StubGateway, giro: Giro) -> None:
    ran = giro("day", "repair", "Giada", "--delay", "40m", "--helper", "Marco", "--tolerance", "10m")

    body = desk.body_of(PROPOSE)
    assert body == {"delay": "2400s", "helperAgentIds": [MARCO], "tolerance": "600s"}
    for told in (CONTACT["displayName"], "Giada Cravero", "11:00-11:45 Marco Riva", "call first"):
        assert told in ran.stdout
    everything = ran.stdout + ran.stderr
    assert "1 h 30 before, 1 h 20 after, no better plan exists" in everything
    assert "--apply" in everything
    assert "/v1/repairs" not in {path for _, path, _, _ in desk.asked}


def test_all_of_it_is_applied_in_one_call(desk: StubGateway, giro: Giro) -> None:
    away = "2026-12-01T08:00..2026-12-01T18:00"
    ran = giro("day", "repair", "Giada", "--away", away, "--apply")

    asked = desk.body_of(PROPOSE)["unavailable"]
    assert asked == {"start": "2026-12-01T07:00:00Z", "end": "2026-12-01T17:00:00Z"}
    body = desk.body_of("/v1/repairs")
    assert body["moves"] == [
        {
            "appointmentId": APPOINTMENT["appointmentId"],
            "version": APPOINTMENT["version"],
            "agentId": MARCO,
            "start": MOVED["start"],
        }
    ]
    assert body["cancellations"] == []
    assert "1 appointments changed together" in ran.stdout + ran.stderr


def test_what_nobody_can_reach_is_cancelled_only_when_told(desk: StubGateway, giro: Giro) -> None:
    desk.on("POST", PROPOSE, {**FOUND, "unplaced": [UNPLACED]})
    ran = giro("day", "repair", "Giada", "--delay", "3h", "--apply")

    assert ran.exit_code == 2
    assert "Ugo Bruno" in ran.stdout
    assert "15 min short" in ran.stdout + ran.stderr
    assert "/v1/repairs" not in {path for _, path, _, _ in desk.asked}
    giro("day", "repair", "Giada", "--delay", "3h", "--apply", "--cancel-unplaced")
    gone = desk.body_of("/v1/repairs")["cancellations"]
    assert [each["appointmentId"] for each in gone] == [UNPLACED["appointment"]["appointmentId"]]


@pytest.mark.parametrize(
    "words", [(), ("--delay", "40m", "--away", "a..b"), ("--away", "2026-12-01T08:00"), ("--delay", "soon")]
)
def test_what_happened_has_to_be_said_once(desk: StubGateway, giro: Giro, words: tuple[str, ...]) -> None:
    assert giro("day", "repair", "Giada", *words).exit_code == 2


PLAN: dict[str, Any] = {
    "visits": [
        {
            "appointment": APPOINTMENT,
            "contact": CONTACT,
            "agentId": GIADA,
            "start": "2026-12-01T10:00:00Z",
            "end": "2026-12-01T10:45:00Z",
        }
    ],
    "travelBefore": "5400s",
    "travelAfter": "4800s",
    "provedBest": False,
    "flexible": 3,
}


def test_a_plan_is_shown_before_and_after_and_applied_when_told(desk: StubGateway, giro: Giro) -> None:
    desk.on("POST", "/v1/plans:propose", PLAN)
    desk.on("POST", "/v1/plans", {"appointments": [APPOINTMENT]})
    ran = giro("day", "optimize", "Giada", "--from", "2026-12-01", "--seed", "5")
    body = {"agentIds": [GIADA], "firstDay": "2026-12-01", "days": 1, "seed": 5, "keepOrder": False}
    assert desk.body_of("/v1/plans:propose") == body
    for told in (CONTACT["displayName"], "Tue 01 Dec 11:00-11:45"):
        assert told in ran.stdout
    assert "1 h 30 before, 1 h 20 after" in ran.stdout + ran.stderr
    assert "/v1/plans" not in {path for _, path, _, _ in desk.asked}

    giro("day", "optimize", "Giada", "--from", "2026-12-01", "--apply")
    (move,) = desk.body_of("/v1/plans")["moves"]
    assert move == {
        "appointmentId": APPOINTMENT["appointmentId"],
        "version": APPOINTMENT["version"],
        "start": "2026-12-01T10:00:00Z",
    }
