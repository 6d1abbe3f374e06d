"""Geocoders behind one port: tables, the gazetteer, and map services at a peer of the tests' own."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from geo.clients.geocoders import make_geocoder
from geo.clients.map_services import MapService
from geo.usecases.ports import Geocoder
from kit.errors import Reason, Unavailable
from kit.settings import SettingsError
from kit.testing.ports import free_port
from kit.values.latlng import LatLng
from services.geo.tests.support.web import Reply, Request, serving

pytestmark = pytest.mark.asyncio

ASKED = "Aeulestrasse 45, Vaduz"
THERE = LatLng(47.141, 9.521)
TABLE = "id,name,lat,lon,street,housenumber,city,country\n" + "\n".join(
    [
        "n1,,47.141,9.521,Aeulestrasse,45,Vaduz,LI",
        "n2,Hotel Real,47.142,9.522,,,Vaduz,LI",
        "n3,,47.2,9.6,Aeulestrasse,,Schaan,LI",
        "n4,,46.0,8.0,Aeulestrasse,45,Vaduz,CH",
    ]
)


def nominatim(request: Request) -> Reply:
    """As Nominatim's search answers in format=json."""
    assert (request.path, request.query["format"]) == ("/search", "json")
    assert request.query["addressdetails"] == "1"
    assert request.headers["user-agent"] == "giro"
    if request.query.get("countrycodes") == "it" or "Vaduz" not in request.query["q"]:
        return Reply(200, [])
    return Reply(
        200,
        [
            {
                "place_id": 1,
                "lat": "47.141",
                "lon": "9.521",
                "addresstype": "building",
                "display_name": "45, Aeulestrasse, Vaduz, Oberland, 9490, Liechtenstein",
                "address": {"house_number": "45", "road": "Aeulestrasse", "country_code": "li"},
            },
            {
                "place_id": 2,
                "lat": "47.14",
                "lon": "9.52",
                "addresstype": "town",
                "display_name": "Vaduz, Oberland, Liechtenstein",
                "address": {"country_code": "li"},
            },
        ],
    )


def photon(request: Request) -> Reply:
    """As Photon's api answers."""
    assert request.path == "/api"
    if "Vaduz" not in request.query["q"]:
        return Reply(200, {"type": "FeatureCollection", "features": []})
    house = {"street": "Aeulestrasse", "housenumber": "45", "city": "Vaduz", "type": "house"}
    town = {"name": "Vaduz", "country": "Liechtenstein", "type": "city"}
    return Reply(200, {"features": [_feature(house, 9.521, 47.141), _feature(town, 9.52, 47.14)]})


def _feature(properties: dict[str, str], lng: float, lat: float) -> dict[str, Any]:
    named = {"countrycode": "LI", "country": "Liechtenstein"} | properties
    return {"geometry": {"type": "Point", "coordinates": [lng, lat]}, "properties": named}


SERVICES = {"nominatim": nominatim, "photon": photon}


@pytest_asyncio.fixture(params=["table", *SERVICES])
async def geocoder(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Geocoder]:
    if request.param == "table":
        path = tmp_path / "places.csv"
        path.write_text(TABLE)
        yield make_geocoder(f"table:{path}")
        return
    async with serving(SERVICES[request.param]) as web:
        made = make_geocoder(f"{request.param}+{web.url}")
        yield made
        await made.close()


# --- the contract


async def test_a_house_is_found_and_the_surest_comes_first(geocoder: Geocoder) -> None:
    found = await geocoder.find(ASKED, "LI")
    assert found[0].place == THERE.key
    assert found[0].confidence == 1.0
    assert "Aeulestrasse" in found[0].label
    assert all(one.confidence < 1.0 for one in found[1:])
    assert geocoder.source


async def test_an_unknown_address_is_no_error(geocoder: Geocoder) -> None:
    assert await geocoder.find("Nowhere Lane 7", "") == []


async def test_another_country_is_not_meant(geocoder: Geocoder) -> None:
    assert await geocoder.find(ASKED, "IT") == []


