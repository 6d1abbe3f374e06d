"""A card, rebuilt from its events: what the events may not say is found out."""

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

import pytest

from booking.domain import replay as rules
from booking.domain.appointment import Appointment, Colour, Move, MoveKind, State, cancel, confirm, moved
from booking.domain.promise import PromiseKind, promised
from booking.domain.replay import MAY_CHANGE, Broken, Happened, Kept, Paint
from booking.events.kept import canonical
from kit.values.latlng import LatLng
from kit.values.window import Window

NOW = datetime(2026, 3, 29, 0, 59, 59, 999_999, tzinfo=UTC)
START = datetime(2026, 3, 31, 9, tzinfo=UTC)
CARD = Appointment(
    appointment_id="apt_1",
    campaign_id="cmp_1",
    contact_id="cnt_1",
    agent_id="agt_1",
    window=Window(START, START + timedelta(hours=1)),
    point=LatLng(45.4642, 9.19),
    state=State.TO_CONFIRM,
    version=1,
    operator_id="usr_1",
    note="ring twice",
    created_at=NOW,
    updated_at=NOW,
)
BOOKED = Kept(Happened.BOOKED, CARD)
GREEN = Paint(Colour.GREEN, START)


def replay(events: Sequence[Kept]) -> Appointment:
    """The card as its events alone say."""
    return rules.replay(events).card


def confirmed(card: Appointment = CARD) -> Appointment:
    change = confirm(card, 0, NOW + timedelta(hours=1))
    assert change is not None
    return change.after


def postponed(card: Appointment, by: timedelta = timedelta(hours=2)) -> Appointment:
    window = Window(card.window.start + by, card.window.end + by)
    return moved(card, Move("mov_1", "apt_1", MoveKind.POSTPONE, card.agent_id, window), NOW).after


def test_a_life_is_rebuilt() -> None:
    second, third = confirmed(), postponed(confirmed())
    change = cancel(third, 0, "ill", NOW + timedelta(days=1))
    assert change is not None
    events = [
        BOOKED,
        Kept(Happened.CONFIRMED, second),
        Kept(Happened.POSTPONED, third),
        Kept(Happened.CANCELLED, change.after),
    ]
    assert replay(events) == change.after
    for length, card in enumerate((CARD, second, third), 1):
        assert canonical(replay(events[:length])) == canonical(card)


def test_a_colour_shows_while_the_start_is_the_one_that_was_reminded_of() -> None:
    paint = Kept(Happened.COLOUR_CHANGED, CARD, Paint(Colour.GREEN, START))
    away = Kept(Happened.POSTPONED, postponed(CARD))
    back = Kept(Happened.POSTPONED, postponed(away.after, -timedelta(hours=2)))
    assert replay([BOOKED, paint]).colour is Colour.GREEN
    assert replay([BOOKED, paint, away]).colour is None
    assert replay([BOOKED, paint, away, back]).colour is Colour.GREEN
    gone = Kept(Happened.COLOUR_CHANGED, back.after, Paint(None, START))
    assert replay([BOOKED, paint, away, back, gone]).colour is None


@pytest.mark.parametrize(
    ("events", "says"),
    [
        ([], "no event"),
        ([BOOKED, BOOKED], "booked again"),
        ([Kept(Happened.CONFIRMED, CARD)], "was not booked"),
        ([Kept(Happened.BOOKED, replace(CARD, version=2))], "version 2 was booked"),
        ([BOOKED, Kept(Happened.CONFIRMED, replace(confirmed(), version=3, note="x"))], "changes note"),
        ([BOOKED, Kept(Happened.CONFIRMED, replace(confirmed(), version=1))], "version 1 follows 1"),
        ([BOOKED, Kept(Happened.CONFIRMED, replace(confirmed(), agent_id="agt_2"))], "changes agent_id"),
        ([BOOKED, Kept(Happened.POSTPONED, replace(confirmed(), note="other"))], "changes note"),
        (
            [BOOKED, Kept(Happened.CONFIRMED, confirmed()), Kept(Happened.COLOUR_CHANGED, CARD, GREEN)],
            "version 1 follows 2",
        ),
    ],
)
def test_what_no_life_tells_is_broken(events: list[Kept], says: str) -> None:
    with pytest.raises(Broken, match=says):
        replay(events)


def test_a_card_older_than_its_record_begins_with_what_is_first_said() -> None:
    second = confirmed()
    assert replay([Kept(Happened.CONFIRMED, second)]) == second


def test_changes_that_no_event_tells_are_counted() -> None:
    third = postponed(confirmed())
    gap = rules.replay([BOOKED, Kept(Happened.POSTPONED, third)])
    assert (gap.card, gap.gaps, gap.partly) == (third, 1, False)
    paint = rules.replay(
        [BOOKED, Kept(Happened.COLOUR_CHANGED, third, Paint(Colour.RED, third.window.start))]
    )
    assert (paint.card, paint.gaps) == (replace(third, colour=Colour.RED), 2)
    last = rules.replay([BOOKED]).held_against(third)
    assert (last.card, last.gaps) == (third, 2)
    assert rules.replay([BOOKED]).held_against(replace(third, note="x")).card == third


def test_a_colour_of_before_the_record_is_the_rows() -> None:
    second = confirmed()
    painted = replace(second, colour=Colour.GREEN)
    begun = Kept(Happened.CONFIRMED, second)
    assert rules.replay([begun]).held_against(painted).card == painted
    gone = Kept(Happened.COLOUR_CHANGED, second, Paint(None, START))
    assert rules.replay([begun, gone]).held_against(painted).card == second
    assert rules.replay([BOOKED, begun]).held_against(painted).card == second


def test_every_kind_of_event_says_what_it_may_change() -> None:
    assert MAY_CHANGE.keys() == set(Happened) - {Happened.BOOKED}
    known = {each.name for each in fields(Appointment)}
    assert not set().union(*MAY_CHANGE.values()) - known


OTHER: dict[str, object] = {
    "window": Window(START, START + timedelta(minutes=61)),
    "point": LatLng(45.4643, 9.19),
    "state": State.HELD,
    "version": 2,
    "created_at": NOW - timedelta(microseconds=1),
    "updated_at": NOW + timedelta(microseconds=1),
    "colour": Colour.RED,
    "characteristics": {"roof": "flat"},
    "refix_at": START,
    "linked": True,
    "arrival": Window(START, START + timedelta(hours=2)),
    "promise": promised(PromiseKind.DAY, START, "Europe/Rome"),
}


@pytest.mark.parametrize("name", [each.name for each in fields(Appointment) if each.name != "move_id"])
def test_the_bytes_differ_when_any_field_does(name: str) -> None:
    assert canonical(replace(CARD, **{name: OTHER.get(name, "other")})) != canonical(CARD)


@pytest.mark.parametrize("make", [lambda: CARD, confirmed])
def test_the_bytes_are_equal_for_equal_cards(make: Callable[[], Appointment]) -> None:
    one = replace(make(), characteristics={"a": "1", "b": "2"})
    other = replace(make(), characteristics={"b": "2", "a": "1"}, move_id="mov_9")
    assert canonical(one) == canonical(other)
