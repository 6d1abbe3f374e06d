"""The files of a prepared road graph, and the stamp that says what they were made from."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from geo.domain.modes import TravelMode
from kit.settings import SettingsError

SUFFIXES: Final = (
    *("cnbg", "cnbg_to_ebg", "datasource_names", "ebg", "ebg_nodes", "edges", "enw", "fileIndex", "geometry"),
    *("hsgr", "icd", "maneuver_overrides", "names", "nbg_nodes", "properties", "ramIndex", "restrictions"),
    *("timestamp", "tld", "tls", "turn_duration_penalties", "turn_penalties_index", "turn_weight_penalties"),
)
"""What a prepared graph consists of: files `<base>.osrm.<suffix>`."""

NEEDED: Final = ("hsgr", "geometry", "properties", "ramIndex", "fileIndex", "nbg_nodes", "ebg_nodes")


@dataclass(frozen=True, slots=True)
class GraphStamp:
    """What a graph was made from, and what was found out about it.

    `data_version` is a digest of extract, profile and engine, and is in every answer of the graph; `files` a
    digest of the prepared files; `top_speed_kmh` bounds every drive along the straight line.
    """

    data_version: str
    extract: str
    profile: str
    engine: str
    files: str
    top_speed_kmh: float
    mode: TravelMode = TravelMode.CAR


def cut_in(folder: Path) -> str | None:
    """What the road engine cuts a path at, where a folder's whole path holds it: no graph can lie there."""
    return next((word for word in (".osrm", ".osm") if word in str(folder.resolve())), None)


def graph_hash(base: Path) -> str:
    """Twelve hex digits over the prepared files. Raises SettingsError when they are not all there."""
    missing = [suffix for suffix in NEEDED if not graph_file(base, suffix).is_file()]
    if missing:
        raise SettingsError(
            f"GIRO_ROADS: {base}.osrm.{missing[0]} is missing; prepare the extract with"
            " `giro roads build X.osm.pbf`"
        )
    digest = hashlib.sha256()
    for suffix in SUFFIXES:
        path = graph_file(base, suffix)
        if path.is_file():
            digest.update(suffix.encode() + file_digest(path))
    return digest.hexdigest()[:12]


def stamp_of(base: Path) -> GraphStamp | None:
    """The stamp of a graph; None for one that was prepared by hand.

    Raises SettingsError when the stamp cannot be read or the files are not those that were stamped.
    """
    path = stamp_file(base)
    if not path.is_file():
        return None
    try:
        stamp = GraphStamp(**json.loads(path.read_text(encoding="utf-8")))
        stamp = replace(stamp, mode=TravelMode(stamp.mode))
    except (ValueError, TypeError) as unreadable:
        raise SettingsError(f"GIRO_ROADS: the stamp {path} cannot be read: {unreadable}") from unreadable
    if stamp.files != graph_hash(base):
        raise SettingsError(f"GIRO_ROADS: the files of {base} are not those that {path.name} was written for")
    return stamp


def write_stamp(base: Path, stamp: GraphStamp) -> None:
    """Puts the stamp beside the graph."""
    stamp_file(base).write_text(json.dumps(asdict(stamp), indent=1) + "\n", encoding="utf-8")


def stamp_file(base: Path) -> Path:
    """Where the stamp is."""
    return base.with_name(f"{base.name}.stamp.json")


def graph_file(base: Path, suffix: str) -> Path:
    """One of the files of a graph."""
    return base.with_name(f"{base.name}.osrm.{suffix}")


def file_digest(path: Path) -> bytes:
    """SHA-256 of a file."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").digest()