# --- tables


async def test_one_address_in_two_countries_is_found_twice(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text(TABLE)
    found = await make_geocoder(f"table:{tmp_path / 'p.csv'}").find(ASKED, "")
    assert [one.confidence for one in found[:2]] == [1.0, 1.0]


async def test_the_gazetteer_knows_towns_and_is_never_exact_enough(tmp_path: Path) -> None:
    found = await make_geocoder("").find("Vaduz", "LI")
    assert LatLng.from_key(found[0].place).lat == pytest.approx(47.14, abs=0.02)
    assert found[0].confidence <= 0.3


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "has no column"),
        ("name,lat,lon,street\n", "housenumber"),
        ("name,lat,lon,street,housenumber\n", "is empty"),
        ("name,lat,lon,street,housenumber\nA,91,0,S,1\n", "line 2: lat"),
        ("name,lat,lon,street,housenumber\nA,x,0,S,1\n", "line 2"),
        ("name,lat,lon,street,housenumber\nA\n", "line 2"),
    ],
)
async def test_a_table_is_refused_with_its_line(tmp_path: Path, content: str, why: str) -> None:
    (tmp_path / "p.csv").write_text(content)
    with pytest.raises(SettingsError, match=why):
        make_geocoder(f"table:{tmp_path / 'p.csv'}")


@pytest.mark.parametrize(
    "said", ["google+http://h", "nominatim+ftp://h", "photon+http://", "table:/none.csv"]
)
async def test_what_cannot_be_a_geocoder_is_refused_at_the_start(said: str) -> None:
    with pytest.raises(SettingsError, match="GIRO_GEOCODER"):
        make_geocoder(said)


# --- map services at fault


@pytest.mark.parametrize(
    "answer",
    [
        Reply(200, b"<html>"),
        Reply(200, {"error": "x"}),
        Reply(200, [{"lat": "NaN", "lon": "1", "display_name": "a"}]),
        Reply(200, [{"lat": "91", "lon": "1", "display_name": "a"}]),
        Reply(200, [{"lat": "45"}]),
        Reply(200, {"features": [{"geometry": {"coordinates": [7.0]}, "properties": {}}]}),
        Reply(200, {"features": [{"geometry": {"coordinates": [7, 45]}, "properties": "x"}]}),
        Reply(429, []),
        Reply(500, []),
    ],
)
@pytest.mark.parametrize("kind", SERVICES)
async def test_nonsense_of_a_map_service_is_refused(kind: str, answer: Reply) -> None:
    async with serving(lambda _: answer) as web:
        assert "answered nonsense" in await refused(MapService(kind, web.url))


@pytest.mark.parametrize("kind", SERVICES)
async def test_a_dead_map_service_is_unavailable(kind: str) -> None:
    assert "cannot be reached" in await refused(MapService(kind, f"http://127.0.0.1:{free_port()}"))


async def test_a_map_service_that_fails_is_left_alone() -> None:
    async with serving(lambda _: Reply(500, [])) as web:
        service = MapService("photon", web.url)
        for _ in range(3):
            await refusal(service)
        asked = len(web.requests)
        assert "left alone" in await refused(service)
        assert len(web.requests) == asked


async def refusal(service: MapService) -> Unavailable:
    with pytest.raises(Unavailable) as failure:
        await service.find(ASKED, "")
    assert failure.value.reason is Reason.SERVICE_UNAVAILABLE
    assert failure.value.metadata["service"] == "geocoder"
    return failure.value


async def refused(service: MapService) -> str:
    message = (await refusal(service)).message
    await service.close()
    return message


async def test_the_address_reaches_the_service_as_it_was_written() -> None:
    async with serving(lambda _: Reply(200, [])) as web:
        service = MapService("nominatim", web.url)
        await service.find("Città di Castello & Söhne, 3/a", "")
        assert web.requests[0].query["q"] == "Città di Castello & Söhne, 3/a"
        await service.close()
