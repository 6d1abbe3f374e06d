"""What the JSON edge lets through and what it refuses, naming the field."""

import json
from typing import Any

import pytest

from gateway.edge.judge import Judge, Refusal
from kit.errors import Reason

SUGGEST = "/v1/campaigns/cmp_1/slots:suggest"
AGENT = "/v1/agents/agt_1"
ITINERARY = f"{AGENT}/itinerary"
LIMIT = 1 << 20


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge(LIMIT)


def slots(**changes: object) -> bytes:
    good: dict[str, object] = {"contactId": "cnt_1", "duration": "1800s"}
    return json.dumps({**good, **changes}).encode()


def told(refusal: Refusal | None) -> dict[str, Any]:
    assert refusal is not None
    body: dict[str, Any] = json.loads(refusal.body)
    return body


def reason(refusal: Refusal | None) -> str:
    return str(told(refusal)["details"][0]["reason"])


def violations(refusal: Refusal | None) -> dict[str, str]:
    found = [one for one in told(refusal)["details"] if one["@type"].endswith("BadRequest")]
    return {one["field"]: one["description"] for detail in found for one in detail["fieldViolations"]}


GOOD = [
    ("POST", SUGGEST, slots()),
    ("POST", SUGGEST, slots(duration="1800.000s")),
    ("POST", SUGGEST, slots(limit=3.0, explain=True)),
    ("POST", SUGGEST, b'{"contact_id": "cnt_1", "duration": "1800s"}'),
    (
        "POST",
        SUGGEST,
        slots(windows=[{"start": "2026-12-01T10:00:00+01:00", "end": "2026-12-01T12:00:00.000Z"}]),
    ),
    ("POST", "/v1/appointments/apt_1:confirm", b""),
    ("POST", "/v1/appointments/apt_1:confirm", b"{}"),
    ("POST", "/v1/appointments/apt_1:confirm", b'{"version": 9007199254740993}'),
    ("POST", "/v1/appointments/apt_1:confirm", b'{"version": "9007199254740993"}'),
    ("POST", "/v1/users/usr_1:setGrants", b'{"grants": [{"role": "ROLE_AGENT"}]}'),
    ("GET", ITINERARY, b""),
    ("GET", f"{ITINERARY}?from=2026-12-01T10:00:00%2B01:00&to=2026-12-02T10:00:00Z", b""),
    ("GET", f"{ITINERARY}?from=2026-12-01T10:00:00+01:00", b""),
    ("GET", "/v1/appointments?scope=APPOINTMENT_SCOPE_ALL&pageSize=3&page_token=x%20y", b""),
    ("GET", "/v1/appointments?", b""),
    ("GET", "/v1/parameters/lead_time?campaignId=cmp_1", b""),
    ("DELETE", "/v1/holds/hld_1", b""),
    ("GET", "/v1/invariants:verify", b""),
]


@pytest.mark.parametrize(("verb", "target", "body"), GOOD)
def test_good_requests_pass(judge: Judge, verb: str, target: str, body: bytes) -> None:
    assert judge.refusal(verb, target, body) is None


MALFORMED = [
    (b"{", "no JSON"),
    (b"", None),
    (b"{'contactId': 'x'}", "no JSON"),
    (b'{"contactId": "x",}', "no JSON"),
    (b'{"contactId": "\xff"}', "UTF-8"),
    (b'\xef\xbb\xbf{"contactId": "x"}', "no JSON"),
    (b'{"contactId": "a", "contactId": "b"}', "twice"),
    (b'{"point": {"latitude": NaN}}', "NaN"),
    (b'{"point": {"latitude": -Infinity}}', "Infinity"),
    (b'{"limit": ' + b"9" * 5000 + b"}", "too long"),
    (b"[" * 200_000, "too deep"),
    (b'{"a":' * 150_000, "too deep"),
]


@pytest.mark.parametrize(("body", "words"), [case for case in MALFORMED if case[1]])
def test_what_is_no_json_is_malformed(judge: Judge, body: bytes, words: str) -> None:
    refusal = judge.refusal("POST", SUGGEST, body)
    assert refusal is not None
    assert refusal.status == 400
    assert (told(refusal)["code"], reason(refusal)) == (3, Reason.MALFORMED_REQUEST)
    assert words in told(refusal)["message"]


