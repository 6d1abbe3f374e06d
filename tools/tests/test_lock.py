"""requirements.txt: every package exact and hashed, no address, made for what is declared now."""

import pytest

from tools import lock

GOOD = "a==1.0 \\\n    --hash=sha256:00\n"


def sheet(body: str) -> str:
    return f"{lock.HEADER}{lock.declared()}\n{body}"


def test_the_committed_one_has_no_fault() -> None:
    assert lock.faults(lock.REQUIREMENTS.read_text()) == []


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ("b>=1 \\\n    --hash=sha256:00\n", "no exact version"),
        ("b==1\n", "with a hash"),
        (GOOD + "b==1 \\\n    --hash=sha256:11\nc==2\n", "c==2"),
        ("b @ ftp://host/b.whl \\\n    --hash=sha256:00\n", "address"),
        ("--index-url somewhere\n" + GOOD, "option of pip"),
        ("-e ./shared\n" + GOOD, "option of pip"),
    ],
)
def test_what_must_not_stand_in_it_is_found(body: str, word: str) -> None:
    assert any(word in fault for fault in lock.faults(sheet(body)))


def test_another_declaration_makes_it_stale() -> None:
    assert any("make lock" in fault for fault in lock.faults(f"{lock.HEADER}{'0' * 64}\n{GOOD}"))


def test_a_good_one_passes() -> None:
    assert lock.faults(sheet(GOOD)) == []
