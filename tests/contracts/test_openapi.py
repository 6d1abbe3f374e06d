"""The OpenAPI page: current, complete, consistent in itself and with what the edge lets through."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf import json_format
from jsonschema import Draft202012Validator

from gateway.contract import PublicRpc, json_name, public_rpcs
from gateway.openapi import document
from gateway.routes import OPENAPI_FILE
from gateway.testing.samples import sample
from kit.errors import Reason

Page = dict[str, Any]
RPCS = public_rpcs()


@pytest.fixture(scope="module")
def page() -> Page:
    found: Page = json.loads(OPENAPI_FILE.read_text())
    return found


def operation(page: Page, rpc: PublicRpc) -> Page:
    found: Page = page["paths"][rpc.template][rpc.verb.lower()]
    return found


def everything(value: object) -> Iterator[Page]:
    """Every object in the page."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from everything(inner)


def test_the_committed_page_is_what_the_contracts_give() -> None:
    assert document.is_current(), "run `make openapi` and commit the page"


def test_every_public_rpc_is_there_and_nothing_else(page: Page) -> None:
    operations = [one for path in page["paths"].values() for one in path.values()]
    assert sorted(one["operationId"] for one in operations) == sorted(rpc.name for rpc in RPCS)
    for rpc in RPCS:
        assert operation(page, rpc)["operationId"] == rpc.name
    assert not [one for one in operations if "giro.geo.v1.LedgerService" in one["description"]]


def test_references_lead_somewhere_and_everything_is_used(page: Page) -> None:
    named = {
        f"#/components/{kind}/{name}"
        for kind in ("schemas", "responses")
        for name in page["components"][kind]
    }
    used = {one["$ref"] for one in everything(page) if "$ref" in one}
    assert used == named


def test_schemas_are_json_schema(page: Page) -> None:
    for schema in page["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_everything_is_described(page: Page) -> None:
    for rpc in RPCS:
        found = operation(page, rpc)
        assert found["summary"]
        assert all(parameter["description"] for parameter in found["parameters"]), rpc.name
    for name, schema in page["components"]["schemas"].items():
        assert schema["description"], name
        if name not in {"Error", "ErrorInfo", "BadRequest"}:
            assert all(field["description"] for field in schema.get("properties", {}).values()), name
    assert all(tag["description"] for tag in page["tags"])


def test_tokens_are_needed_except_for_open_calls(page: Page) -> None:
    assert page["security"] == [{"bearer": []}]
    free = {rpc.name for rpc in RPCS if operation(page, rpc).get("security") == []}
    assert free == {"CreateSession", "GetKeys"}


def test_roles_are_told(page: Page) -> None:
    rpc = next(rpc for rpc in RPCS if rpc.name == "CreateTenant")
    assert "Roles: PLATFORM." in operation(page, rpc)["description"]


def test_reasons_are_those_of_the_services(page: Page) -> None:
    assert set(page["components"]["schemas"]["ErrorReason"]["enum"]) == {str(reason) for reason in Reason} - {
        "UNSPECIFIED"
    }


def test_rules_of_the_contracts_are_told(page: Page) -> None:
    schemas = page["components"]["schemas"]
    point = schemas["Point"]["properties"]["latitude"]
    assert (point["type"], point["minimum"], point["maximum"]) == ("number", -90, 90)
    suggest = schemas["SuggestSlotsRequest"]
    assert "campaignId" not in suggest["properties"]
    assert suggest["required"] == ["duration"]
    assert suggest["allOf"] == [{"oneOf": [{"required": ["contactId"]}, {"required": ["point"]}]}]
    assert suggest["additionalProperties"] is False
    assert "At least 60 s, at most 86400 s." in suggest["properties"]["duration"]["description"]
    assert suggest["properties"]["limit"]["maximum"] == 50
    assert suggest["properties"]["agentIds"]["uniqueItems"] is True
    hold = schemas["HoldSlotRequest"]
    assert hold["required"] == ["slotToken", "requestId"]
    assert hold["properties"]["requestId"]["minLength"] == 8
    assert schemas["Shift"]["properties"]["start"]["pattern"].startswith("^")
    assert "WEEKDAY_UNSPECIFIED" in schemas["Weekday"]["enum"]
    assert "WEEKDAY_UNSPECIFIED" not in schemas["Shift"]["properties"]["weekday"]["enum"]
    assert schemas["Appointment"]["properties"]["version"]["type"] == "string"
    assert schemas["ConfirmAppointmentRequest"]["properties"]["version"]["type"] == ["integer", "string"]
    assert "end must be after start" in schemas["TimeWindow"]["description"]


def test_the_names_of_the_query_are_those_in_json(page: Page) -> None:
    rpc = next(rpc for rpc in RPCS if rpc.name == "GetItinerary")
    found = {(one["name"], one["in"]) for one in operation(page, rpc)["parameters"]}
    assert found == {("agent_id", "path"), ("from", "query"), ("to", "query")}


@pytest.mark.parametrize("rpc", [rpc for rpc in RPCS if rpc.has_body], ids=lambda rpc: rpc.name)
def test_a_body_has_the_fields_that_are_not_in_the_path(page: Page, rpc: PublicRpc) -> None:
    schema = page["components"]["schemas"][rpc.request.name]
    assert list(schema["properties"]) == [json_name(field) for field in rpc.free_fields]


@pytest.mark.parametrize("rpc", RPCS, ids=lambda rpc: rpc.name)
def test_answers_fit_their_schema(page: Page, rpc: PublicRpc) -> None:
    """Types, names and presence; the samples do not follow the rules of content, which are left out."""
    answer = json_format.MessageToDict(sample(rpc.response), always_print_fields_with_no_presence=True)
    schema = {"$ref": f"#/components/schemas/{rpc.response.name}", "components": page["components"]}
    errors = [
        error
        for error in Draft202012Validator(schema).iter_errors(answer)
        if error.validator not in {"pattern", "enum", "minimum"}
    ]
    assert not errors
