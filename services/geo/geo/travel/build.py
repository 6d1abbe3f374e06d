"""From an OpenStreetMap extract to a road graph with a version stamped on it."""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from time import monotonic
from typing import Final

import numpy as np

from geo.domain.modes import TravelMode
from geo.domain.places import Ints
from geo.travel import failures
from geo.travel.calibration import bound_kmh
from geo.travel.graph_files import (
    GraphStamp,
    cut_in,
    file_digest,
    graph_file,
    graph_hash,
    stamp_of,
    write_stamp,
)
from geo.travel.modes import PROFILES
from geo.travel.osrm_graph import OsrmGraph
from kit.errors import InvalidInput, Reason

FORMATS: Final = (".osm.pbf", ".osm.bz2", ".osm")
NAME: Final = "roads"
"""Name of the graph in its folder: `<folder>/roads.osrm.*`."""

_SAMPLE: Final = 300
_NO_ROADS: Final = "There are no edges remaining after parsing"

Tell = Callable[[str], None]


def build(extract: Path, folder: Path, tell: Tell, mode: TravelMode = TravelMode.CAR) -> GraphStamp:
    """Prepares the graph of one travel mode in a folder and stamps it; what is there already, of the same
    version, is kept.

    The folder is replaced as a whole, at the end: a failed build leaves what was there. `tell` gets a line
    for each step. Raises InvalidInput, naming `extract` or `folder`, for what no graph can be made of.
    """
    profile, engine = _profile(mode), metadata.version("osrm-bindings")
    _require_extract(extract)
    _require_folder(folder)
    source, rules = file_digest(extract).hex(), file_digest(profile).hex()
    version = hashlib.sha256(f"{source} {rules} {engine}".encode()).hexdigest()[:12]
    ready = _ready(folder, version)
    if ready is not None:
        tell(f"version {version} is there already")
        return ready
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".building-", dir=folder.parent) as work:
        base = _graph(extract, Path(work) / "graph", (version, profile), tell)
        with _step(tell, "finding the top speed"):
            top = bound_kmh(OsrmGraph(base, None).computed, _sample(base), mode)
        stamp = GraphStamp(version, source, rules, engine, graph_hash(base), top, mode)
        write_stamp(base, stamp)
        shutil.rmtree(folder, ignore_errors=True)
        base.parent.rename(folder)
    tell(f"version {version}: no drive is faster than {top:g} km/h along the straight line")
    return stamp


def _graph(extract: Path, work: Path, what: tuple[str, Path], tell: Tell) -> Path:
    """The contracted graph in a folder of its own, without the copy of the extract."""
    work.mkdir()
    source = work / f"{NAME}{_format(extract)}"
    try:
        os.link(extract.resolve(), source)
    except OSError:
        shutil.copyfile(extract, source)
    base = work / NAME
    version, profile = what
    with _step(tell, f"reading {extract.name}"):
        _run("extract", "--data_version", version, "-p", str(profile), str(source))
    with _step(tell, "contracting the graph"):
        _run("contract", str(base))
    source.unlink()
    return base


@contextmanager
def _step(tell: Tell, name: str) -> Iterator[None]:
    tell(f"{name} ...")
    began = monotonic()
    yield
    tell(f"{name}: done in {monotonic() - began:.1f} s")


def _run(*words: str) -> None:
    # nothing of the tool's own talk but its last word, when it fails
    done = subprocess.run([sys.executable, "-m", "osrm", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise _refused("extract", f"no road graph can be made of it: {_last_word(done.stdout + done.stderr)}")


def _last_word(talk: str) -> str:
    said = (
        [line for line in talk.splitlines() if "error" in line.lower()] or talk.splitlines() or ["no reason"]
    )
    if _NO_ROADS in said[-1]:
        return "it has no roads for this travel mode"
    return said[-1].rpartition("[error]")[2].strip().removeprefix("what():").strip()[:200]


def _sample(base: Path) -> Ints:
    """Places spread over the graph's own nodes, always the same ones."""
    with tarfile.open(graph_file(base, "nbg_nodes")) as archive:
        opened = archive.extractfile("/common/nbn_data/coordinates")
        if opened is None:
            raise failures.unavailable("the graph has no coordinates", str(base))
        nodes = np.frombuffer(opened.read(), dtype="<i4").reshape(-1, 2).astype(np.int64)
    some = np.random.default_rng(1).permutation(len(nodes))[:_SAMPLE]
    lng, lat = nodes[some].T
    return np.unique((lat + 90_000_000) << 32 | (lng + 180_000_000))


def _ready(folder: Path, version: str) -> GraphStamp | None:
    stamp = stamp_of(folder / NAME) if folder.is_dir() else None
    return stamp if stamp is not None and stamp.data_version == version else None


def _profile(mode: TravelMode) -> Path:
    found = find_spec("osrm")
    if found is None or found.origin is None:
        raise failures.unavailable("the road engine (osrm-bindings) needs Python 3.12 or newer", "osrm")
    return Path(found.origin).parent / "share" / "profiles" / PROFILES[mode]


def _format(extract: Path) -> str:
    return next((suffix for suffix in FORMATS if extract.name.endswith(suffix)), "")


def _require_extract(extract: Path) -> None:
    if not extract.is_file():
        raise _refused("extract", f"there is no file {extract}")
    if not _format(extract):
        raise _refused("extract", f"{extract.name} ends in none of {', '.join(FORMATS)}")
    if not extract.stat().st_size:
        raise _refused("extract", f"{extract.name} is empty")


def _require_folder(folder: Path) -> None:
    cut = cut_in(folder)
    if cut:
        raise _refused("folder", f"{folder} has {cut} in it, which the road engine cuts paths at")
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not _is_graph(folder))):
        raise _refused("folder", f"{folder} is there already and holds no road graph")


def _is_graph(folder: Path) -> bool:
    return graph_file(folder / NAME, "properties").is_file()


def _refused(field: str, why: str) -> InvalidInput:
    return InvalidInput(Reason.INVALID_FIELD, why, field=field)
