"""What customers, supervisors and operators do beside booking: each command's call and what it shows."""

import json
from pathlib import Path

import pytest
from cli_samples import AGENTS, CAMPAIGN
from running_giro import Giro
from stub_gateway import Json, StubGateway

CMP = CAMPAIGN["campaignId"]
AGT = AGENTS[0]["agentId"]
BOX: Json = {
    "campaignId": CMP,
    "purchased": 2000,
    "taken": 700,
    "toConfirm": 600,
    "cancelledInStep": 3,
    "left": 1297,
    "step": 1,
    "level": "OPEN",
}
CARD: Json = {
    "appointmentId": "apt_1",
    "campaignId": CMP,
    "agentId": AGT,
    "contactId": "cnt_1",
    "start": "2026-12-01T09:00:00Z",
    "end": "2026-12-01T09:45:00Z",
    "state": "APPOINTMENT_STATE_TO_CONFIRM",
    "version": "1",
}
CLAIM: Json = {
    "claimId": "clm_1",
    "appointmentId": "apt_1",
    "reason": "ANNULMENT_REASON_NOT_HELD",
    "state": "CLAIM_STATE_OPEN",
    "receivedAt": "2026-12-02T09:00:00Z",
    "closesAt": "2026-12-03T23:00:00Z",
}
AWAY: Json = {
    "unavailabilityId": "una_1",
    "agentId": AGT,
    "firstDay": "2026-12-24",
    "lastDay": "2026-12-31",
    "reportedAt": "2026-12-01T09:00:00Z",
}
ENTRY: Json = {
    "entryId": "wai_1",
    "contactId": "cnt_1",
    "state": "WAITLIST_STATE_OFFERED",
    "joinedAt": "2026-12-01T09:00:00Z",
    "offer": {"offerId": "off_1", "start": "2026-12-03T08:00:00Z", "expiresAt": "2026-12-01T10:00:00Z"},
}
COUNTS: Json = {"of": AGT, "toConfirm": 2, "confirmed": 1, "cancelled": 0, "total": 3, "held": 1}


def all_of(campaign: str, path: str) -> str:
    return f"/v1/campaigns/{campaign}/{path}"


@pytest.fixture
def desk(gateway: StubGateway) -> StubGateway:
    gateway.on("GET", "/v1/campaigns", {"campaigns": [CAMPAIGN]})
    gateway.on("GET", f"/v1/campaigns/{CMP}", CAMPAIGN)
    gateway.on("GET", "/v1/agents", {"agents": AGENTS})
    gateway.on("GET", all_of(CMP, "box"), BOX)
    gateway.on("GET", "/v1/appointments", {"appointments": [CARD]})
    gateway.on("GET", "/v1/appointments/apt_1", CARD)
    return gateway


def test_the_box_and_its_recount(desk: StubGateway, giro: Giro) -> None:
    ran = giro("package", "show", "Sole")
    assert ran.exit_code == 0, ran.stderr
    for line in ("purchased", "2000", "of which to confirm", "600", "1297", "open"):
        assert line in ran.stdout

    counted = {
        name: BOX[name] for name in ("purchased", "taken", "toConfirm")
    }  # no steps, as the gateway tells
    desk.on("GET", all_of(CMP, "box:verify"), {"box": counted, "recount": counted, "differing": []})
    ran = giro("package", "show", "Sole", "--verify")
    assert ran.exit_code == 0
    assert "1297" in ran.stdout
    desk.on("GET", all_of(CMP, "box:verify"), {"box": BOX, "recount": BOX, "differing": ["taken"]})
    ran = giro("package", "show", "Sole", "--verify")
    assert ran.exit_code == 1
    assert "differs in: taken" in ran.stderr


def test_a_package_is_renewed_once_a_command(desk: StubGateway, giro: Giro) -> None:
    desk.on("POST", all_of(CMP, "package:renew"), {**BOX, "step": 2})
    assert giro("package", "renew", "Sole", "500").exit_code == 0
    asked = desk.body_of(all_of(CMP, "package:renew"))
    assert asked["units"] == 500
    assert asked["requestId"]


