"""Workers beyond the first two start no stack while there is anything else to do."""

from kit.testing.workers import first_without_stack


def test_a_file_across_services_is_passed_over() -> None:
    files = ["tests/failures/test_storm.py", "services/geo/tests/test_storm.py", "shared/tests/test_rpc.py"]
    assert first_without_stack(files) == files[1]


def test_nothing_else_is_left() -> None:
    assert first_without_stack(["tests/failures/test_storm.py"]) is None
    assert first_without_stack([]) is None
