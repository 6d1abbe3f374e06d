"""Which geocoder is in use: what GIRO_GEOCODER may say."""

from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from geo.clients.known_places import Gazetteer, read_table
from geo.usecases.ports import Geocoder
from kit.settings import SettingsError

FORMS: Final = "table:FILE.csv, nominatim+http://HOST, photon+http://HOST or nothing"


def make_geocoder(geocoder: str) -> Geocoder:
    """The geocoder that the setting names; nothing: the towns of a packaged gazetteer.

    - `table:FILE.csv`: addresses of one's own, with columns name, lat, lon, street, housenumber;
    - `nominatim+http://HOST:PORT` or `photon+https://HOST`: a map service.

    Raises SettingsError for what cannot be used.
    """
    if not geocoder:
        return Gazetteer()
    if geocoder.startswith("table:"):
        return read_table(Path(geocoder.removeprefix("table:")))
    url = urlsplit(geocoder)
    kind, _, scheme = url.scheme.partition("+")
    if kind not in {"nominatim", "photon"} or scheme not in {"http", "https"} or not url.netloc:
        raise SettingsError(f"GIRO_GEOCODER: {geocoder} is not {FORMS}")
    from geo.clients.map_services import MapService  # brings aiohttp and requests along

    return MapService(kind, f"{scheme}://{url.netloc}{url.path}")
