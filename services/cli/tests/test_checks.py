"""Days, checks, clock, parameters and the doctor."""

import json
from datetime import UTC, datetime

import pytest
from cli_samples import AGENTS, APPOINTMENT, CAMPAIGN, ITINERARY, error_info
from running_giro import Giro
from stub_gateway import StubGateway

AGENT = AGENTS[0]["agentId"]
GOOD = {"agents": 20, "stops": 900, "pairs": 880, "violations": []}
OWNED = {"appointments": 700, "stops": 700, "appointmentsWithoutStop": [], "stopsWithoutAppointment": []}
BROKEN = {
    "agentId": AGENT,
    "earlierOwnerId": "apt_1",
    "laterOwnerId": "apt_2",
    "kind": "TRAVEL",
    "shortSeconds": "120",
}


@pytest.fixture
def house(gateway: StubGateway) -> StubGateway:
    """A gateway where all is well."""
    gateway.on("GET", "/healthz", {"status": "SERVING"})
    gateway.on("GET", "/openapi.json", {"info": {"version": "v1"}})
    gateway.on("GET", "/v1/me", {"email": "a@giro.example", "grants": []})
    gateway.on("GET", "/v1/campaigns", {"campaigns": [CAMPAIGN], "nextPageToken": ""})
    gateway.on("GET", "/v1/agents", {"agents": AGENTS, "nextPageToken": ""})
    gateway.on("GET", f"/v1/agents/{AGENT}", AGENTS[0])
    gateway.on("GET", "/v1/callerNumbers", {"numbers": []})
    gateway.on("GET", f"/v1/agents/{AGENT}/itinerary", ITINERARY)
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    gateway.on("GET", "/v1/testClock", {"now": now, "offset": "0s"})
    gateway.on("GET", "/v1/invariants:verify", GOOD)
    gateway.on("GET", "/v1/ownership:verify", OWNED)
    return gateway


def test_a_day_shows_stops_drives_waits_and_a_map(house: StubGateway, giro: Giro) -> None:
    ran = giro("agent", "day", "giada", "2026-12-01")

    query = house.query_of(f"/v1/agents/{AGENT}/itinerary")
    assert query == {"from": ["2026-11-30T23:00:00Z"], "to": ["2026-12-01T23:00:00Z"]}
    visit = next(line for line in ran.stdout.splitlines() if APPOINTMENT["appointmentId"] in line)
    assert "09:30-10:15" in visit
    assert "~12 min 3.4 km" in visit
    assert "13 min" in visit  # 30 min between, less 12 of driving and 5 of buffer
    assert "1 visits, 45 min with people, 57 min driving, 16.4 km  (~ estimated)" in ran.stdout
    assert "█" in ran.stdout
    assert "km, north up" in ran.stdout


def test_a_day_of_the_tenants_own_clock(house: StubGateway, giro: Giro) -> None:
    house.on("GET", "/v1/testClock", {"now": "2026-12-01T23:30:00Z", "offset": "864000s"})
    giro("agent", "day", AGENT, "today")

    # in Rome that instant belongs to the next day
    assert house.query_of(f"/v1/agents/{AGENT}/itinerary")["from"] == ["2026-12-01T23:00:00Z"]


def test_a_day_across_the_end_of_summer_time_has_25_hours(house: StubGateway, giro: Giro) -> None:
    giro("agent", "day", AGENT, "2026-10-25", "--no-map")

    query = house.query_of(f"/v1/agents/{AGENT}/itinerary")
    assert query == {"from": ["2026-10-24T22:00:00Z"], "to": ["2026-10-25T23:00:00Z"]}


def _pair(**changes: object) -> dict[str, object]:
    return {
        "earlier": {"kind": "STOP_KIND_DAY_START", "ownerId": "", "end": "2026-12-01T08:00:00Z"},
        "later": {"kind": "STOP_KIND_APPOINTMENT", "ownerId": "apt_1", "start": "2026-12-01T08:30:00Z"},
        "travel": "1200s",
        "buffer": "300s",
        "slackSeconds": "300",
        "source": "TRAVEL_SOURCE_ESTIMATE",
        "version": "estimate-2-car",
        "via": False,
        "violations": [],
        **changes,
    }


def test_a_checked_day_shows_the_slack_of_each_pair(house: StubGateway, giro: Giro) -> None:
    path = f"/v1/agents/{AGENT}:checkDay"
    answer = {"agentId": AGENT, "timeZone": "Europe/Rome", "pairs": [_pair()], "violations": 0}
    house.on("GET", path, answer)
    ran = giro("agent", "check", "giada", "2026-12-01")
    assert house.query_of(path) == {"date": ["2026-12-01"]}
    assert ran.exit_code == 0
    for told in ("Tue 09:00:00", "~20 min", "5 min", "apt_1", "300 s", "estimate-2-car", "0 violations"):
        assert told in ran.stdout

    broken = _pair(slackSeconds="-60", violations=[{"kind": "TRAVEL", "shortSeconds": "60"}])
    house.on("GET", path, {**answer, "pairs": [broken], "violations": 1})
    ran = giro("agent", "check", "giada", "2026-12-01")
    assert ran.exit_code == 1
    for told in ("-60 s", "TRAVEL 60 s short", "1 violations"):
        assert told in ran.stdout