WRONG_FIELDS = [
    ({"colour": 1}, "colour", "unknown field"),
    ({"durration": "1800s"}, "durration", "did you mean duration?"),
    ({"campaignId": "cmp_1"}, "campaignId", "taken from the path"),
    ({"campaign_id": "cmp_1"}, "campaign_id", "taken from the path"),
    ({"contactId": 5}, "contactId", "must be text, not a number"),
    ({"contactId": None}, "contactId", "leave the field out"),
    ({"contactId": "a\x00b"}, "contactId", "U+0000"),
    ({"contactId": "\ud800"}, "contactId", "Unicode"),
    ({"contactId": "c", "point": {}}, "point", "cannot be given together with contactId"),
    ({"contact_id": "c"}, "contact_id", "cannot be given together with contactId"),
    ({"duration": 1800}, "duration", '"1800s", not a number'),
    ({"duration": "30m"}, "duration", '"1800s", not "30m"'),
    ({"duration": "1800"}, "duration", '"1800s"'),
    ({"duration": "1800.5s"}, "duration", "whole seconds"),
    ({"duration": "999999999999s"}, "duration", "at most"),
    ({"limit": "3"}, "limit", "whole number"),
    ({"limit": 1.5}, "limit", "whole number"),
    ({"limit": True}, "limit", "whole number"),
    ({"limit": 3_000_000_000}, "limit", "from -2147483648 to 2147483647"),
    ({"explain": "true"}, "explain", "true or false"),
    ({"explain": 1}, "explain", "true or false"),
    ({"agentIds": "agt_1"}, "agentIds", "must be a list"),
    ({"agentIds": ["a", 5]}, "agentIds[1]", "must be text"),
    ({"agentIds": [None]}, "agentIds[0]", "must be text"),
    ({"contactId": ["c"]}, "contactId", "must be text, not a list"),
    ({"windows": [{"start": "2026-12-01T10:00:00"}]}, "windows[0].start", "needs a zone"),
    ({"windows": [{"start": "2026-12-01T10:00:00.5Z"}]}, "windows[0].start", "whole seconds"),
    ({"windows": [{"start": "2026-02-30T10:00:00Z"}]}, "windows[0].start", "exists"),
    ({"windows": [{"start": "2026-12-01T24:00:00Z"}]}, "windows[0].start", "exists"),
    ({"windows": [{"start": "2026-12-01T10:00:00+25:00"}]}, "windows[0].start", "offset"),
    ({"windows": [{"start": "0001-01-01T00:00:00+01:00"}]}, "windows[0].start", "exists"),
    ({"windows": [{"start": "2026-12-01 10:00:00Z"}]}, "windows[0].start", "must be an instant"),
    ({"windows": [{"start": "2026-12-01T10:00Z"}]}, "windows[0].start", "must be an instant"),
    ({"windows": [{"start": 1796119200}]}, "windows[0].start", "must be an instant in quotes"),
    ({"windows": [{"end": {}}]}, "windows[0].end", "an object"),
    ({"windows": [{"begin": "2026-12-01T10:00:00Z"}]}, "windows[0].begin", "unknown field"),
    ({"windows": {}}, "windows", "must be a list"),
]


@pytest.mark.parametrize(("changes", "field", "words"), WRONG_FIELDS)
def test_a_wrong_field_is_named(judge: Judge, changes: dict[str, object], field: str, words: str) -> None:
    refusal = judge.refusal("POST", SUGGEST, slots(**changes))
    assert refusal is not None
    assert (refusal.status, told(refusal)["code"], reason(refusal)) == (400, 3, Reason.INVALID_FIELD)
    assert words in violations(refusal)[field]
    assert field in told(refusal)["message"]


@pytest.mark.parametrize("place", ['"x"', "5", "[]", "true", "null"])
def test_a_body_is_an_object(judge: Judge, place: str) -> None:
    refusal = judge.refusal("POST", SUGGEST, place.encode())
    assert "must be an object" in told(refusal)["message"]


@pytest.mark.parametrize("latitude", ['"44"', "null", "1e999", "true", '"NaN"', "[]"])
def test_a_coordinate_is_a_finite_number(judge: Judge, latitude: str) -> None:
    body = f'{{"point": {{"latitude": {latitude}, "longitude": 12}}, "duration": "60s"}}'
    assert set(violations(judge.refusal("POST", SUGGEST, body.encode()))) == {"point.latitude"}


def test_all_wrong_fields_are_named_up_to_a_limit(judge: Judge) -> None:
    refusal = judge.refusal("POST", SUGGEST, slots(limit="x", explain=3, agentIds=[1, 2]))
    assert set(violations(refusal)) == {"limit", "explain", "agentIds[0]", "agentIds[1]"}
    assert "(and 3 more)" in told(refusal)["message"]
    many = judge.refusal("POST", SUGGEST, slots(agentIds=[1] * 1000))
    assert len(violations(many)) == 20


