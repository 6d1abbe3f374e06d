"""Roads and addresses on the command line."""

import json
from pathlib import Path

import pytest
from running_giro import Giro
from stub_gateway import StubGateway

RATIO = {"median": 1.97, "p90": 2.6, "p99": 4.0, "most": 6.5, "belowShare": 0.0011}
POINT = {"latitude": 47.14, "longitude": 9.52}
COMPARED = {
    "version": "osrm-1d3c16b691ef-car-67",
    "places": 40,
    "drives": 1560,
    "unreachable": 12,
    "bound": RATIO,
    "guess": RATIO | {"median": 1.02, "belowShare": 0.4},
    "worst": [{"fromPoint": POINT, "toPoint": POINT, "road": "1500s", "bound": "1450s", "guess": "800s"}],
}
PARAMETER = {
    "name": "on_road_failure",
    "value": "ESTIMATE",
    "source": "TENANT",
    "description": "While the road engine cannot answer ...",
}


def test_the_estimate_against_the_roads_as_a_table(gateway: StubGateway, giro: Giro) -> None:
    gateway.on("GET", "/v1/travel:compare", COMPARED)
    ran = giro("roads", "compare", "--places", "60", "--mode", "bicycle")
    asked = {"places": ["60"], "travelMode": ["TRAVEL_MODE_BICYCLE"]}
    assert gateway.query_of("/v1/travel:compare") == asked
    assert "1560 drives between 40 places, 12 without a way; roads osrm-1d3c16b691ef-car-67" in ran.stdout
    bound = next(line for line in ran.stdout.splitlines() if "safe bound" in line)
    for figure in ("x 1.97", "x 2.60", "x 4.00", "x 6.50", "0.1 %"):
        assert figure in bound
    assert "40.0 %" in ran.stdout
    assert "47.14000,9.52000" in ran.stdout
    assert "25 min" in ran.stdout


def test_the_comparison_for_programs(gateway: StubGateway, giro: Giro) -> None:
    gateway.on("GET", "/v1/travel:compare", COMPARED)
    assert json.loads(giro("roads", "compare", "-o", "json").stdout) == COMPARED


def test_without_drives_there_are_no_figures(gateway: StubGateway, giro: Giro) -> None:
    nothing = {"bound": None, "guess": None, "worst": [], "drives": 0, "places": 1, "unreachable": 0}
    gateway.on("GET", "/v1/travel:compare", COMPARED | nothing)
    assert "0 drives between 1 places" in giro("roads", "compare").stdout


def test_what_happens_without_roads_is_read_and_set(gateway: StubGateway, giro: Giro) -> None:
    gateway.on("GET", "/v1/travelParameters/on_road_failure", PARAMETER)
    gateway.on("POST", "/v1/travelParameters", PARAMETER)
    assert "ESTIMATE" in giro("roads", "get", "on_road_failure").stdout
    giro("roads", "set", "on_road_failure", "ESTIMATE")
    assert gateway.body_of("/v1/travelParameters") == {"name": "on_road_failure", "value": "ESTIMATE"}


@pytest.mark.parametrize(
    ("state", "said", "code"),
    [("FOUND", "found", 0), ("NEEDS_PIN", "put a pin", 1), ("NOT_FOUND", "nothing is known", 1)],
)
def test_an_address_is_found_or_needs_a_pin(
    gateway: StubGateway, giro: Giro, state: str, said: str, code: int
) -> None:
    candidates = [{"point": POINT, "label": "Aeulestrasse 45", "confidence": 0.67}]
    answer = {"state": f"GEOCODE_STATE_{state}", "candidates": candidates, "source": "table-1"}
    gateway.on("POST", "/v1/places:geocode", answer)
    ran = giro("geo", "geocode", "Aeulestrasse 45, Vaduz", "--country", "li")
    assert ran.exit_code == code
    assert gateway.body_of("/v1/places:geocode") == {
        "address": "Aeulestrasse 45, Vaduz",
        "countryCode": "LI",
    }
    assert said in ran.stdout
    assert "0.67" in ran.stdout
    assert "Aeulestrasse 45" in ran.stdout


def test_a_graph_is_built_by_the_geo_services_own_program(
    giro: Giro, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    ran = giro("roads", "build", str(tmp_path / "none.osm.pbf"))
    assert ran.exit_code == 2
    assert "there is no file" in capfd.readouterr().err
