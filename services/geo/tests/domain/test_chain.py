"""The chain against a check that shares no code with it, on random chains and crooked travel times."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.domain.chain import Segment, Splice, splice
from geo.domain.legs import LegBook, MissingLegs
from geo.domain.stop import NOWHERE, PLACELESS, Leg, LinkedStop, Stop, StopKind, TravelSource
from kit.errors import Reason

T0 = datetime(2027, 3, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PLACES = range(5)
KINDS = [StopKind.APPOINTMENT] * 4 + [StopKind.BREAK, StopKind.ABSENCE, StopKind.HOLD, StopKind.DAY_END]

Matrix = dict[tuple[int, int], int | None]


@st.composite
def matrices(draw: st.DrawFn) -> Matrix:
    """Any seconds, in either direction, triangles broken; sometimes no way."""
    amounts = st.one_of(st.integers(0, 90).map(lambda m: m * 60), st.none())
    return {(a, b): draw(amounts) for a in PLACES for b in PLACES if a != b}


@st.composite
def comings(draw: st.DrawFn, number: int) -> Stop:
    kind = draw(st.sampled_from(KINDS))
    start = T0 + MINUTE * draw(st.integers(0, 600))
    return Stop(
        stop_id=f"s{number}",
        kind=kind,
        starts_at=start,
        ends_at=start + MINUTE * draw(st.integers(1, 60)),
        place=NOWHERE if kind in PLACELESS else draw(st.sampled_from(list(PLACES))),
        buffer=draw(st.sampled_from([0, 0, 300])) if kind in {StopKind.APPOINTMENT, StopKind.HOLD} else 0,
        owner_id=f"o{number}",
    )


@st.composite
def histories(draw: st.DrawFn) -> tuple[Matrix, list[Stop | int]]:
    """A matrix, and what happens: a stop that wants in, or the number of one that leaves."""
    steps: list[Stop | int] = []
    for number in range(draw(st.integers(1, 25))):
        leaves = draw(st.integers(0, 3)) == 0
        steps.append(draw(st.integers(0, 50)) if leaves else draw(comings(number)))
    return draw(matrices()), steps


def book(matrix: Matrix, version: str = "m1") -> LegBook:
    return LegBook(version, {pair: _leg(pair, seconds, version) for pair, seconds in matrix.items()})


def _leg(pair: tuple[int, int], seconds: int | None, version: str) -> Leg | None:
    if seconds is None:
        return None
    return Leg(*pair, seconds, seconds * 10, TravelSource.MATRIX, version)


def whole(chain: Sequence[LinkedStop]) -> Segment:
    return Segment(None, tuple(chain))


def play(matrix: Matrix, steps: Sequence[Stop | int]) -> list[tuple[list[LinkedStop], Stop | int, Splice]]:
    """Each step with the chain before it and what came of it."""
    chain: list[LinkedStop] = []
    played = []
    for step in steps:
        if isinstance(step, int):
            if not chain:
                continue
            leaving = chain[step % len(chain)].stop.stop_id
            found = splice(whole(chain), LegBook(), remove={leaving})
        else:
            found = splice(whole(chain), book(matrix), insert=[step])
        played.append((chain, step, found))
        if not found.refusals:
            chain = list(found.chain)
    return played


def assert_kept(chain: Sequence[LinkedStop], matrix: Matrix) -> None:
    """The promise and the links, from the chain alone."""
    ordered = sorted(chain, key=lambda linked: linked.stop.starts_at)
    assert ordered == list(chain)
    if chain:
        assert chain[0].previous_id is None
        assert chain[0].leg is None
    for earlier, later in pairwise(chain):
        leg = later.leg
        assert leg is not None
        assert later.previous_id == earlier.stop.stop_id
        assert (leg.from_place, leg.to_place) == (earlier.stop.place, later.stop.place)
        free = timedelta(seconds=leg.seconds + later.stop.buffer)
        assert earlier.stop.ends_at + free <= later.stop.starts_at
        if NOWHERE in (leg.from_place, leg.to_place) or leg.from_place == leg.to_place:
            assert leg.seconds == 0
        elif not leg.via:
            assert leg.seconds == matrix[leg.from_place, leg.to_place]
        else:
            direct = matrix[leg.from_place, leg.to_place]
            assert leg.seconds >= shortest_walk(leg.from_place, leg.to_place, matrix)
            assert direct is None or leg.seconds is not None


def shortest_walk(start: int, end: int, matrix: Matrix) -> int:
    """Nobody drives faster than the shortest way over all places."""
    best = {place: 0 if place == start else 10**9 for place in PLACES}
    for _ in PLACES:
        for (a, b), seconds in matrix.items():
            if seconds is not None:
                best[b] = min(best[b], best[a] + seconds)
    return best[end]


@settings(max_examples=60, deadline=None)
@given(histories())
def test_every_chain_keeps_the_promise(history: tuple[Matrix, list[Stop | int]]) -> None:
    matrix, steps = history
    for chain, _, found in play(matrix, steps):
        assert_kept(chain, matrix)
        if not found.refusals:
            assert_kept(found.chain, matrix)


@settings(max_examples=60, deadline=None)
@given(histories())
def test_a_removal_always_succeeds_and_needs_no_engine(history: tuple[Matrix, list[Stop | int]]) -> None:
    matrix, steps = history
    for chain, step, found in play(matrix, steps):
        if isinstance(step, int):
            assert not found.refusals
            assert len(found.chain) == len(chain) - 1


def fits(chain: Sequence[LinkedStop], new: Stop, matrix: Matrix) -> bool:
    """Whether a stop may be put in, by laying out the whole day anew."""
    stops = sorted([linked.stop for linked in chain] + [new], key=lambda stop: stop.starts_at)
    stored = {linked.stop.stop_id: linked for linked in chain}
    for a, b in pairwise(stops):
        if b.starts_at < a.ends_at:
            return False
    if any(a.starts_at < b.ends_at and b.starts_at < a.ends_at for a in stops for b in stops if a is not b):
        return False
    at: dict[str, int] = {}
    last: Stop | None = None
    touched = False
    for stop in stops:
        old = stored.get(stop.stop_id)
        moved = last is not None and old is not None and old.previous_id != last.stop_id
        touched = (
            touched or stop is new or moved or (old is not None and last is None and old.leg is not None)
        )
        if stop.kind in PLACELESS and touched:
            at[stop.stop_id] = NOWHERE if last is None else at[last.stop_id]
        else:
            at[stop.stop_id] = stop.place
        if last is not None and touched:
            seconds = drive(at[last.stop_id], at[stop.stop_id], old, matrix)
            if seconds is None:
                return False
            gap = (stop.starts_at - last.ends_at).total_seconds()
            if seconds + stop.buffer > gap:
                return False
        if touched and stop is not new and stop.kind not in PLACELESS:
            touched = False
        last = stop
    return True


def drive(a: int, b: int, old: LinkedStop | None, matrix: Matrix) -> int | None:
    if a == b or NOWHERE in (a, b):
        return 0
    known = old.leg if old is not None else None
    same = known is not None and (known.from_place, known.to_place) == (a, b)
    return known.seconds if same and known is not None else matrix[a, b]


@settings(max_examples=100, deadline=None)
@given(histories())
def test_an_insertion_is_refused_exactly_when_it_does_not_fit(
    history: tuple[Matrix, list[Stop | int]],
) -> None:
    matrix, steps = history
    for chain, step, found in play(matrix, [one for one in steps if isinstance(one, Stop)]):
        assert isinstance(step, Stop)
        assert (not found.refusals) == fits(chain, step, matrix)


@settings(max_examples=40, deadline=None)
@given(histories(), st.integers(0, 50), st.integers(0, 50))
def test_a_segment_is_enough(history: tuple[Matrix, list[Stop | int]], low: int, size: int) -> None:
    """What the whole chain says, a segment says that reaches to the stop before and to the next place."""
    matrix, steps = history
    for chain, step, found in play(matrix, steps):
        changed = chain[step % len(chain)].stop if isinstance(step, int) else step
        segment = part(chain, changed.starts_at, changed.ends_at)
        if isinstance(step, int):
            partial = splice(segment, LegBook(), remove={changed.stop_id})
        else:
            partial = splice(segment, book(matrix), insert=[step])
        assert [r.reason for r in partial.refusals] == [r.reason for r in found.refusals]
        assert set(partial.added) == set(found.added)
        assert set(partial.relinked) == set(found.relinked)
        assert set(partial.removed) == set(found.removed)


def part(chain: Sequence[LinkedStop], low: datetime, high: datetime) -> Segment:
    """As storage reads it: one stop before `low`, and after `high` up to the first with a place."""
    before = [linked for linked in chain if linked.stop.starts_at < low]
    inside = [linked for linked in chain if low <= linked.stop.starts_at]
    taken = []
    for linked in inside:
        taken.append(linked)
        if linked.stop.starts_at >= high and linked.stop.kind not in PLACELESS:
            break
    return Segment(before[-1] if before else None, tuple(taken))


# --- cases that a reader should know


def stop(  # noqa: PLR0917 - read best in a row
    name: str, kind: StopKind, start: int, end: int, place: int = NOWHERE, buffer: int = 0
) -> Stop:
    """Minutes after T0."""
    return Stop(name, kind, T0 + start * MINUTE, T0 + end * MINUTE, place, buffer, owner_id=name)


def built(matrix: Matrix, *stops: Stop) -> list[LinkedStop]:
    found = splice(whole([]), book(matrix), insert=stops)
    assert not found.refusals
    return list(found.chain)


VISIT = StopKind.APPOINTMENT
LINE: Matrix = {(a, b): abs(a - b) * 600 for a in PLACES for b in PLACES if a != b}


def test_a_break_moves_to_the_visit_before_it_and_so_does_the_drive_after() -> None:
    chain = built(
        LINE,
        stop("a", VISIT, 0, 10, 0),
        stop("lunch", StopKind.BREAK, 60, 90),
        stop("c", VISIT, 120, 130, 1),
    )
    found = splice(whole(chain), book(LINE), insert=[stop("n", VISIT, 40, 50, 3)])
    assert [linked.stop.place for linked in found.chain] == [0, 3, 3, 1]
    assert [linked.leg.seconds for linked in found.chain if linked.leg] == [1800, 0, 1200]
    late = splice(whole(chain), book(LINE), insert=[stop("n", VISIT, 50, 59, 4)])
    assert late.refusals == ()
    far: Matrix = {**LINE, (4, 1): 1801}
    refused = splice(whole(chain), book(far), insert=[stop("n", VISIT, 50, 59, 4)])
    assert [(r.reason, r.short_seconds) for r in refused.refusals] == [(Reason.TRAVEL_OUT, 1)]


def test_where_the_direct_road_is_slower_the_way_over_stays() -> None:
    crooked: Matrix = {**LINE, (0, 2): 9000}
    chain = built(
        crooked, stop("a", VISIT, 0, 10, 0), stop("k", VISIT, 30, 40, 1), stop("c", VISIT, 60, 70, 2)
    )
    found = splice(whole(chain), book(crooked), remove={"k"})
    leg = found.chain[1].leg
    assert leg is not None
    assert (leg.seconds, leg.via, leg.metres, leg.version) == (1200, True, 12000, "m1")
    straight = splice(whole(chain), book(LINE, "m2"), remove={"k"}).chain[1].leg
    assert straight is not None
    assert (straight.seconds, straight.via, straight.version) == (1200, False, "m2")


def test_a_break_keeps_its_place_when_the_visit_before_it_leaves_no_time_to_drive_later() -> None:
    chain = built(
        LINE,
        stop("a", VISIT, 0, 10, 0),
        stop("k", VISIT, 50, 55, 4),
        stop("lunch", StopKind.BREAK, 60, 90),
        stop("c", VISIT, 91, 100, 4),
    )
    found = splice(whole(chain), LegBook(), remove={"k"})
    assert not found.refusals
    assert [linked.stop.place for linked in found.chain] == [0, 4, 4]
    assert [linked.leg.seconds for linked in found.chain if linked.leg] == [2400, 0]


def test_buffers_belong_to_the_later_visit() -> None:
    chain = built(LINE, stop("a", VISIT, 0, 10, 0))
    assert not splice(whole(chain), book(LINE), insert=[stop("b", VISIT, 25, 30, 1, 300)]).refusals
    short = splice(whole(chain), book(LINE), insert=[stop("b", VISIT, 25, 30, 1, 301)]).refusals
    assert [(r.reason, r.short_seconds) for r in short] == [(Reason.TRAVEL_IN, 1)]


def test_asymmetric_roads_count_in_their_own_direction() -> None:
    steep: Matrix = {**LINE, (0, 1): 60, (1, 0): 3600}
    chain = built(steep, stop("a", VISIT, 0, 10, 0))
    assert not splice(whole(chain), book(steep), insert=[stop("b", VISIT, 11, 20, 1)]).refusals
    back = built(steep, stop("a", VISIT, 0, 10, 1))
    refused = splice(whole(back), book(steep), insert=[stop("b", VISIT, 11, 20, 0)])
    assert [(r.reason, r.short_seconds) for r in refused.refusals] == [(Reason.TRAVEL_IN, 3540)]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (StopKind.APPOINTMENT, Reason.SLOT_TAKEN),
        (StopKind.HOLD, Reason.SLOT_TAKEN),
        (StopKind.BREAK, Reason.ON_BREAK),
        (StopKind.ABSENCE, Reason.ABSENT),
    ],
)
def test_who_is_met_decides_the_reason(kind: StopKind, reason: Reason) -> None:
    chain = built(LINE, stop("x", kind, 30, 60, NOWHERE if kind in PLACELESS else 2))
    found = splice(whole(chain), book(LINE), insert=[stop("n", VISIT, 59, 70, 1)])
    assert [(r.reason, r.short_seconds) for r in found.refusals] == [(reason, 60)]
    found = splice(whole(chain), book(LINE), insert=[stop("n", VISIT, 20, 31, 1)])
    assert [(r.reason, r.short_seconds) for r in found.refusals] == [(reason, 60)]
    assert not splice(whole(chain), book(LINE), insert=[stop("n", VISIT, 90, 99, 1)]).refusals


def test_all_missing_legs_are_told_at_once() -> None:
    chain = built(LINE, stop("a", VISIT, 0, 10, 0), stop("c", VISIT, 300, 310, 2))
    with pytest.raises(MissingLegs) as missing:
        splice(whole(chain), LegBook(), insert=[stop("n", VISIT, 100, 110, 1)])
    assert missing.value.pairs == {(0, 1), (1, 2)}


def test_newer_travel_data_does_not_touch_pairs_that_stay() -> None:
    chain = built(LINE, stop("a", VISIT, 0, 10, 0), stop("b", VISIT, 20, 30, 1), stop("c", VISIT, 60, 70, 1))
    slower = dict.fromkeys(LINE, 9000)
    found = splice(whole(chain), book(slower, "m2"), insert=[stop("n", VISIT, 35, 40, 1)])
    assert not found.refusals
    assert found.chain[1] == chain[1]


def test_an_absence_put_in_takes_the_place_before_it_and_needs_no_engine() -> None:
    chain = built(LINE, stop("a", VISIT, 0, 10, 0), stop("c", VISIT, 120, 130, 2))
    found = splice(whole(chain), LegBook(), insert=[stop("off", StopKind.ABSENCE, 20, 100)])
    assert [linked.stop.place for linked in found.chain] == [0, 0, 2]
    again = splice(whole(found.chain), LegBook(), remove={"off"})
    assert list(again.chain) == chain
    tight = splice(whole(chain), LegBook(), insert=[stop("off", StopKind.ABSENCE, 20, 101)])
    assert [(r.reason, r.short_seconds) for r in tight.refusals] == [(Reason.TRAVEL_OUT, 60)]


def test_a_swap_in_one_splice_frees_and_takes_the_same_time() -> None:
    chain = built(LINE, stop("a", VISIT, 0, 10, 0), stop("k", VISIT, 60, 90, 1))
    late = replace(stop("k2", VISIT, 70, 100, 1), owner_id="k")
    found = splice(whole(chain), book(LINE), remove={"k"}, insert=[late])
    assert [linked.stop.stop_id for linked in found.chain] == ["a", "k2"]
    assert [gone.stop_id for gone in found.removed] == ["k"]


def test_a_shorter_way_is_looked_up_before_something_is_refused() -> None:
    """A hold that leaves with the same splice is no reason to count the way over it."""
    chain = built(
        LINE, stop("a", VISIT, 0, 10, 0), stop("e", VISIT, 50, 55, 4), stop("c", VISIT, 120, 130, 1)
    )
    off = stop("off", StopKind.ABSENCE, 20, 105)
    with pytest.raises(MissingLegs) as missing:
        splice(whole(chain), LegBook(), remove={"e"}, insert=[off])
    assert missing.value.pairs == {(0, 1)}
    assert not splice(whole(chain), book(LINE), remove={"e"}, insert=[off]).refusals
