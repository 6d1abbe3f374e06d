"""A load that was cut off books the days that it had begun with."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from allinone.demo.began import Beginnings

BEFORE_MIDNIGHT = datetime(2026, 11, 22, 22, 59, 59, tzinfo=UTC)


def test_a_load_taken_up_after_midnight_keeps_its_days(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "demo.began"
    first = Beginnings(file).of("ten_1", BEFORE_MIDNIGHT)
    later = BEFORE_MIDNIGHT + timedelta(seconds=2)

    assert first == BEFORE_MIDNIGHT
    assert Beginnings(file).of("ten_1", later) == BEFORE_MIDNIGHT
    assert Beginnings(file).of("ten_2", later) == later  # another tenant, or another database
    assert Beginnings(file).of("ten_1", later) == BEFORE_MIDNIGHT


def test_an_unreadable_file_is_begun_anew(tmp_path: Path) -> None:
    file = tmp_path / "demo.began"
    file.write_text("{")

    assert Beginnings(file).of("ten_1", BEFORE_MIDNIGHT) == BEFORE_MIDNIGHT
    assert Beginnings(file).of("ten_1", BEFORE_MIDNIGHT + timedelta(days=1)) == BEFORE_MIDNIGHT