def test_an_empty_day_is_told(house: StubGateway, giro: Giro) -> None:
    house.on("GET", f"/v1/agents/{AGENT}/itinerary", {**ITINERARY, "stops": []})

    assert "nothing is booked" in giro("agent", "day", AGENT).stdout


def test_verify_ends_with_0_when_the_promise_holds(house: StubGateway, giro: Giro) -> None:
    ran = giro("geo", "verify")

    assert ran.exit_code == 0
    assert "880 consecutive pairs: 0 violations" in ran.stdout


@pytest.mark.parametrize(
    ("path", "answer", "told"),
    [
        ("/v1/invariants:verify", {**GOOD, "violations": [BROKEN]}, "TRAVEL"),
        ("/v1/ownership:verify", {**OWNED, "appointmentsWithoutStop": ["apt_lost"]}, "apt_lost"),
        ("/v1/ownership:verify", {**OWNED, "stopsWithoutAppointment": ["apt_alone"]}, "apt_alone"),
    ],
)
def test_verify_ends_with_1_on_a_violation(
    house: StubGateway, giro: Giro, path: str, answer: dict[str, object], told: str
) -> None:
    house.on("GET", path, answer)
    for form in ("table", "json"):
        ran = giro("geo", "verify", "-o", form)

        assert ran.exit_code == 1
        assert told in ran.stdout


def test_the_clock_is_moved_by_whole_seconds(house: StubGateway, giro: Giro) -> None:
    house.on("POST", "/v1/testClock:advance", {"now": "2026-12-01T10:00:00Z", "offset": "129600s"})
    ran = giro("clock", "advance", "36h")

    assert house.body_of("/v1/testClock:advance")["by"] == "129600s"
    assert "36 h 00 ahead" in ran.stdout


def test_a_parameter_is_set_for_a_campaign(house: StubGateway, giro: Giro) -> None:
    answer = {"name": "lead_time", "value": "0s", "source": "CAMPAIGN", "description": "R-009"}
    house.on("POST", "/v1/parameters", answer)
    ran = giro("parameters", "set", "lead_time", "0s", "--campaign", "solar")

    assert house.body_of("/v1/parameters") == {
        "name": "lead_time",
        "value": "0s",
        "campaignId": CAMPAIGN["campaignId"],
    }
    assert "campaign" in ran.stdout


def test_the_doctor_finds_all_well(house: StubGateway, giro: Giro) -> None:
    ran = giro("doctor")

    assert ran.exit_code == 0, ran.stdout
    assert "booking and its database" in ran.stdout
    assert "skipped" in ran.stdout  # no metrics page is known here


def test_the_doctor_names_the_service_that_is_down(house: StubGateway, giro: Giro) -> None:
    house.refuse("GET", "/v1/agents", 503, error_info("SERVICE_UNAVAILABLE", service="geo"), message="no geo")
    ran = giro("doctor", "-o", "json")

    assert ran.exit_code == 1
    failed = [finding for finding in json.loads(ran.stdout) if finding["state"] == "failed"]
    assert [finding["what"] for finding in failed] == ["geo and its database"]
    assert failed[0]["advice"]


def test_the_doctor_sees_events_that_wait(
    house: StubGateway, giro: Giro, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.on("GET", "/metrics", {})
    monkeypatch.setenv("GIRO_METRICS_URLS", f"{house.url}/metrics")
    monkeypatch.setattr("cli.commands.doctor._largest", lambda _page, name: 75.0 if "age" in name else None)
    ran = giro("doctor")

    assert ran.exit_code == 1
    assert "events wait for NATS" in ran.stdout


def test_the_doctor_sees_a_wrong_clock(house: StubGateway, giro: Giro) -> None:
    house.on("GET", "/v1/testClock", {"now": "2020-01-01T00:00:00Z", "offset": "0s"})
    ran = giro("doctor")

    assert ran.exit_code == 1
    assert "NTP" in ran.stdout


def test_the_doctor_skips_what_the_role_may_not_see(house: StubGateway, giro: Giro) -> None:
    house.refuse("GET", "/v1/invariants:verify", 403, error_info("ROLE_REQUIRED"))

    assert giro("doctor").exit_code == 0


def test_agents_are_listed_with_their_week(house: StubGateway, giro: Giro) -> None:
    house.on(
        "GET", "/v1/agents", {"agents": [{**AGENTS[0], "travelMode": "TRAVEL_MODE_BICYCLE"}, *AGENTS[1:]]}
    )
    ran = giro("agents", "list")

    assert "Mon 09:00-18:00" in ran.stdout
    assert "bicycle" in ran.stdout
    assert "45.0700,7.6800" in ran.stdout
