"""Real roads: an OpenStreetMap extract becomes OSRM's contracted graph, once, under the state folder."""

import asyncio
import hashlib
import importlib.util
import os
import shutil
import sys
from pathlib import Path

from allinone.errors import StartFailed
from allinone.process import run_once
from allinone.progress import Progress

STEP = "roads"
SUFFIX = ".osm.pbf"


async def prepare(extract: Path, state: Path, progress: Progress) -> str:
    """Returns the base path of the graph for GIRO_ROADS. Raises StartFailed for what is no extract."""
    profile = _profile()
    _require_extract(extract)
    with progress.step(f"roads of {extract.name}") as step:
        digest = await asyncio.to_thread(_digest, extract)
        # the tool cuts paths at the first ".osrm": neither the folder nor the name may hold one
        folder = state.resolve() / "roads" / digest
        base = folder / "roads"
        if (folder / "ready").exists():
            step.result("prepared earlier")
            return str(base)
        _require_plain_path(folder)
        await _build(extract, folder, profile, progress)
        step.result("prepared")
    return str(base)


async def _build(extract: Path, folder: Path, profile: Path, progress: Progress) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    source = folder / f"roads{SUFFIX}"
    try:
        os.link(extract.resolve(), source)
    except OSError:
        shutil.copyfile(extract, source)
    log = folder / "osrm.log"
    with progress.step("  reading the extract"):
        extract_it = _osrm("extract", "-p", str(profile), str(source))
        await run_once(
            STEP, extract_it, log=log, advice="Is it a whole OpenStreetMap extract? Fetch it anew."
        )
    with progress.step("  contracting the graph"):
        await run_once(STEP, _osrm("contract", str(folder / "roads")), log=log)
    source.unlink()
    (folder / "ready").touch()


def _osrm(*words: str) -> list[str]:
    return [sys.executable, "-m", "osrm", *words]


def _profile() -> Path:
    found = importlib.util.find_spec("osrm")
    if found is None or found.origin is None:
        version = ".".join(map(str, sys.version_info[:2]))
        why = f"The road engine has no package for Python {version}; it needs 3.12 or newer."
        advice = "Install Python 3.12, remove .venv and start again; without ROADS= the estimate is used."
        raise StartFailed(STEP, why, advice)
    return Path(found.origin).parent / "share" / "profiles" / "car.lua"


def _require_extract(extract: Path) -> None:
    if not extract.is_file():
        raise StartFailed(STEP, f"There is no file {extract}.", "Give the path of an OpenStreetMap extract.")
    if not extract.name.endswith(SUFFIX):
        raise StartFailed(
            STEP, f"{extract.name} does not end in {SUFFIX}.", f"Give an extract in {SUFFIX} format."
        )


def _require_plain_path(folder: Path) -> None:
    if ".osrm" in str(folder):
        raise StartFailed(
            STEP, f"{folder} has .osrm in it, which OSRM cuts.", "Run from a folder with another name."
        )


def _digest(extract: Path) -> str:
    with extract.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()[:16]
