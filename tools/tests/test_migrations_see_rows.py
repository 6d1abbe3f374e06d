"""A migration that reads or writes rows lifts the forced row-level security first: else it sees none."""

import ast
import re
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_MIGRATIONS = sorted(_ROOT.glob("services/*/*/storage/migrations/versions/*.py"))
_CHANGES = re.compile(
    r"\b(?:INSERT\s+INTO|DELETE\s+FROM|MERGE\s+INTO)\s+\S|\bUPDATE\s+\S+\s+(?:AS\s+)?(?:\w+\s+)?SET\b"
)
_MENDED = {"0006_package_steps.py": "0013_first_steps.py"}


def blind(source: str) -> list[str]:
    """The statements that change rows in a migration that lifts nothing."""
    if "NO FORCE ROW LEVEL SECURITY" in source:
        return []
    texts = [
        node.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    return [each for each in texts if _CHANGES.search(each)]


@pytest.mark.parametrize("path", _MIGRATIONS, ids=lambda path: f"{path.parents[4].name}-{path.stem[:4]}")
def test_no_migration_changes_rows_that_it_cannot_see(path: Path) -> None:
    if path.name in _MENDED:
        assert blind(path.read_text())
        assert not blind(path.with_name(_MENDED[path.name]).read_text())
        return
    assert blind(path.read_text()) == []


def test_the_test_knows_a_blind_one() -> None:
    assert blind('op.execute("UPDATE geo.legs SET seconds = 1")')
    assert blind('op.execute("INSERT INTO geo.legs (a)" " SELECT b FROM geo.stops")')
    assert not blind('op.execute("GRANT SELECT, UPDATE, DELETE ON geo.legs TO app")')
