"""Suggesting and holding slots."""

import json

import pytest
from cli_samples import (
    AGENTS,
    CAMPAIGN,
    CONTACT,
    HOLD,
    ITINERARY,
    OTHER_CAMPAIGN,
    SUGGESTION,
    bad_request,
    error_info,
)
from running_giro import Giro
from stub_gateway import StubGateway

SUGGEST = f"/v1/campaigns/{CAMPAIGN['campaignId']}/slots:suggest"


@pytest.fixture
def desk(gateway: StubGateway) -> StubGateway:
    """A gateway with one suggestion to give."""
    gateway.on("GET", "/v1/campaigns", {"campaigns": [CAMPAIGN, OTHER_CAMPAIGN], "nextPageToken": ""})
    gateway.on("GET", f"/v1/campaigns/{CAMPAIGN['campaignId']}", CAMPAIGN)
    gateway.on("GET", "/v1/agents", {"agents": AGENTS, "nextPageToken": ""})
    contacts = f"/v1/campaigns/{CAMPAIGN['campaignId']}/contacts"
    gateway.on("GET", contacts, {"contacts": [CONTACT], "nextPageToken": ""})
    gateway.on("POST", SUGGEST, SUGGESTION)
    gateway.on("POST", "/v1/slots:hold", HOLD)
    return gateway


def test_a_suggestion_is_a_table_in_local_time_with_flagged_travel(desk: StubGateway, giro: Giro) -> None:
    """Rank, agent, day, time, both drives with their source, added travel, slack, grade."""
    ran = giro("slots", "suggest", "solar", "--at", "45.0703,7.6869", "--duration", "1h30m")

    assert ran.exit_code == 0
    first = next(line for line in ran.stdout.splitlines() if "Giada Cravero" in line)
    shown = " ".join(first.split())
    drives = "~12 min 3.4 km 15 min 5.0 km*"
    assert shown == f"1 Giada Cravero Tue 01 Dec 09:30-10:15 {drives} 8 min 0 min 30 min ideal"
    assert "straight-line estimate" in ran.stderr
    assert desk.body_of(SUGGEST) == {
        "point": {"latitude": 45.0703, "longitude": 7.6869},
        "duration": "5400s",
        "agentIds": [],
        "limit": 10,
        "explain": False,
    }


def test_explain_counts_the_reasons_and_shows_what_is_missing(desk: StubGateway, giro: Giro) -> None:
    ran = giro(
        "slots", "suggest", "solar", "--contact", "giulia", "--explain", "--days", "2026-12-01..2026-12-05"
    )

    assert "1 TRAVEL_IN, 1 LEAD_TIME" in ran.stdout
    missed = next(line for line in ran.stdout.splitlines() if "TRAVEL_IN" in line and "Marco" in line)
    assert "11 min" in missed
    body = desk.body_of(SUGGEST)
    assert (body["firstDay"], body["lastDay"]) == ("2026-12-01", "2026-12-05")
    assert body["contactId"] == CONTACT["contactId"]


def test_agents_are_chosen_by_name(desk: StubGateway, giro: Giro) -> None:
    giro("slots", "suggest", "solar", "--at", "45,7", "--agent", "marco", "-a", AGENTS[0]["agentId"])

    assert desk.body_of(SUGGEST)["agentIds"] == [AGENTS[1]["agentId"], AGENTS[0]["agentId"]]


def test_json_is_the_answer_as_it_came(desk: StubGateway, giro: Giro) -> None:
    ran = giro("slots", "suggest", "solar", "--at", "45,7", "--output", "json")

    assert json.loads(ran.stdout) == SUGGESTION


def test_wishes_and_the_next_page(desk: StubGateway, giro: Giro) -> None:
    desk.on("POST", SUGGEST, {**SUGGESTION, "slots": [], "nextPageToken": "page-2"})
    asked = ["slots", "suggest", "solar", "--at", "45,7", "--near", "10:30", "--starts", "earliest,nearest"]
    ran = giro(*asked, "--ideal-first")

    assert "no ideal slot; --more" in ran.stdout
    assert "the same with --more" in ran.stderr
    body = desk.body_of(SUGGEST)
    assert (body["near"], body["idealFirst"]) == ("10:30", True)
    assert body["starts"] == ["START_CHOICE_EARLIEST", "START_CHOICE_NEAREST"]
    assert "pageToken" not in body

    desk.on("POST", SUGGEST, SUGGESTION)
    assert "Giada Cravero" in giro(*asked, "--ideal-first", "--more").stdout
    assert desk.body_of(SUGGEST)["pageToken"] == "page-2"
    assert giro(*asked, "--more").exit_code == 2, "the second page was the last"
    assert giro(*asked[:6], "--starts", "soonest").exit_code == 2


