"""What is told of drives, reading after reading, against what a calendar program makes of it."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from booking.domain.agent_calendar import Drive, ToldDrive, retell
from kit.values.window import Window

T0 = datetime(2027, 3, 27, 22, tzinfo=UTC)
IDS = ("a", "b", "c")
HOURS = st.integers(1, 12)
READING = st.dictionaries(st.sampled_from(IDS), st.tuples(HOURS, st.integers(1, 59)), max_size=3)


def drive(ident: str, hour: int, minutes: int) -> Drive:
    start = T0 + timedelta(hours=hour)
    return Drive(ident, Window(start - timedelta(minutes=minutes), start))


@given(st.lists(READING, min_size=1, max_size=8))
def test_a_program_that_goes_by_numbers_has_what_the_ledger_has(
    readings: list[dict[str, tuple[int, int]]],
) -> None:
    told: dict[str, ToldDrive] = {}
    program: dict[str, ToldDrive] = {}
    for number, reading in enumerate(readings):
        now = T0 + timedelta(minutes=number)
        drives = [drive(ident, *length) for ident, length in reading.items()]
        on = {each.appointment_id: each.window.end for each in drives}
        told = {each.drive.appointment_id: each for each in retell(told, drives, on, now)}
        for ident, each in told.items():
            known = program.get(ident)
            if known is None or each.sequence > known.sequence:
                program[ident] = each
            else:
                assert each == known, "the same number for another thing"
        shown = {ident: each.drive for ident, each in program.items() if not each.is_off}
        assert shown == {each.appointment_id: each for each in drives}


def test_what_is_over_stays_while_its_visit_was_not_called_off() -> None:
    over = drive("a", 1, 20)
    end = over.window.end
    before = {"a": ToldDrive(over, 4, T0)}
    visit_on = {"a": end}
    for now, on, off in (
        (end - timedelta(seconds=1), visit_on, True),  # to come, and the ledger has it no more
        (end, visit_on, False),
        (end, {}, True),
        (end, {"a": end + timedelta(hours=1)}, True),  # the visit was put off: that drive never was
    ):
        (told,) = retell(before, [], on, now)
        assert told == (ToldDrive(over, 5, now, is_off=True) if off else before["a"])
    (still,) = retell({"a": ToldDrive(over, 5, T0, is_off=True)}, [], {}, end)
    assert (still.sequence, still.changed_at) == (5, T0)