WRONG_QUERIES = [
    ("colour=1", "colour", "unknown query parameter"),
    ("pagesize=1", "pagesize", "did you mean"),
    ("pageSize=x", "pageSize", "whole number"),
    ("pageSize=1.5", "pageSize", "whole number"),
    ("pageSize=", "pageSize", "whole number"),
    ("pageSize=99999999999", "pageSize", "from"),
    ("pageSize=1&pageSize=2", "pageSize", "more than once"),
    ("pageSize=1&page_size=2", "page_size", "more than once"),
    ("scope=UPCOMING", "scope", "must be one of APPOINTMENT_SCOPE_UNSPECIFIED"),
    ("scope=2", "scope", "must be one of"),
    ("agentId=a%00b", "agentId", "U+0000"),
]


@pytest.mark.parametrize(("query", "field", "words"), WRONG_QUERIES)
def test_a_wrong_query_parameter_is_named(judge: Judge, query: str, field: str, words: str) -> None:
    refusal = judge.refusal("GET", f"/v1/appointments?{query}", b"")
    assert refusal is not None
    assert refusal.status == 400
    assert words in violations(refusal)[field]


@pytest.mark.parametrize("escape", ["%", "%2", "%zz", "%ff"])
def test_broken_escapes_are_malformed(judge: Judge, escape: str) -> None:
    refusal = judge.refusal("GET", f"/v1/appointments?agentId={escape}", b"")
    assert reason(refusal) == Reason.MALFORMED_REQUEST
    refusal = judge.refusal("GET", f"/v1/agents/a{escape}", b"")
    assert reason(refusal) == Reason.MALFORMED_REQUEST


@pytest.mark.parametrize(
    "text", ["2026-12-01T10:00:00", "2026-12-01T10:00:00.5Z", "yesterday", "", "2026-12-01"]
)
def test_an_instant_in_the_query_has_a_zone_and_whole_seconds(judge: Judge, text: str) -> None:
    assert set(violations(judge.refusal("GET", f"{ITINERARY}?from={text}", b""))) == {"from"}


def test_a_path_field_is_not_given_again_in_the_query(judge: Judge) -> None:
    refusal = judge.refusal("GET", f"{ITINERARY}?agentId=agt_2", b"")
    assert "taken from the path" in violations(refusal)["agentId"]


def test_a_call_with_a_body_takes_no_query(judge: Judge) -> None:
    refusal = judge.refusal("POST", f"{SUGGEST}?limit=3", slots())
    assert "fields in the body" in violations(refusal)["limit"]


def test_a_call_without_a_body_takes_none(judge: Judge) -> None:
    assert reason(judge.refusal("DELETE", "/v1/holds/hld_1", b"{}")) == Reason.MALFORMED_REQUEST


@pytest.mark.parametrize("identifier", ["a%20b", "a%3Ab", "%00", "a%C3%A9", "x" * 129, "a'b", "a;b", "a%2Fb"])
def test_an_id_in_the_path_is_plain(judge: Judge, identifier: str) -> None:
    refusal = judge.refusal("GET", f"/v1/agents/{identifier}", b"")
    assert "agent_id" in violations(refusal)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/nothing",
        "/v1/agents/",
        "/v1/agents/a/b",
        "/v1/agents/a:fly",
        "/v1",
        "/",
        "",
        "/v1/slots:",
        "/v1/slots",
    ],
)
def test_what_is_not_served_is_not_found(judge: Judge, path: str) -> None:
    refusal = judge.refusal("GET", path, b"")
    assert refusal is not None
    assert (refusal.status, told(refusal)["code"]) == (404, 5)


def test_a_wrong_verb_names_the_right_ones(judge: Judge) -> None:
    refusal = judge.refusal("PATCH", "/v1/agents", b"")
    assert refusal is not None
    assert (refusal.status, told(refusal)["code"], dict(refusal.headers)) == (405, 5, {"allow": "GET, POST"})


def test_a_long_body_is_refused_before_it_is_read(judge: Judge) -> None:
    assert judge.refusal("POST", SUGGEST, slots(contactId="x" * (LIMIT - 100))) is None
    refusal = judge.refusal("POST", SUGGEST, b"{" * (LIMIT + 1))
    assert refusal is not None
    assert (refusal.status, told(refusal)["code"], reason(refusal)) == (413, 8, Reason.TOO_LARGE)
    assert told(refusal)["details"][0]["metadata"] == {"limit_bytes": str(LIMIT)}