def test_the_report_sums_up(desk: StubGateway, giro: Giro) -> None:
    found = {"campaign": {**COUNTS, "of": ""}, "agents": [COUNTS], "zones": [{**COUNTS, "of": ""}]}
    desk.on("GET", all_of(CMP, "report"), found)
    giro("portal", "report", "Sole", "--state", "held", "--state", "to-confirm", "--state", "held")
    states = ["APPOINTMENT_STATE_HELD", "APPOINTMENT_STATE_TO_CONFIRM"]
    assert desk.query_of(all_of(CMP, "report"))["states"] == states
    ran = giro("portal", "report", "Sole")
    assert "states" not in desk.query_of(all_of(CMP, "report"))
    assert ran.exit_code == 0, ran.stderr
    assert "Giada Cravero" in ran.stdout
    assert "(none)" in ran.stdout
    assert sum(line.strip().startswith("sum") for line in ran.stdout.splitlines()) == 2


def test_a_sub_folder_asks_for_its_agent_and_zone(desk: StubGateway, giro: Giro) -> None:
    ran = giro("portal", "folder", "Sole", "--agent", "Giada", "--zone", "Centro", "--all")
    assert "apt_1" in ran.stdout
    asked = desk.query_of("/v1/appointments")
    assert asked["agentId"] == [AGT]
    assert asked["zone"] == ["Centro"]
    assert asked["scope"] == ["APPOINTMENT_SCOPE_ALL"]


def test_the_confirmation_list_of_a_day(desk: StubGateway, giro: Giro) -> None:
    desk.on("GET", "/v1/appointments:toConfirm", {"appointments": [CARD]})
    assert "apt_1" in giro("portal", "to-confirm", "--day", "2026-11-30").stdout
    assert desk.query_of("/v1/appointments:toConfirm")["day"] == ["2026-11-30"]


def test_support_shows_and_changes_only_what_is_given(desk: StubGateway, giro: Giro) -> None:
    known = {"phone": "+39011", "fax": "", "email": "help@giro.example", "vatId": "IT1"}
    desk.on("GET", "/v1/supportContact", known)
    desk.on("POST", "/v1/supportContact", {**known, "phone": "+39022"})
    assert "+39011" in giro("portal", "support").stdout
    assert not [path for method, path, _, _ in desk.asked if method == "POST"]
    giro("portal", "support", "--phone", "+39022")
    assert desk.body_of("/v1/supportContact")["contact"] == {**known, "phone": "+39022"}


def test_who_looked(desk: StubGateway, giro: Giro) -> None:
    view = {"viewerId": "usr_9", "role": "ROLE_CUSTOMER", "version": "2", "viewedAt": "2026-12-01T09:00:00Z"}
    desk.on("GET", "/v1/appointments/apt_1/views", {"views": [view]})
    ran = giro("portal", "views", "apt_1")
    assert "usr_9" in ran.stdout
    assert "customer" in ran.stdout


def test_a_claim_is_made_listed_and_decided(desk: StubGateway, giro: Giro) -> None:
    desk.on("POST", "/v1/appointments/apt_1:claimAnnulment", CLAIM)
    desk.on("GET", "/v1/annulmentClaims", {"claims": [CLAIM]})
    desk.on("POST", "/v1/annulmentClaims/clm_1:decide", {**CLAIM, "state": "CLAIM_STATE_REJECTED"})
    assert giro("claims", "make", "apt_1", "not-held", "--note", "nobody").exit_code == 0
    assert desk.body_of("/v1/appointments/apt_1:claimAnnulment")["reason"] == "ANNULMENT_REASON_NOT_HELD"
    assert "not held" in giro("claims", "list", "--state", "open").stdout
    assert desk.query_of("/v1/annulmentClaims")["state"] == ["CLAIM_STATE_OPEN"]
    assert "rejected" in giro("claims", "reject", "clm_1").stdout
    assert desk.body_of("/v1/annulmentClaims/clm_1:decide")["accepted"] is False


