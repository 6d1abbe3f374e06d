"""Roads: what is no extract, and what cannot be prepared here, is said before anything is built."""

import importlib.util
from pathlib import Path

import pytest

from allinone import roads
from allinone.errors import StartFailed
from allinone.progress import Silent

pytestmark = pytest.mark.asyncio

with_engine = pytest.mark.skipif(
    importlib.util.find_spec("osrm") is None, reason="the road engine has no package for this Python"
)


@pytest.fixture
def extract(tmp_path: Path) -> Path:
    made = tmp_path / "town.osm.pbf"
    made.write_bytes(b"no extract at all")
    return made


@with_engine
async def test_a_missing_file_and_another_format_are_refused(tmp_path: Path, extract: Path) -> None:
    with pytest.raises(StartFailed, match="There is no file"):
        await roads.prepare(tmp_path / "none.osm.pbf", tmp_path, Silent())
    other = extract.rename(tmp_path / "town.osm.bz2")
    with pytest.raises(StartFailed, match=r"\.osm\.pbf"):
        await roads.prepare(other, tmp_path, Silent())


@with_engine
async def test_a_damaged_extract_fails_with_the_tools_own_words_and_is_not_taken_for_ready(
    tmp_path: Path, extract: Path
) -> None:
    with pytest.raises(StartFailed, match="PBF error"):
        await roads.prepare(extract, tmp_path, Silent())
    assert not [found for found in (tmp_path / "roads").iterdir() if found.is_dir()], "taken for ready"
    assert extract.exists()


@with_engine
async def test_a_folder_that_the_tool_would_cut_is_refused(tmp_path: Path, extract: Path) -> None:
    with pytest.raises(StartFailed, match="another name"):
        await roads.prepare(extract, tmp_path / "my.osrm.files", Silent())


async def test_without_an_engine_the_version_that_is_needed_is_named(
    tmp_path: Path, extract: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(StartFailed, match=r"needs 3\.12"):
        await roads.prepare(extract, tmp_path, Silent())
