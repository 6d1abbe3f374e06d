"""People to visit from the command line: files of them, and pins."""

from pathlib import Path

import pytest
from cli_samples import CAMPAIGN, CONTACT
from running_giro import Giro
from stub_gateway import StubGateway

IMPORT = f"/v1/campaigns/{CAMPAIGN['campaignId']}/contacts:import"
LIST = f"/v1/campaigns/{CAMPAIGN['campaignId']}/contacts"


@pytest.fixture
def desk(gateway: StubGateway) -> StubGateway:
    """A gateway with one campaign."""
    gateway.on("GET", "/v1/campaigns", {"campaigns": [CAMPAIGN], "nextPageToken": ""})
    gateway.on("POST", IMPORT, {"contactIds": ["cnt_1", "cnt_2"]})
    return gateway


def test_people_come_from_a_file_with_points_or_addresses(
    desk: StubGateway, giro: Giro, tmp_path: Path
) -> None:
    file = tmp_path / "people.csv"
    file.write_text("name,address,lat,lon,postcode\nAda,,45.07,7.68,10124\nUgo,Via Roma 1 Torino,,,\n")
    ran = giro("contacts", "import", "solar", str(file))
    assert ran.exit_code == 0, ran.stderr
    assert desk.body_of(IMPORT)["contacts"] == [
        {"displayName": "Ada", "postcode": "10124", "point": {"latitude": 45.07, "longitude": 7.68}},
        {"displayName": "Ugo", "address": "Via Roma 1 Torino"},
    ]
    assert "2 people" in ran.stdout


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name,street\nAda,Via Po\n", "street"),
        ("address\nVia Po\n", "no name"),
        ("name,address\nAda,\n", "line 2"),
        ("name,address\n,Via Po\n", "name is empty"),
        ("name,lat,lon\nAda,95,7\n", "line 2"),
        ("name,lat,lon\nAda,45,\n", "line 2"),
        ("name,address\nAda,Via Po,9\n", "too many"),
    ],
)
def test_what_is_wrong_in_a_file_is_named_and_nothing_sent(
    desk: StubGateway, giro: Giro, tmp_path: Path, text: str, told: str
) -> None:
    file = tmp_path / "people.csv"
    file.write_text(text)
    ran = giro("contacts", "import", "solar", str(file))
    assert ran.exit_code == 2
    assert told in ran.stderr.replace("\n", " ")
    assert IMPORT not in {path for _, path, _, _ in desk.asked}


def test_who_needs_a_pin_is_shown_and_pinned(desk: StubGateway, giro: Giro) -> None:
    unpinned = {k: v for k, v in CONTACT.items() if k != "point"} | {"place": "CONTACT_PLACE_NEEDS_PIN"}
    desk.on("GET", LIST, {"contacts": [unpinned, CONTACT], "nextPageToken": ""})
    assert "needs a pin" in giro("contacts", "list", "solar").stdout
    path = f"/v1/contacts/{CONTACT['contactId']}:update"
    desk.on("POST", path, unpinned)
    ran = giro("contacts", "correct", CONTACT["contactId"], "--address", "Via Roma")
    assert "--at LAT,LNG" in ran.stdout + ran.stderr
    desk.on("POST", path, CONTACT)
    ran = giro("contacts", "correct", CONTACT["contactId"], "--at", "45.07,7.68")
    assert desk.body_of(path) == {"point": {"latitude": 45.07, "longitude": 7.68}}
    assert "--at LAT,LNG" not in ran.stdout + ran.stderr