def test_agents_may_stay_hidden(desk: StubGateway, giro: Giro) -> None:
    anatomy = {key: SUGGESTION["slots"][0]["anatomy"][key] for key in ("start", "end", "grade", "slack")}
    slots = [{"anatomy": anatomy, "slotToken": "sealed"}]
    refused = [{**SUGGESTION["refused"][0], "agentId": ""}]
    desk.on("POST", SUGGEST, {**SUGGESTION, "slots": slots, "refused": refused})
    desk.on("POST", "/v1/slots:hold", {**HOLD, "agentId": "", "legBefore": None})
    ran = giro("slots", "suggest", "solar", "--at", "45,7", "--hide-agents", "--explain")

    assert (ran.exit_code, ran.stdout.count("hidden")) == (0, 2)
    assert desk.body_of(SUGGEST)["revealAgent"] is False
    held = giro("slots", "hold", "1")
    assert (held.exit_code, "hidden" in held.stdout) == (0, True)


def test_a_start_is_explained_with_what_would_open_it(desk: StubGateway, giro: Giro) -> None:
    explain = f"/v1/campaigns/{CAMPAIGN['campaignId']}/slots:explain"
    start, agent = "2026-12-01T09:15:00Z", AGENTS[0]["agentId"]
    later = {"kind": "START_CHANGE_KIND_LATER", "by": "720s", "start": start, "agentId": agent}
    other = {**later, "kind": "START_CHANGE_KIND_AGENT", "by": "0s", "agentId": AGENTS[1]["agentId"]}
    moved = {**later, "kind": "START_CHANGE_KIND_POSTPONE", "by": "1200s", "appointmentId": "apt_1"}
    grounds = [{"reason": "TRAVEL_IN", "shortSeconds": "660"}, {"reason": "LEAD_TIME"}]
    desk.on("POST", explain, {"grounds": grounds, "changes": [later, other, moved]})
    asked = ["slots", "explain", "solar", "giada", "2026-12-01T10:03", "--at", "45,7"]
    ran = giro(*asked)

    assert ran.exit_code == 0
    body = desk.body_of(explain)
    assert (body["agentId"], body["start"], body["duration"]) == (agent, "2026-12-01T09:03:00Z", "2700s")
    for said in ("TRAVEL_IN", "11 min", "start 12 min later", "Marco Riva", "10:15", "apt_1"):
        assert said in ran.stdout
    assert "postpone the neighbour by 20 min" in ran.stdout
    desk.on("POST", explain, {"grounds": [], "changes": []})
    assert "it can be booked" in giro(*asked).stdout
    desk.on("POST", explain, {"grounds": grounds, "changes": []})
    assert "no single change" in giro(*asked).stdout


def test_the_next_command_picks_a_slot_by_its_number(desk: StubGateway, giro: Giro) -> None:
    giro("slots", "suggest", "solar", "--at", "45,7")
    ran = giro("slots", "hold", "2", "--for", "10m")

    body = desk.body_of("/v1/slots:hold")
    assert body["slotToken"] == SUGGESTION["slots"][1]["slotToken"]
    assert body["ttl"] == "600s"
    assert len(body["requestId"]) >= 8
    assert "Giada Cravero" in ran.stdout
    assert "Tue 01 Dec 09:30-10:15" in ran.stdout


def test_a_number_that_was_not_suggested_is_refused_before_any_call(desk: StubGateway, giro: Giro) -> None:
    giro("slots", "suggest", "solar", "--at", "45,7")
    asked = len(desk.asked)
    ran = giro("slots", "hold", "3")

    assert ran.exit_code == 2
    assert "slots 1 to 2" in ran.stderr
    assert len(desk.asked) == asked


def test_a_suggestion_of_another_gateway_is_not_picked_from(
    desk: StubGateway, giro: Giro, monkeypatch: pytest.MonkeyPatch
) -> None:
    giro("slots", "suggest", "solar", "--at", "45,7")
    monkeypatch.setenv("GIRO_GATEWAY_URL", "http://127.0.0.1:9")

    assert giro("slots", "hold", "1").exit_code == 2


def test_the_round_is_drawn_around_the_slot(desk: StubGateway, giro: Giro) -> None:
    desk.on("GET", f"/v1/agents/{AGENTS[0]['agentId']}/itinerary", ITINERARY)
    ran = giro("slots", "suggest", "solar", "--at", "45.08,7.7", "--map", "1")

    query = desk.query_of(f"/v1/agents/{AGENTS[0]['agentId']}/itinerary")
    assert query == {"from": ["2026-11-30T23:00:00Z"], "to": ["2026-12-01T23:00:00Z"]}
    assert "*" in ran.stdout
    assert "km, north up" in ran.stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--at", "45.07"], "--at '45.07' is no place"),
        (["--at", "91,7"], "--at '91,7' is no place (lat 91.0 is not between -90 and 90 degrees)"),
        (["--at", "nan,7"], "is no place"),
        (["--at", "45,7", "--duration", "soon"], "--duration 'soon' is no length of time"),
        (["--at", "45,7", "--days", "2026-12-05..2026-12-01"], "ends before it starts"),
        (["--at", "45,7", "--days", "2026-02-30"], "--days '2026-02-30' is no day"),
        (["--at", "45,7", "--contact", "Giulia"], "either --contact or --at"),
        ([], "either --contact or --at"),
        (["--at", "45,7", "--agent", "Nobody"], "no agent is called 'Nobody'"),
        (["--at", "45,7", "--agent", "a"], "'a' could be any of 2 agents: Giada Cravero, Marco Riva"),
    ],
)
def test_what_cannot_be_read_is_named_and_ends_with_2(
    desk: StubGateway, giro: Giro, words: list[str], told: str
) -> None:
    ran = giro("slots", "suggest", "solar", *words)

    assert ran.exit_code == 2
    assert told in ran.stderr.replace("\n", " ")
    assert "what to do:" in ran.stderr
    assert not [asked for asked in desk.asked if asked[1] == SUGGEST]


