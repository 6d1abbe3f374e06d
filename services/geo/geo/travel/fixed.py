"""Travel times from a file: for places that somebody else measured, and for worked examples."""

import csv
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np

from geo.domain.drives import UNREACHABLE
from geo.domain.legs import Pair
from geo.domain.matrix import Entry
from geo.domain.modes import TravelMode
from geo.domain.places import Bools, Ints, Places
from geo.domain.stop import TravelSource
from geo.travel.engine import Settled
from kit.settings import SettingsError
from kit.values.latlng import LatLng

COLUMNS: Final = ("from_lat", "from_lng", "to_lat", "to_lng", "seconds", "metres")
LONGEST_S: Final = 86_400


class FixedMatrix(Settled):
    """Each direction of a pair is an entry of its own; a pair without an entry has no way: the file is all
    there is."""

    source: Final = TravelSource.MATRIX
    symmetric: Final = False

    def __init__(self, entries: Mapping[Pair, Entry], mode: TravelMode = TravelMode.CAR) -> None:
        self.mode = mode
        self._entries = dict(entries)
        listed = sorted((a, b, seconds, metres) for (a, b), (seconds, metres) in entries.items())
        of_mode = "" if mode is TravelMode.CAR else f"-{mode}"
        self.version = f"fixed-{hashlib.sha256(repr(listed).encode()).hexdigest()[:12]}{of_mode}"
        columns = np.array(listed, dtype=np.int64).reshape(-1, 4).T
        self._places = np.unique(columns[:2])
        # in order, since the list is
        self._codes = self._code(columns[0], columns[1])
        # to take from a view of the rows would copy all of them each time
        self._answers = np.ascontiguousarray(columns[2:])

    async def measure(self, froms: Places, tos: Places) -> tuple[Ints, Ints]:
        """Seconds and metres of each drive."""
        at, known = self._found(froms, tos)
        seconds, metres = self._answers.take(at, axis=1)
        return np.where(known, seconds, UNREACHABLE), np.where(known, metres, 0)

    def drive(self, from_place: int, to_place: int) -> tuple[int, int]:
        """Seconds and metres of one drive."""
        return self._entries.get((from_place, to_place), (UNREACHABLE, 0))

    def floor(self, froms: Places, tos: Places) -> Ints:
        """The drives themselves; longer than any where there is no way."""
        at, known = self._found(froms, tos)
        seconds = self._answers[0].take(at)
        return np.where(known & (seconds != UNREACHABLE), seconds, LONGEST_S)

    def _found(self, froms: Places, tos: Places) -> tuple[Ints, Bools]:
        """Where the entry of each pair is, and whether there is one."""
        wanted = self._code(froms.keys, tos.keys)
        at = np.minimum(self._codes.searchsorted(wanted), len(self._codes) - 1)
        return at, self._codes.take(at) == wanted

    def _code(self, froms: Ints, tos: Ints) -> Ints:
        """One number for each pair of the file's places; -1 for any other pair."""
        row, column = self._places.searchsorted(froms), self._places.searchsorted(tos)
        last = len(self._places) - 1
        named = (self._places.take(np.minimum(row, last)) == froms) & (
            self._places.take(np.minimum(column, last)) == tos
        )
        return np.where(named, row * len(self._places) + column, -1)


def read_matrix(path: Path) -> dict[Pair, Entry]:
    """Entries of a CSV file with a header of COLUMNS; empty seconds: no way.

    Raises SettingsError, naming the line, for what cannot be a matrix.
    """
    entries: dict[Pair, Entry] = {}
    try:
        with path.open(encoding="utf-8", newline="") as opened:
            rows = csv.DictReader(opened, strict=True)
            if tuple(rows.fieldnames or ()) != COLUMNS:
                raise SettingsError(f"GIRO_ROADS: the first line of {path} is not {','.join(COLUMNS)}")
            for row in rows:
                pair, entry = _row(path, rows.line_num, row)
                if pair in entries:
                    raise SettingsError(
                        f"GIRO_ROADS: {path}, line {rows.line_num}: the pair was there before"
                    )
                entries[pair] = entry
    except (OSError, UnicodeDecodeError, csv.Error) as unreadable:
        raise SettingsError(f"GIRO_ROADS: the matrix {path} cannot be read: {unreadable}") from unreadable
    if not entries:
        raise SettingsError(f"GIRO_ROADS: the matrix {path} is empty")
    return entries


def _row(path: Path, line: int, row: Mapping[str, str]) -> tuple[Pair, Entry]:
    try:
        origin = LatLng(float(row["from_lat"]), float(row["from_lng"]))
        target = LatLng(float(row["to_lat"]), float(row["to_lng"]))
        if not row["seconds"]:
            return (origin.key, target.key), (UNREACHABLE, 0)
        seconds, metres = int(row["seconds"]), int(row["metres"])
    except (ValueError, TypeError, KeyError) as wrong:
        raise SettingsError(f"GIRO_ROADS: {path}, line {line}: {wrong}") from wrong
    if not (0 <= seconds < LONGEST_S and 0 <= metres <= 10_000_000):
        raise SettingsError(f"GIRO_ROADS: {path}, line {line}: seconds or metres are out of bounds")
    return (origin.key, target.key), (seconds, metres)
