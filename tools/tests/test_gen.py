"""The generated code: what is committed is what the contracts give, and a difference is told by name."""

from pathlib import Path

import pytest

from tools import gen


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    gen.generate(tmp_path)
    return tmp_path


def test_what_is_committed_is_what_the_contracts_give(fresh: Path) -> None:
    assert gen.differences(fresh) == []


def test_a_missing_a_foreign_and_a_changed_file_are_each_named(fresh: Path) -> None:
    changed = fresh / "giro/common/v1/errors_pb2.py"
    changed.write_text(changed.read_text() + "# edited by hand\n")
    (fresh / "giro/common/v1/access_pb2.py").unlink()
    (fresh / "giro/common/v1/new_pb2.py").write_text("")

    assert gen.differences(fresh) == [
        "differs: shared/giro/common/v1/errors_pb2.py",
        "missing: shared/giro/common/v1/new_pb2.py",
        "no contract for: shared/giro/common/v1/access_pb2.py",
    ]
