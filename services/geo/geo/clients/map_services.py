"""Geocoding by a map service over HTTP, through geopy's clients: Nominatim and Photon."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from geopy.adapters import BaseAsyncAdapter
from geopy.exc import GeopyError
from geopy.geocoders import Nominatim, Photon

from geo.domain.geocoding import MOST, Candidate, Precision, confidence
from kit.errors import Reason, Unavailable
from kit.values.latlng import LatLng
from kit.web.breaker import Breaker
from kit.web.json_server import Answer, JsonServer, Nonsense, Question

_MOST_BYTES: Final = 2_000_000
_TIMEOUT_S: Final = 5.0

_HOUSES: Final = frozenset({"house", "building", "amenity", "shop", "office", "place_of_worship", "tourism"})
_STREETS: Final = frozenset({"road", "street"})
_TOWNS: Final = frozenset(
    {
        "city",
        "town",
        "village",
        "hamlet",
        "suburb",
        "quarter",
        "neighbourhood",
        "district",
        "locality",
        "postcode",
    }
)


class MapService:
    """A Nominatim or a Photon of one's own, or of somebody who allows it. `kind` is one of the two."""

    def __init__(self, kind: str, url: str, *, breaker: Breaker | None = None) -> None:
        parts = urlsplit(url)
        self.source = kind
        self._server = JsonServer("geocoder", "", refuse, timeout=_TIMEOUT_S, breaker=breaker)
        options = {
            "domain": f"{parts.netloc}{parts.path}".rstrip("/"),
            "scheme": parts.scheme,
            "user_agent": "giro",
            "adapter_factory": self._adapter,
        }
        self._photon = Photon(**options) if kind == "photon" else None
        self._nominatim = Nominatim(**options) if kind == "nominatim" else None

    async def find(self, address: str, country: str) -> list[Candidate]:
        """What the address may mean, surest first. Raises Unavailable (SERVICE_UNAVAILABLE)."""
        try:
            found = await self._ask(address, country)
        except GeopyError as failure:
            raise refuse(f"the geocoder answered nonsense: {failure}") from failure
        return [
            _candidate(address, one.raw, one.address, one) for one in found or () if _of(one.raw, country)
        ]

    async def close(self) -> None:
        """Ends the connections."""
        await self._server.close()

    async def _ask(self, address: str, country: str) -> Any:
        if self._photon is not None:
            return await self._photon.geocode(address, exactly_one=False, limit=MOST)
        assert self._nominatim is not None
        countries = [country.lower()] if country else None
        return await self._nominatim.geocode(
            address, exactly_one=False, limit=MOST, addressdetails=True, country_codes=countries
        )

    def _adapter(self, *, proxies: object, ssl_context: object) -> "_Adapter":
        return _Adapter(self._server)


class _Adapter(BaseAsyncAdapter):  # type: ignore[misc]
    """geopy's way out, by our client: its time-out, its breaker, its bound on the answer."""

    def __init__(self, server: JsonServer) -> None:
        super().__init__(proxies=None, ssl_context=None)
        self._server = server

    async def get_json(self, url: str, *, timeout: object, headers: Mapping[str, str]) -> Any:
        """The document at a URL."""
        return await self._server.ask(Question(url, _MOST_BYTES, headers=headers), _read)

    async def get_text(self, url: str, *, timeout: object, headers: Mapping[str, str]) -> str:
        """No geocoder here answers with text."""
        raise NotImplementedError


def refuse(what: str) -> Unavailable:
    """The error of a geocoder that cannot answer."""
    return Unavailable(Reason.SERVICE_UNAVAILABLE, what, metadata={"service": "geocoder"})


def _read(answer: Answer) -> Any:
    """A list of Nominatim's, or a collection of Photon's; checked before geopy reads them on trust."""
    found = answer.document
    if answer.status != 200:
        raise Nonsense(f"status {answer.status}")
    places = found.get("features") if isinstance(found, dict) else found
    if not isinstance(places, list) or not all(_readable(place) for place in places):
        raise Nonsense("not a list of places")
    return found


def _readable(place: Any) -> bool:
    try:
        if "geometry" in place:
            lng, lat = place["geometry"]["coordinates"]
            named = isinstance(place["properties"], dict)
        else:
            lat, lng = float(place["lat"]), float(place["lon"])
            named = isinstance(place["display_name"], str)
        LatLng(lat, lng)
    except (KeyError, TypeError, ValueError):
        return False
    return named


def _candidate(asked: str, raw: Mapping[str, Any], label: str, where: Any) -> Candidate:
    place = LatLng(float(where.latitude), float(where.longitude)).key
    return Candidate(place, label, confidence(asked, f"{label} {_number(raw)}", _precision(raw)))


def _number(raw: Mapping[str, Any]) -> str:
    return str(raw.get("properties", {}).get("housenumber") or "")


def _precision(raw: Mapping[str, Any]) -> Precision:
    """By what the service says it found: `addresstype` of Nominatim, `type` of Photon."""
    kind = str(raw.get("addresstype") or raw.get("properties", {}).get("type") or "")
    if kind in _HOUSES or raw.get("address", {}).get("house_number"):
        return Precision.HOUSE
    if kind in _STREETS:
        return Precision.STREET
    return Precision.TOWN if kind in _TOWNS else Precision.REGION


def _of(raw: Mapping[str, Any], country: str) -> bool:
    """Whether a place lies in the country that was asked for; Photon cannot be told."""
    code = raw.get("properties", {}).get("countrycode") or raw.get("address", {}).get("country_code")
    return not country or not isinstance(code, str) or code.upper() == country
