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
from geo.travel.known_drives import NO_DRIVES, Fan, Hub
from kit.settings import SettingsError
from kit.values.latlng import LatLng

COLUMNS: Final = ("from_lat", "from_lng", "to_lat", "to_lng", "seconds", "metres")
LONGEST_S: Final = 86_400
_NO_WAY: Final = UNREACHABLE, 0


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
        self._fans = _fans(np.array(listed, dtype=np.int64).reshape(-1, 4))

    async def measure(self, froms: Places, tos: Places) -> tuple[Ints, Ints]:
        """Seconds and metres of each drive."""
        if len(froms) != 1 and len(tos) != 1:
            pairs = zip(froms.keys.tolist(), tos.keys.tolist(), strict=True)
            drives = [self._entries.get(pair, _NO_WAY) for pair in pairs]
            seconds, metres = np.array(drives, dtype=np.int64).reshape(-1, 2).T
            return seconds, metres
        fan, at, known = self._around(froms, tos)
        return np.where(known, fan.seconds.take(at), UNREACHABLE), fan.metres.take(at) * known

    def drive(self, from_place: int, to_place: int) -> tuple[int, int]:
        """Seconds and metres of one drive."""
        return self._entries.get((from_place, to_place), _NO_WAY)

    def floor(self, froms: Places, tos: Places) -> Ints:
        """The drives themselves; longer than any where there is no way."""
        fan, at, known = self._around(froms, tos)
        seconds = fan.seconds.take(at)
        return np.where(known & (seconds != UNREACHABLE), seconds, LONGEST_S)

    def _around(self, froms: Places, tos: Places) -> tuple[Fan, Ints, Bools]:
        """The drives that the side of one place has, where those to the other side are among them, and
        whether they are."""
        inward = len(tos) == 1
        (hub,), others = (tos.keys.tolist(), froms) if inward else (froms.keys.tolist(), tos)
        fan = self._fans.get(Hub(hub, inward), NO_DRIVES)
        return fan, *fan.find(others.keys)


def _fans(listed: Ints) -> dict[Hub, Fan]:
    """The drives around each place, from rows of origin, target, seconds and metres."""
    fans: dict[Hub, Fan] = {}
    for inward in (False, True):
        common, other = int(inward), int(not inward)
        ordered = listed[np.lexsort((listed[:, other], listed[:, common]))]
        hubs, first = np.unique(ordered[:, common], return_index=True)
        for hub, rows in zip(hubs.tolist(), np.split(ordered, first)[1:], strict=True):
            fans[Hub(hub, inward)] = NO_DRIVES.widened(rows[:, other], rows[:, 2], rows[:, 3])
    return fans


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
