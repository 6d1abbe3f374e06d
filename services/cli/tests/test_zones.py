"""Zones on the command line."""

import json
from pathlib import Path
from typing import Any

import pytest
from running_giro import Giro
from stub_gateway import StubGateway

SQUARE = [[7.6, 45.0], [7.8, 45.0], [7.8, 45.2], [7.6, 45.2], [7.6, 45.0]]
POINTS = [{"latitude": lat, "longitude": lng} for lng, lat in SQUARE]
AREA = {
    "zoneId": "zon_1",
    "name": "Torino",
    "area": {"polygons": [{"rings": [{"points": POINTS}]}]},
}
CODES = {"zoneId": "zon_2", "name": "codes", "postcodes": {"codes": ["9490", "9491"]}}
BAND = {"zoneId": "zon_3", "name": "near", "travelBand": {"within": "1500s"}}


@pytest.fixture(autouse=True)
def _known(gateway: StubGateway) -> None:
    gateway.on("GET", "/v1/zones", {"zones": [AREA, CODES, BAND]})
    agent = {"agentId": "agt_1", "displayName": "Giada", "zoneIds": ["zon_3"]}
    gateway.on("GET", "/v1/agents", {"agents": [agent]})


def test_the_zones_and_who_works_in_them(giro: Giro) -> None:
    shown = giro("zones", "list").stdout
    for part in ("Torino", "1 polygons, 0 holes, 4 corners", "9490 9491", "within 25 min", "Giada", "zon_3"):
        assert part in shown


def test_an_area_is_drawn(giro: Giro) -> None:
    shown = giro("zones", "map", "Torino").stdout
    assert "north up" in shown
    assert any(0x2800 < ord(letter) <= 0x28FF for letter in shown)
    assert "north up" not in giro("zones", "map", "codes").stdout


def test_geojson_becomes_zones_and_replaces_those_of_the_same_name(
    gateway: StubGateway, giro: Giro, tmp_path: Path
) -> None:
    gateway.on("POST", "/v1/zones", AREA)
    file = tmp_path / "zones.geojson"
    file.write_text(json.dumps(collection({"type": "Polygon", "coordinates": [SQUARE]})))
    assert "Torino" in giro("zones", "import", str(file)).stdout
    sent = gateway.body_of("/v1/zones")
    assert (sent["zoneId"], sent["name"]) == ("zon_1", "Torino")
    assert sent["area"]["polygons"] == [{"rings": [{"points": POINTS}]}]
    file.write_text(json.dumps(collection({"type": "MultiPolygon", "coordinates": [[SQUARE], [SQUARE]]})))
    giro("zones", "import", str(file))
    assert len(gateway.body_of("/v1/zones")["area"]["polygons"]) == 2


def collection(geometry: Any) -> Any:
    feature = {"type": "Feature", "properties": {"name": "Torino"}, "geometry": geometry}
    return {"type": "FeatureCollection", "features": [feature]}


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"features": [{}]}', json.dumps(collection({"type": "Point", "coordinates": 1}))],
)
def test_what_is_no_geojson_is_named_before_anything_is_sent(
    gateway: StubGateway, giro: Giro, tmp_path: Path, text: str
) -> None:
    file = tmp_path / "zones.geojson"
    file.write_text(text)
    ran = giro("zones", "import", str(file))
    assert ran.exit_code == 2
    assert "zones.geojson" in ran.stderr
    assert gateway.asked == []


def test_other_kinds_are_made_and_assigned(gateway: StubGateway, giro: Giro) -> None:
    gateway.on("POST", "/v1/zones", BAND)
    giro("zones", "band", "near", "25m")
    sent = gateway.body_of("/v1/zones")
    assert (sent["zoneId"], sent["travelBand"]) == ("zon_3", {"within": "1500s"})
    giro("zones", "postcodes", "new", "1", "2")
    sent = gateway.body_of("/v1/zones")
    assert (sent["zoneId"], sent["postcodes"]) == ("", {"codes": ["1", "2"]})
    gateway.on("POST", "/v1/agents/agt_1:setZones", {"agentId": "agt_1"})
    assert "2 zones" in giro("zones", "assign", "Giada", "near", "zon_1").stdout
    assert gateway.body_of("/v1/agents/agt_1:setZones") == {"zoneIds": ["zon_3", "zon_1"]}
    assert "everywhere" in giro("zones", "assign", "Giada").stdout
    assert giro("zones", "assign", "Giada", "nowhere").exit_code == 2


def test_a_place_and_its_zones(gateway: StubGateway, giro: Giro) -> None:
    gateway.on("POST", "/v1/zones:pointIn", {"zoneIds": ["zon_1"]})
    assert "Torino" in giro("zones", "at", "45.1,7.7").stdout
    gateway.on("POST", "/v1/zones:pointIn", {})
    ran = giro("zones", "at", "46.1,7.7")
    assert (ran.exit_code, "in no zone" in ran.stdout) == (1, True)


def test_a_quota_of_one_agent(gateway: StubGateway, giro: Giro) -> None:
    shown = {"name": "max_visits_per_day", "value": "8", "source": "USER", "description": "Most visits"}
    gateway.on("POST", "/v1/travelParameters", shown)
    assert "8" in giro("roads", "set", "max_visits_per_day", "8", "--agent", "Giada").stdout
    assert gateway.body_of("/v1/travelParameters")["agentId"] == "agt_1"


def test_pages_of_zones_are_as_small_as_the_gateway_wants_them(gateway: StubGateway, giro: Giro) -> None:
    assert giro("zones", "list").exit_code == 0
    assert gateway.query_of("/v1/zones")["pageSize"] == ["100"]
