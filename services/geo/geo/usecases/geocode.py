"""Finds the place of an address, and says whether somebody has to pin it first (GEO-18)."""

from geo.domain.geocoding import Verdict, verdict
from geo.domain.parameters import GEOCODING_CONFIDENCE
from geo.usecases.parameters import effective
from geo.usecases.ports import Geocoder
from kit.db.engine import Database


async def geocode(db: Database, geocoder: Geocoder, tenant: str, asked: tuple[str, str]) -> Verdict:
    """What an (address, country) means. Raises Unavailable (SERVICE_UNAVAILABLE) when nobody answers."""
    least = (await effective(db, tenant, GEOCODING_CONFIDENCE)).value
    return verdict(await geocoder.find(*asked), least)
