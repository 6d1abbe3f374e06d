"""The changes of an appointment and what they count (R-018, R-134 to R-136, BK-46)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from booking.domain.appointment import (
    Appointment,
    Change,
    Move,
    MoveKind,
    NewCard,
    Outcome,
    State,
    cancel,
    confirm,
    moved,
    pending,
    require_movable,
    with_outcome,
)
from booking.domain.itinerary import StopPlan
from booking.domain.package import NOTHING, Count, Package
from booking.domain.promise import PromiseKind, promised
from kit.errors import GiroError, Reason
from kit.values.latlng import LatLng
from kit.values.window import Window

NOW = datetime(2027, 1, 1, tzinfo=UTC)
LATER = Window(NOW + timedelta(days=3), NOW + timedelta(days=3, hours=1))


def an_appointment(state: State, version: int = 4, move_id: str | None = None) -> Appointment:
    window = Window(NOW + timedelta(days=2), NOW + timedelta(days=2, hours=1))
    place = LatLng(45.0, 9.0)
    made = Appointment(
        "apt_1", "cmp_1", "cnt_1", "agt_1", window, place, state, version, "usr_1", "", NOW, NOW
    )
    return replace(made, move_id=move_id)


def test_a_new_card_has_its_stops_time_and_place_and_nothing_decided() -> None:
    stop = StopPlan("agt_1", LATER, LatLng(45.0, 9.0), postcode="20121", arrival=LATER)
    made = pending(NewCard("apt_1", "cmp_1", "cnt_1", "usr_1", "ring twice"), stop, NOW)
    assert (made.state, made.version, made.created_at, made.updated_at) == (State.PENDING, 1, NOW, NOW)
    assert (made.agent_id, made.window, made.point) == (stop.agent_id, stop.window, stop.point)
    assert (made.postcode, made.arrival, made.promise) == ("20121", LATER, None)
    assert (made.operator_id, made.note) == ("usr_1", "ring twice")


def test_who_is_promised_a_day_is_promised_no_arrival_within_it() -> None:
    stop = StopPlan("agt_1", LATER, LatLng(45.0, 9.0), arrival=LATER)
    day = promised(PromiseKind.DAY, LATER.start, "UTC")
    made = pending(NewCard("apt_1", "cmp_1", "cnt_1", "usr_1", ""), stop, NOW, day)
    assert (made.promise, made.arrival) == (day, None)


def reason_of(change: object) -> Reason | None:
    try:
        assert callable(change)
        change()
    except GiroError as refused:
        return refused.reason
    return None


def test_confirming() -> None:
    change = confirm(an_appointment(State.TO_CONFIRM), 4, NOW)
    assert change is not None
    assert (change.after.state, change.after.version, change.count) == (
        State.CONFIRMED,
        5,
        Count(to_confirm=-1),
    )
    assert confirm(an_appointment(State.CONFIRMED), 4, NOW) is None
    assert confirm(an_appointment(State.CONFIRMED), 0, NOW) is None


@pytest.mark.parametrize(("state", "to_confirm"), [(State.TO_CONFIRM, -1), (State.CONFIRMED, 0)])
def test_cancelling_counts_in_the_step(state: State, to_confirm: int) -> None:
    change = cancel(an_appointment(state), 0, "moved away", NOW)
    assert change is not None
    assert change.count == Count(-1, to_confirm, 1)
    assert (change.after.state, change.after.version, change.after.cancel_note) == (
        State.CANCELLED,
        5,
        "moved away",
    )
    assert cancel(change.after, 0, "", NOW) is None


@pytest.mark.parametrize(
    ("kind", "before", "after", "count"),
    [
        (MoveKind.POSTPONE, State.CONFIRMED, State.TO_CONFIRM, Count(to_confirm=1)),
        (MoveKind.POSTPONE, State.TO_CONFIRM, State.TO_CONFIRM, NOTHING),
        (MoveKind.REASSIGN, State.CONFIRMED, State.CONFIRMED, NOTHING),
        (MoveKind.REASSIGN, State.TO_CONFIRM, State.TO_CONFIRM, NOTHING),
    ],
)
def test_moving(kind: MoveKind, before: State, after: State, count: Count) -> None:
    appointment = an_appointment(before, move_id="mov_1")
    change = moved(appointment, Move("mov_1", "apt_1", kind, "agt_2", LATER), NOW)
    assert isinstance(change, Change)
    assert change.before == appointment
    assert (change.after.state, change.count, change.after.version) == (after, count, 5)
    assert (change.after.agent_id, change.after.window, change.after.move_id) == ("agt_2", LATER, None)


@pytest.mark.parametrize("state", [State.PENDING, State.FAILED])
def test_what_was_never_booked_cannot_be_changed(state: State) -> None:
    made = an_appointment(state)
    assert reason_of(lambda: confirm(made, 0, NOW)) is Reason.WRONG_STATE
    assert reason_of(lambda: cancel(made, 0, "", NOW)) is Reason.WRONG_STATE
    assert reason_of(lambda: require_movable(made, 0)) is Reason.WRONG_STATE


def test_a_cancelled_one_stays_cancelled() -> None:
    made = an_appointment(State.CANCELLED)
    assert reason_of(lambda: confirm(made, 0, NOW)) is Reason.WRONG_STATE
    assert reason_of(lambda: require_movable(made, 0)) is Reason.WRONG_STATE


@pytest.mark.parametrize("state", [state for state in State if state is not State.SUPERSEDED])
def test_a_stale_version_is_refused_first_and_tells_the_current_one(state: State) -> None:
    made = an_appointment(state)
    for change in (
        lambda: confirm(made, 3, NOW),
        lambda: cancel(made, 3, "", NOW),
        lambda: require_movable(made, 3),
    ):
        with pytest.raises(GiroError) as refused:
            change()
        assert refused.value.reason is Reason.STALE_VERSION
        assert refused.value.metadata == {"current_version": "4"}


@pytest.mark.parametrize("state", [State.TO_CONFIRM, State.CONFIRMED])
def test_nothing_changes_while_a_move_is_under_way(state: State) -> None:
    made = an_appointment(state, move_id="mov_1")
    assert reason_of(lambda: confirm(made, 0, NOW)) is Reason.CHANGE_IN_PROGRESS
    assert reason_of(lambda: cancel(made, 0, "", NOW)) is Reason.CHANGE_IN_PROGRESS
    assert reason_of(lambda: require_movable(made, 0)) is Reason.CHANGE_IN_PROGRESS


@pytest.mark.parametrize(
    "counters",
    [(1, 2, 0, 0), (2, 1, 2, 0), (2, 1, 0, 2), (2, -1, 0, 0), (2, 1, -1, 0), (2, 0, 0, -1)],
)
def test_counters_that_contradict_each_other_are_no_package(counters: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="counter"):
        Package(*counters)


@pytest.mark.parametrize("version", [0, 3, 4])
def test_a_locked_card_says_so_whatever_version_was_seen(version: int) -> None:
    made = replace(an_appointment(State.SUPERSEDED), superseded_by="apt_2")
    for change in (
        lambda: confirm(made, version, NOW),
        lambda: cancel(made, version, "", NOW),
        lambda: require_movable(made, version),
        lambda: with_outcome(made, version, Outcome("ko", held=False, characteristics={}), NOW),
    ):
        assert reason_of(change) is Reason.SUPERSEDED


@pytest.mark.parametrize("state", [State.TO_CONFIRM, State.CONFIRMED])
@pytest.mark.parametrize("held", [True, False])
def test_an_outcome_alone_makes_it_held(state: State, held: bool) -> None:
    outcome = Outcome("x", held, {"why": "ill"}, LATER.start)
    change = with_outcome(replace(an_appointment(state), characteristics={"dog": "true"}), 4, outcome, NOW)
    assert change.after.state is (State.HELD if held else state)
    assert change.count == Count(to_confirm=-1 if held and state is State.TO_CONFIRM else 0)
    assert change.after.characteristics == {"dog": "true", "why": "ill"}
    assert (change.after.outcome_state_id, change.after.refix_at) == ("x", LATER.start)
