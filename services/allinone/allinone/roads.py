"""Real roads: an OpenStreetMap extract becomes a stamped road graph, once, under the state folder."""

import asyncio
import hashlib
import importlib.util
import sys
from pathlib import Path

from allinone.errors import StartFailed
from allinone.process import run_once
from allinone.progress import Progress
from geo.travel.graph_files import cut_in

STEP = "roads"
SUFFIX = ".osm.pbf"


async def prepare(extract: Path, state: Path, progress: Progress) -> str:
    """Returns the base path of the graph for GIRO_ROADS. Raises StartFailed for what is no extract."""
    _require_engine()
    _require_extract(extract)
    with progress.step(f"roads of {extract.name}") as step:
        digest = await asyncio.to_thread(_digest, extract)
        folder = state.resolve() / "roads" / digest
        _require_plain_path(folder)
        earlier = folder.is_dir()
        await _build(extract, folder)
        step.result("prepared earlier" if earlier else "prepared")
    return str(folder / "roads")


async def _build(extract: Path, folder: Path) -> None:
    """As `giro roads build` does; what is there already, of the same version, is kept."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    build = [sys.executable, "-m", "geo", "roads", "build", str(extract), "--into", str(folder)]
    log = folder.with_suffix(".log")
    await run_once(STEP, build, log=log, advice="Is it a whole OpenStreetMap extract? Fetch it anew.")


def _require_engine() -> None:
    if importlib.util.find_spec("osrm") is not None:
        return
    version = ".".join(map(str, sys.version_info[:2]))
    why = f"The road engine has no package for Python {version}; it needs 3.12 or newer."
    advice = "Install Python 3.12, remove .venv and start again; without ROADS= the estimate is used."
    raise StartFailed(STEP, why, advice)


def _require_extract(extract: Path) -> None:
    if not extract.is_file():
        raise StartFailed(STEP, f"There is no file {extract}.", "Give the path of an OpenStreetMap extract.")
    if not extract.name.endswith(SUFFIX):
        raise StartFailed(
            STEP, f"{extract.name} does not end in {SUFFIX}.", f"Give an extract in {SUFFIX} format."
        )


def _require_plain_path(folder: Path) -> None:
    cut = cut_in(folder)
    if cut:
        raise StartFailed(
            STEP, f"{folder} has {cut} in it, which OSRM cuts.", "Use a folder with another name."
        )


def _digest(extract: Path) -> str:
    with extract.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()[:16]