def test_a_refusal_shows_reason_data_field_and_what_to_do(desk: StubGateway, giro: Giro) -> None:
    desk.refuse(
        "POST",
        "/v1/slots:hold",
        400,
        error_info("TRAVEL_OUT", short_seconds="660", agent_id="agt_1"),
        bad_request("ttl", "must be at most 900 s"),
        message="the agent cannot get to the stop after in time",
    )
    ran = giro("slots", "hold", "a-token")

    assert ran.exit_code == 1
    assert "refused: the agent cannot get to the stop after in time  TRAVEL_OUT" in ran.stderr
    assert "short_seconds 660 (11 min)" in ran.stderr
    assert "field ttl: must be at most 900 s" in ran.stderr
    assert "what to do: an earlier start would fit" in ran.stderr
    assert ran.stdout == ""


def test_a_refusal_in_json_is_the_gateways_own_body(desk: StubGateway, giro: Giro) -> None:
    desk.refuse("POST", "/v1/slots:hold", 400, error_info("SLOT_TAKEN"), message="taken")
    ran = giro("slots", "hold", "a-token", "-o", "json")

    assert ran.exit_code == 1
    assert json.loads(ran.stderr)["details"][0]["reason"] == "SLOT_TAKEN"


def test_no_slot_is_told_and_is_no_failure(desk: StubGateway, giro: Giro) -> None:
    desk.on("POST", SUGGEST, {"slots": [], "refused": [], "travelVersion": "", "estimatedTravel": True})
    ran = giro("slots", "suggest", "solar", "--at", "45,7")

    assert ran.exit_code == 0
    assert "no slot fits" in ran.stdout


def test_agents_that_were_left_out_are_told(desk: StubGateway, giro: Giro) -> None:
    desk.on("POST", SUGGEST, {**SUGGESTION, "incomplete": True})
    ran = giro("slots", "suggest", "solar", "--at", "45,7")
    assert ran.exit_code == 0
    assert "some agents are left out" in ran.stdout + ran.stderr


def test_two_people_of_one_name_are_told_apart(desk: StubGateway, giro: Giro) -> None:
    twin = {**CONTACT, "contactId": "cnt_" + "9" * 32, "address": "Via Po 1, Turin"}
    contacts = f"/v1/campaigns/{CAMPAIGN['campaignId']}/contacts"
    desk.on("GET", contacts, {"contacts": [CONTACT, twin], "nextPageToken": ""})
    ran = giro("slots", "suggest", "solar", "--contact", "Giulia Zanetti")

    assert ran.exit_code == 2
    told = ran.stderr.replace("\n", " ")
    assert f"(Via Roma 12, Parella, {CONTACT['contactId']})" in told
    assert twin["contactId"] in told


def test_the_calendar_has_a_column_a_day_and_minutes_in_colour(desk: StubGateway, giro: Giro) -> None:
    detours = f"/v1/campaigns/{CAMPAIGN['campaignId']}/slots:detours"
    first, second = (agent["agentId"] for agent in AGENTS[:2])
    days = [
        {"day": "2026-12-01", "agentId": first, "addedTravel": "540s", "grade": "GRADE_IDEAL"},
        {"day": "2026-12-03", "agentId": first, "addedTravel": "2400s", "grade": "GRADE_POOR"},
        {"day": "2026-12-03", "agentId": second, "addedTravel": "-30s", "grade": "GRADE_IDEAL"},
    ]
    desk.on("POST", detours, {"days": days, "closedReason": "", "travelVersion": "estimate-1"})
    ran = giro("slots", "calendar", "solar", "--at", "45.0703,7.6869", "--month", "2026-12")

    assert ran.exit_code == 0
    lines = [line.split() for line in ran.stdout.splitlines()]
    assert next(line for line in lines if line[:1] == ["agent"])[-2:] == ["1", "3"]
    assert next(line for line in lines if "Cravero" in line)[-2:] == ["9", "40"]
    assert desk.body_of(detours)["month"] == "2026-12"


def test_a_calendar_without_days_says_why(desk: StubGateway, giro: Giro) -> None:
    detours = f"/v1/campaigns/{CAMPAIGN['campaignId']}/slots:detours"
    desk.on("POST", detours, {"days": [], "closedReason": "PACKAGE_FULL"})
    ran = giro("slots", "calendar", "solar", "--at", "45.0703,7.6869")

    assert ran.exit_code == 0
    assert "PACKAGE_FULL" in ran.stderr + ran.stdout
