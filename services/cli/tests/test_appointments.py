"""Booking and changing appointments."""

import json

import pytest
from cli_samples import AGENTS, APPOINTMENT, CAMPAIGN, CONTACT, EXPLANATION, HOLD, SUGGESTION, error_info
from running_giro import Giro
from stub_gateway import StubGateway

ONE = f"/v1/appointments/{APPOINTMENT['appointmentId']}"


@pytest.fixture
def desk(gateway: StubGateway) -> StubGateway:
    """A gateway with one appointment."""
    campaign = f"/v1/campaigns/{CAMPAIGN['campaignId']}"
    gateway.on("GET", "/v1/campaigns", {"campaigns": [CAMPAIGN], "nextPageToken": ""})
    gateway.on("GET", campaign, CAMPAIGN)
    gateway.on("GET", "/v1/agents", {"agents": AGENTS, "nextPageToken": ""})
    gateway.on("GET", f"{campaign}/contacts", {"contacts": [CONTACT], "nextPageToken": ""})
    gateway.on("POST", f"{campaign}/slots:suggest", SUGGESTION)
    gateway.on("POST", "/v1/slots:hold", HOLD)
    gateway.on("POST", "/v1/appointments", APPOINTMENT)
    gateway.on("GET", ONE, APPOINTMENT)
    gateway.on("DELETE", f"/v1/holds/{HOLD['holdId']}", {})
    for verb in ("confirm", "postpone", "reassign", "cancel"):
        gateway.on("POST", f"{ONE}:{verb}", APPOINTMENT)
    return gateway


def test_suggest_hold_book_without_typing_an_id(desk: StubGateway, giro: Giro) -> None:
    """The hold and the person suggested for are remembered; after the booking the hold is not."""
    giro("slots", "suggest", "solar", "--contact", "Giulia")
    giro("slots", "hold", "1")
    ran = giro("appointments", "book", "--note", "second floor")

    body = desk.body_of("/v1/appointments")
    assert body["holdId"] == HOLD["holdId"]
    assert body["contactId"] == CONTACT["contactId"]
    assert body["note"] == "second floor"
    assert "to confirm" in ran.stdout
    assert giro("appointments", "book").exit_code == 2


def test_an_explanation_is_a_row_a_change(desk: StubGateway, giro: Giro) -> None:
    desk.on("GET", f"{ONE}:explain", EXPLANATION)
    ran = giro("appointments", "explain", APPOINTMENT["appointmentId"])

    assert ran.exit_code == 0, ran.stderr
    for said in ("booked", "Tue 01 Dec", "09:30-10:15", "Giada Cravero", "operator", "2 of 9"):
        assert said in ran.stdout
    for said in ("cancelled", "customer", "reminder", "lead_time", "129600s", "tenant"):
        assert said in ran.stdout
    assert "before this record began" in ran.stderr
    told = giro("appointments", "explain", APPOINTMENT["appointmentId"], "-o", "json")
    assert json.loads(told.stdout) == EXPLANATION


def test_a_suggested_slot_is_booked_by_number(desk: StubGateway, giro: Giro) -> None:
    giro("slots", "suggest", "solar", "--at", "45,7")
    giro("appointments", "book", "2", "--contact", "Zanetti")

    assert desk.body_of("/v1/appointments")["slotToken"] == SUGGESTION["slots"][1]["slotToken"]


def test_a_slot_for_a_place_needs_a_person(desk: StubGateway, giro: Giro) -> None:
    giro("slots", "suggest", "solar", "--at", "45,7")
    ran = giro("appointments", "book", "1")

    assert ran.exit_code == 2
    assert "--contact" in ran.stderr


def test_a_hold_is_given_back(desk: StubGateway, giro: Giro) -> None:
    giro("slots", "hold", "a-token")

    assert giro("holds", "release").exit_code == 0
    assert giro("holds", "release").exit_code == 2


@pytest.mark.parametrize(
    ("words", "start"),
    [
        (["--by", "30m"], "2026-12-01T09:00:00Z"),
        (["--to", "2026-12-02 15:00"], "2026-12-02T14:00:00Z"),
        (["--to", "2026-12-02T15:00:00+02:00"], "2026-12-02T13:00:00Z"),
    ],
)
def test_postponing_reads_local_times_of_the_campaign(
    desk: StubGateway, giro: Giro, words: list[str], start: str
) -> None:
    assert giro("appointments", "postpone", APPOINTMENT["appointmentId"], *words).exit_code == 0
    assert desk.body_of(f"{ONE}:postpone")["start"] == start


def test_postponing_needs_one_of_to_and_by(desk: StubGateway, giro: Giro) -> None:
    ran = giro("appointments", "postpone", APPOINTMENT["appointmentId"])

    assert ran.exit_code == 2
    assert "either --to or --by" in ran.stderr


def test_reassigning_takes_a_name_and_the_version_seen(desk: StubGateway, giro: Giro) -> None:
    giro("appointments", "reassign", APPOINTMENT["appointmentId"], "--agent", "Marco", "--version", "3")

    body = desk.body_of(f"{ONE}:reassign")
    assert body["agentId"] == AGENTS[1]["agentId"]
    assert body["version"] == "3"
    assert "start" not in body


def test_confirm_and_cancel(desk: StubGateway, giro: Giro) -> None:
    assert giro("appointments", "confirm", APPOINTMENT["appointmentId"]).exit_code == 0
    assert giro("appointments", "cancel", APPOINTMENT["appointmentId"], "--note", "abroad").exit_code == 0
    assert desk.body_of(f"{ONE}:cancel")["note"] == "abroad"


def test_a_stale_version_says_what_to_do(desk: StubGateway, giro: Giro) -> None:
    desk.refuse("POST", f"{ONE}:confirm", 409, error_info("STALE_VERSION", current_version="4"))
    ran = giro("appointments", "confirm", APPOINTMENT["appointmentId"], "--version", "3")

    assert ran.exit_code == 1
    assert "current_version 4" in ran.stderr
    assert "look again" in ran.stderr


def test_the_list_follows_pages_up_to_its_limit(desk: StubGateway, giro: Giro) -> None:
    rows = [{**APPOINTMENT, "appointmentId": f"apt_{number:032d}"} for number in range(3)]
    desk.on("GET", "/v1/appointments", {"appointments": rows, "nextPageToken": "more"})
    ran = giro("appointments", "list", "--all", "-n", "5", "-o", "json")

    assert len(json.loads(ran.stdout)) == 5
    assert desk.query_of("/v1/appointments") == {
        "scope": ["APPOINTMENT_SCOPE_ALL"],
        "pageSize": ["2"],
        "pageToken": ["more"],
    }


def test_the_list_is_in_local_time(desk: StubGateway, giro: Giro) -> None:
    desk.on("GET", "/v1/appointments", {"appointments": [APPOINTMENT], "nextPageToken": ""})
    giro("appointments", "list", "--state", "cancelled")
    assert desk.query_of("/v1/appointments")["states"] == ["APPOINTMENT_STATE_CANCELLED"]
    ran = giro("appointments", "list")

    assert "Tue 01 Dec" in ran.stdout
    assert "09:30-10:15" in ran.stdout
    assert "Giada Cravero" in ran.stdout
