"""Repetitions, the ladder, colours, parameters: the tables of R-118 to R-128."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from kit.errors import InvalidInput
from kit.parameters import Scope
from reminders.domain import parameters
from reminders.domain.colours import Colour, after_answer, after_silence
from reminders.domain.next_step import Ending, Finish, Repeat, Tried, after, first_channel
from reminders.domain.parameters import Rules, Settings, checked_offsets
from reminders.domain.reminder import Answer, Channel, Outcome, Visit, answer_of

NOON = datetime(2027, 1, 13, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
RULES = Rules()


def visit(start: datetime, phone: str = "+37120000000", email: str = "") -> Visit:
    return Visit("apt_1", 1, "cmp_1", "cnt_1", start, "Europe/Riga", "Ada", phone, email)


def tried(rings: int = 1, ending: Ending = Ending.BUSY, minutes: int = 61) -> Tried:
    return Tried(Channel.VOICE, ending, rings, NOON, minutes * MINUTE)


@pytest.mark.parametrize(("minutes", "wait"), [(61, 30), (60, 10), (45, 10), (1440, 30)])
def test_the_interval_follows_the_offset(minutes: int, wait: int) -> None:
    found = after(tried(minutes=minutes), visit(NOON + timedelta(hours=1)), RULES)
    assert isinstance(found, Repeat)
    assert found.at == NOON + wait * MINUTE


def test_two_repetitions_and_no_fourth_call() -> None:
    far = visit(NOON + timedelta(hours=5))
    rings = [after(tried(rings), far, Rules(ladder=("VOICE",))) for rings in (1, 2, 3)]
    assert [type(each) for each in rings] == [Repeat, Repeat, Finish]


@pytest.mark.parametrize(("minutes", "repeats"), [(31, True), (30, False), (29, False)])
def test_no_repetition_at_or_after_the_start(minutes: int, repeats: bool) -> None:
    found = after(tried(), visit(NOON + minutes * MINUTE), Rules(ladder=("VOICE",)))
    assert isinstance(found, Repeat) is repeats


def test_a_wrong_number_is_not_repeated() -> None:
    found = after(
        tried(ending=Ending.WRONG_NUMBER), visit(NOON + timedelta(hours=5)), Rules(ladder=("VOICE",))
    )
    assert isinstance(found, Finish)
    assert found.outcome is Outcome.WRONG_NUMBER


def test_the_ladder_goes_on_with_what_has_an_address() -> None:
    far = NOON + timedelta(hours=5)
    found = after(tried(3), visit(far, email="ada@example.com"), RULES)
    assert isinstance(found, Repeat)
    assert (found.channel, found.at) == (Channel.EMAIL, NOON)
    found = after(tried(3), visit(far), RULES)
    assert isinstance(found, Repeat)
    assert found.channel is Channel.SMS
    sent = Tried(Channel.SMS, Ending.SENT, 3, NOON, timedelta(days=1))
    assert isinstance(after(sent, visit(far), RULES), Finish)


def test_messages_first_and_voice_for_those_without_answer() -> None:
    rules = Rules(ladder=("EMAIL", "VOICE"))
    sent = Tried(Channel.EMAIL, Ending.SENT, 0, NOON, timedelta(days=1))
    found = after(sent, visit(NOON + timedelta(hours=5), email="ada@example.com"), rules)
    assert isinstance(found, Repeat)
    assert (found.channel, found.at) == (Channel.VOICE, NOON + 30 * MINUTE)


def test_each_rung_obeys_quiet_hours() -> None:
    late = Tried(Channel.VOICE, Ending.BUSY, 3, datetime(2027, 1, 13, 21, 30, tzinfo=UTC), timedelta(days=1))
    found = after(late, visit(datetime(2027, 1, 14, 12, tzinfo=UTC)), RULES)
    assert isinstance(found, Repeat)
    assert found.at == datetime(2027, 1, 14, 7, tzinfo=UTC)  # 09:00 in Riga


def test_nobody_to_reach() -> None:
    assert first_channel(visit(NOON, phone=""), RULES) is None
    assert first_channel(visit(NOON, phone="", email="a@example.com"), RULES) is Channel.EMAIL


@pytest.mark.parametrize(
    ("digit", "expected"),
    [("1", Answer.COMING), ("2", Answer.NOT_COMING), ("3", None), ("", None), (None, None), ("١", None)],
)
def test_keys(digit: str | None, expected: Answer | None) -> None:
    assert answer_of(digit) is expected


def test_colours_over_all_orders_of_events() -> None:
    events = ("silence", "silence", Answer.COMING, Answer.NOT_COMING)
    for order in permutations(events):
        colour: Colour | None = Colour.GREY
        answered: Colour | None = None
        for event in order:
            if isinstance(event, Answer):
                answered = colour = after_answer(event)
            else:
                colour = after_silence(colour)
            assert colour is (answered or Colour.ORANGE)
    assert after_silence(None) is None


@pytest.mark.parametrize(
    "minutes", [[4], [43201], [5, 5], [10, 20, 30, 40, 50, 60], [0], [-60], [525600]], ids=str
)
def test_offsets_out_of_bounds_are_refused(minutes: list[int]) -> None:
    with pytest.raises(InvalidInput) as refused:
        checked_offsets(tuple(each * MINUTE for each in minutes), "offsets")
    assert refused.value.violations[0].field == "offsets"


def test_offsets_come_longest_first() -> None:
    assert checked_offsets((60 * MINUTE, 1440 * MINUTE), "offsets") == (1440 * MINUTE, 60 * MINUTE)
    with pytest.raises(InvalidInput):
        checked_offsets((timedelta(seconds=330),), "offsets")


def test_the_nearest_scope_wins() -> None:
    settings = Settings(
        {
            "reminder_branch": {(Scope.CAMPAIGN, "cmp_1"): '"brn_1"'},
            "daily_call_limit": {(Scope.TENANT, ""): "70"},
            "reminder_offsets": {
                (Scope.TENANT, ""): "[86400]",
                (Scope.BRANCH, "brn_1"): "[7200]",
                (Scope.CAMPAIGN, "cmp_2"): "[3600]",
            },
        }
    )
    assert settings.rules("cmp_1").offsets == (timedelta(hours=2),)
    assert settings.rules("cmp_2").offsets == (timedelta(hours=1),)
    assert settings.rules("cmp_3").offsets == (timedelta(days=1),)
    assert settings.rules("cmp_1").daily_limit == 70
    assert settings.effective(parameters.OFFSETS, "", "brn_1").source is Scope.BRANCH
    assert settings.effective(parameters.RETRIES, "cmp_1").source is None
