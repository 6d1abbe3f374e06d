"""`giro roads build`: a graph with a version stamped on it, or a named refusal and nothing half-made."""

import subprocess
import sys
from pathlib import Path

import pytest

from geo.travel.build import NAME, build
from geo.travel.graph_files import stamp_of
from kit.errors import InvalidInput
from services.geo.tests.support import tiny_roads

pytestmark = pytest.mark.skipif(
    not tiny_roads.has_osrm(), reason="the road engine has no wheel for this Python"
)


@pytest.fixture
def extract(tmp_path: Path) -> Path:
    return tiny_roads.write_map(tmp_path)


def refused(extract: Path, folder: Path) -> InvalidInput:
    with pytest.raises(InvalidInput) as failure:
        build(extract, folder, lambda _: None)
    return failure.value


def test_a_graph_is_stamped_with_what_it_was_made_from_and_each_step_is_told(
    extract: Path, tmp_path: Path
) -> None:
    told: list[str] = []
    stamp = build(extract, tmp_path / "graph", told.append)
    assert stamp_of(tmp_path / "graph" / NAME) == stamp
    assert [line.partition(":")[0].removesuffix(" ...") for line in told] == [
        *["reading tiny.osm"] * 2,
        *["contracting the graph"] * 2,
        *["finding the top speed"] * 2,
        f"version {stamp.data_version}",
    ]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".building")] == []
    assert not (tmp_path / "graph" / "roads.osm").exists()


def test_the_version_is_of_extract_profile_and_engine_and_made_once(extract: Path, tmp_path: Path) -> None:
    first = build(extract, tmp_path / "one", lambda _: None)
    told: list[str] = []
    assert build(extract, tmp_path / "one", told.append) == first
    assert told == [f"version {first.data_version} is there already"]
    assert build(extract, tmp_path / "two", lambda _: None).data_version == first.data_version
    extract.write_text(extract.read_text().replace('lat="45.0"', 'lat="45.0001"'))
    newer = build(extract, tmp_path / "one", lambda _: None)
    assert newer.data_version != first.data_version
    assert stamp_of(tmp_path / "one" / NAME) == newer


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("none.osm.pbf", None, "no file"),
        ("other.txt", b"x", "ends in none of"),
        ("empty.osm.pbf", b"", "is empty"),
        ("cut.osm.pbf", b"\0\0\0\x0d\x0a\x09OSMHeader\x18", "no road graph"),
        ("text.osm.pbf", b"no extract at all", "no road graph"),
        ("bare.osm", b'<?xml version="1.0"?><osm version="0.6"></osm>', "has no roads for this travel mode"),
        ("open.osm", b'<?xml version="1.0"?><osm version="0.6"><node', "made of it: XML parsing error"),
    ],
)
def test_an_extract_without_roads_is_refused_by_name(
    tmp_path: Path, name: str, content: bytes | None, why: str
) -> None:
    extract = tmp_path / name
    if content is not None:
        extract.write_bytes(content)
    failure = refused(extract, tmp_path / "graph")
    assert why in failure.message
    assert failure.violations[0].field == "extract"
    assert sorted(path.name for path in tmp_path.iterdir()) == ([name] if content is not None else [])


def test_a_failed_build_leaves_the_graph_that_was_there(extract: Path, tmp_path: Path) -> None:
    stamp = build(extract, tmp_path / "graph", lambda _: None)
    extract.write_text('<?xml version="1.0"?><osm version="0.6"></osm>')
    refused(extract, tmp_path / "graph")
    assert stamp_of(tmp_path / "graph" / NAME) == stamp


def test_a_folder_of_something_else_is_never_replaced(extract: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"cat")
    assert "holds no road graph" in refused(extract, tmp_path / "photos").message
    for folder in (tmp_path / "my.osrm.graph", tmp_path / "my.osm.d" / "graph"):
        assert "cuts paths" in refused(extract, folder).message
    assert (tmp_path / "photos" / "cat.jpg").exists()


def test_the_program_prints_what_to_set_and_refuses_with_a_sentence(extract: Path, tmp_path: Path) -> None:
    ran = program("build", str(extract))
    assert ran.returncode == 0
    assert f"GIRO_ROADS={tmp_path / 'tiny-roads' / NAME}" in ran.stdout
    failed = program("build", str(tmp_path / "none.osm"))
    assert failed.returncode == 2
    assert failed.stderr.startswith("geo: ")
    assert "no file" in failed.stderr


def program(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "geo", "roads", *words], capture_output=True, text=True, check=False
    )
