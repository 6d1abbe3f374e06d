"""Files of people to visit, as CSV."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cli import reading
from cli.errors import BadArgument
from cli.gateway import Json

TEXTS: Final = {
    "name": "displayName",
    "phone": "phone",
    "address": "address",
    "email": "email",
    "language": "language",
    "zone": "zone",
    "postcode": "postcode",
}
"""Columns that are passed on as they are, and the field of each."""

COLUMNS: Final = (*TEXTS, "lat", "lon")
MOST_AT_ONCE: Final = 200
"""People of one request: so many addresses are looked up at once."""


def contacts_in(file: Path) -> list[Json]:
    """The people of a file whose first line names its columns: `name`, and `lat` with `lon` or `address`.

    Raises BadArgument naming line and column.
    """
    try:
        with file.open(newline="", encoding="utf-8-sig") as opened:
            return list(_contacts(csv.DictReader(opened), file.name))
    except (OSError, UnicodeDecodeError, csv.Error) as unreadable:
        raise BadArgument(f"{file} cannot be read: {unreadable}", "give a CSV file in UTF-8") from None


def _contacts(rows: "csv.DictReader[str]", name: str) -> Iterator[Json]:
    unknown = set(rows.fieldnames or ()) - set(COLUMNS)
    if unknown or "name" not in (rows.fieldnames or ()):
        what = f"has the unknown columns {', '.join(sorted(map(str, unknown)))}" if unknown else "has no name"
        raise BadArgument(f"{name}, line 1, {what}", f"columns are {', '.join(COLUMNS)}")
    for row in rows:
        yield _contact(row, f"{name}, line {rows.line_num}")


def _contact(row: dict[str, str], where: str) -> Json:
    cells = {column: (row.get(column) or "").strip() for column in COLUMNS}
    if None in row:
        raise BadArgument(f"{where}: too many cells", f"columns are {', '.join(COLUMNS)}")
    if not cells["name"]:
        raise BadArgument(f"{where}: name is empty", "everybody has one")
    person: Json = {field: cells[column] for column, field in TEXTS.items() if cells[column]}
    if cells["lat"] or cells["lon"]:
        point = reading.place(f"{cells['lat']},{cells['lon']}", f"{where}, lat and lon")
        person["point"] = {"latitude": point.lat, "longitude": point.lng}
    elif not cells["address"]:
        raise BadArgument(f"{where}: neither address nor lat and lon", "one of them tells where the visit is")
    return person