def test_not_having_seen_it_is_no_reason(desk: StubGateway, giro: Giro) -> None:
    assert giro("claims", "make", "apt_1", "not-seen").exit_code == 2


def test_a_contact_is_noted_at_the_campaigns_local_time(desk: StubGateway, giro: Giro) -> None:
    desk.on("POST", "/v1/appointments/apt_1/agentContacts", {"contactedAt": "2026-12-01T08:00:00Z"})
    assert giro("claims", "contacted", "apt_1", "in-person", "--at", "2026-12-01T09:00").exit_code == 0
    asked = desk.body_of("/v1/appointments/apt_1/agentContacts")
    assert asked["channel"] == "CONTACT_CHANNEL_IN_PERSON"
    assert asked["contactedAt"] == "2026-12-01T08:00:00Z"


def test_days_away_list_the_visits_they_hit(desk: StubGateway, giro: Giro) -> None:
    answer = {"unavailability": AWAY, "hit": [CARD], "hitTotal": 1}
    desk.on("POST", "/v1/unavailabilities", answer)
    ran = giro("unavailability", "set", "2026-12-24..2026-12-31", "--agent", "Giada")
    assert ran.exit_code == 0, ran.stderr
    assert "1 visits lie in these days" in ran.stdout
    assert desk.body_of("/v1/unavailabilities")["agentId"] == AGT


def test_who_is_away_has_to_be_said(desk: StubGateway, giro: Giro) -> None:
    ran = giro("unavailability", "list")
    assert ran.exit_code == 2
    assert "either --agent or --contact" in ran.stderr


def test_a_calendar_becomes_a_file(desk: StubGateway, giro: Giro, home: Path) -> None:
    ics = "BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n"
    desk.on("GET", f"/v1/agents/{AGT}/calendar", {"ics": ics, "visits": 7, "truncated": True})
    ran = giro("calendar", "download", "Giada", "g.ics", "--days", "2026-12-01..2026-12-07", "--travel")
    assert (home / "g.ics").read_bytes() == ics.encode()
    assert "7 visits" in ran.stdout
    assert "--days" in ran.stderr
    assert desk.query_of(f"/v1/agents/{AGT}/calendar")["withTravel"] == ["true"]


def test_a_feed_is_made_and_ended(desk: StubGateway, giro: Giro) -> None:
    path = f"/v1/agents/{AGT}/calendarFeed"
    made = {"url": "https://giro.example/calendars/x.ics", "createdAt": "2026-12-01T09:00:00Z"}
    desk.on("POST", f"{path}:rotate", made)
    desk.on("DELETE", path, {})
    assert made["url"] in giro("calendar", "feed", "Giada").stdout
    assert giro("calendar", "revoke", "Giada").exit_code == 0


def test_a_contacts_place_is_corrected_and_nothing_else_is_said(desk: StubGateway, giro: Giro) -> None:
    path = "/v1/contacts/cnt_1:update"
    desk.on("POST", path, {"contactId": "cnt_1", "address": "Via Roma 3", "postcode": ""})
    assert "Via Roma 3" in giro("contacts", "correct", "cnt_1", "--postcode", "", "--at", "45.07,7.68").stdout
    assert desk.body_of(path) == {"postcode": "", "point": {"latitude": 45.07, "longitude": 7.68}}
    told = ("--phone", "+390110000001", "--email", "", "--language", "it", "--name", "Ada", "--version", "3")
    giro("contacts", "correct", "cnt_1", *told)
    reached = {"phone": "+390110000001", "email": "", "language": "it", "displayName": "Ada"}
    assert desk.body_of(path) == {**reached, "version": 3}


def test_what_was_corrected_of_a_person(desk: StubGateway, giro: Giro) -> None:
    change = {"field": "phone", "before": "+39011", "after": "+390110000001"}
    row = {"version": "2", "changedAt": "2026-12-01T09:00:00Z", "actorId": "usr_1", "fields": [change]}
    desk.on("GET", "/v1/contacts/cnt_1/changes", {"changes": [row], "nextPageToken": ""})
    shown = giro("contacts", "changes", "cnt_1").stdout
    for part in ("2026-12-01 09:00", "usr_1", "phone", "+39011", "+390110000001"):
        assert part in shown


def test_the_waiting_list_shows_offers(desk: StubGateway, giro: Giro) -> None:
    desk.on(
        "GET", all_of(CMP, "waitlist"), {"entries": [ENTRY, {**ENTRY, "entryId": "wai_2", "offer": None}]}
    )
    ran = giro("waitlist", "list", "Sole", "-n", "5")
    assert ran.exit_code == 0, ran.stderr
    for seen in ("offered", "off_1", "2026-12-03 08:00", "wai_2"):
        assert seen in ran.stdout
    desk.on("POST", "/v1/offers/off_1:accept", CARD)
    assert "apt_1" in giro("waitlist", "accept", "off_1").stdout
    desk.on("POST", all_of(CMP, "waitlist"), ENTRY)
    giro("waitlist", "join", "Sole", "-c", "cnt_1", "--after", "2026-12-01T08:00")
    assert desk.body_of(all_of(CMP, "waitlist"))["notBefore"] == "2026-12-01T07:00:00Z"


def test_a_series_that_does_not_fit_says_each_conflict(desk: StubGateway, giro: Giro) -> None:
    conflict = {"number": 3, "start": "2026-12-15T14:00:00Z", "reason": "ABSENT", "message": "away"}
    refused = {"seriesId": "ser_1", "state": "SERIES_STATE_REFUSED", "appointments": []}
    desk.on("POST", all_of(CMP, "series"), {**refused, "conflicts": [conflict]})
    asked = ("series", "create", "Sole", "-c", "cnt_1", "-a", "Giada", "--start", "2026-12-01T15:00")
    ran = giro(*asked, "--times", "3")
    assert ran.exit_code == 1
    assert "ABSENT" in ran.stdout
    made = {**refused, "state": "SERIES_STATE_CREATED", "appointments": [CARD], "conflicts": []}
    desk.on("POST", all_of(CMP, "series"), made)
    assert "apt_1" in giro(*asked, "--times", "3").stdout
    assert desk.body_of(all_of(CMP, "series"))["start"] == "2026-12-01T14:00:00Z"


def test_two_visits_change_agents(desk: StubGateway, giro: Giro) -> None:
    other = {**CARD, "appointmentId": "apt_2"}
    desk.on("POST", "/v1/appointments:swap", {"appointment": CARD, "other": other})
    ran = giro("appointments", "swap", "apt_1", "apt_2")
    assert "apt_2" in ran.stdout
    assert json.loads(giro("appointments", "swap", "apt_1", "apt_2", "-o", "json").stdout)["other"] == other


def test_a_procedure_is_switched_off_and_keeps_all_else(desk: StubGateway, giro: Giro) -> None:
    known = {
        "procedureId": "move",
        "kind": "PROCEDURE_KIND_MOVE",
        "displayName": "Move",
        "interval": "60s",
        "active": True,
    }
    desk.on("GET", "/v1/procedures", {"procedures": [known]})
    desk.on("PUT", "/v1/procedures/move", {**known, "active": False})
    assert "move: off" in giro("modes", "procedure", "move", "--off").stdout
    assert desk.body_of("/v1/procedures/move") == {**known, "active": False}
    ran = giro("modes", "procedure", "other", "--on")
    assert ran.exit_code == 2
    assert "giro modes procedures" in ran.stderr


def test_a_note_and_a_closed_recall(desk: StubGateway, giro: Giro) -> None:
    desk.on("POST", "/v1/appointments/apt_1/notes", {})
    desk.on("POST", "/v1/recalls/rcl_1:close", {})
    assert giro("outcomes", "note", "apt_1", "the bell is broken").exit_code == 0
    assert desk.body_of("/v1/appointments/apt_1/notes")["text"] == "the bell is broken"
    assert giro("recalls", "close", "rcl_1", "--note", "no").exit_code == 0
