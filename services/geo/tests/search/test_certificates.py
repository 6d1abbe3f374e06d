"""Certificates of slots: unchanged, they commit; anything else is told (GEO-28)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from geo.domain.calendar import shift_of
from geo.domain.certificate import LONGEST, Certificate, changed, read
from geo.domain.chain import Splice
from geo.domain.slot_search import Slot
from geo.domain.stop import PLACELESS, LinkedStop, Stop, StopKind
from kit.values.window import Window
from services.geo.tests.search import test_slot_search as searching
from services.geo.tests.support.random_worlds import worlds
from services.geo.tests.support.search_world import Diary, Wish


def _visit(diary: Diary, wish: Wish, start: int) -> Stop:
    begin = datetime.fromtimestamp(start, UTC)
    end = begin + timedelta(seconds=wish.duration)
    buffer = max(diary.buffer, wish.buffer)
    return Stop("visit", StopKind.APPOINTMENT, begin, end, wish.place, buffer, "apt")


def _offered(world: dict[str, Any]) -> list[tuple[Slot, Certificate]]:
    found = searching._run(searching._engine(world).search("ten", searching._search(world)))
    pairs = zip(found.slots, found.certificates, strict=True)
    return [(slot, read(packed)) for (slot, _), packed in pairs]


def _verdict(diary: Diary, visit: Stop, certificate: Certificate, now: datetime) -> tuple[Splice, str | None]:
    tried = diary.tried(visit, now)
    shift = shift_of(diary.calendar, Window(visit.starts_at, visit.ends_at))
    assert tried is not None
    assert shift is not None
    if tried.refusals:
        return tried, tried.refusals[0].reason
    return tried, changed(certificate, tried, visit.stop_id, shift.end)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(worlds())
def test_an_unchanged_agenda_commits_every_slot(world: dict[str, Any]) -> None:
    """Even before the sweeper has taken out expired holds."""
    wish: Wish = world["wish"]
    for slot, certificate in _offered(world):
        for diary in (world["diaries"][slot.agent_id], world["diaries"][slot.agent_id].swept(wish.as_of)):
            _, told = _verdict(diary, _visit(diary, wish, slot.start), certificate, wish.as_of)
            assert told is None


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(worlds(), st.data())
def test_a_changed_neighbour_is_told_and_nothing_else(world: dict[str, Any], data: st.DataObject) -> None:
    """Some stop of an agent comes or goes: what was offered commits if and only if it fits and its neighbours
    are what they were."""
    wish: Wish = world["wish"]
    offered = _offered(world)
    before = {name: replace(diary) for name, diary in world["diaries"].items()}
    diary = data.draw(st.sampled_from(list(world["diaries"].values())))
    owned = [linked.stop.stop_id for linked in diary.chain if linked.stop.owner_id]
    slots = [slot for slot, _ in offered if slot.agent_id == diary.agent_id]
    if owned and data.draw(st.booleans()):
        diary.cancel(data.draw(st.sampled_from(owned)))
    elif slots:
        slot = data.draw(st.sampled_from(slots))
        diary.book_visit(replace(_visit(diary, wish, slot.start), stop_id="other"), wish.as_of)
    for slot, certificate in offered:
        diary = world["diaries"][slot.agent_id].swept(wish.as_of)
        visit = _visit(diary, wish, slot.start)
        tried, told = _verdict(diary, visit, certificate, wish.as_of)
        if tried.refusals:
            continue
        then = before[slot.agent_id].swept(wish.as_of).tried(visit, wish.as_of)
        assert then is not None
        (neighbours, drives), (now, driven) = _around(then), _around(tried)
        no_longer = all(one <= other for one, other in zip(driven, drives, strict=True))
        assert (told is None) == (neighbours == now and no_longer)


def _around(tried: Splice) -> tuple[tuple[object, ...], tuple[int, int]]:
    """The visit's neighbours, and the seconds to it and on, as the chain has them."""
    at = next(i for i, linked in enumerate(tried.chain) if linked.stop.stop_id == "visit")
    before = next(link.previous for link in tried.added if link.linked.stop.stop_id == "visit")
    after = tried.chain[at + 1 :]
    target = next((linked for linked in after if linked.stop.kind not in PLACELESS), None)
    neighbours = _end(before), _beginning(after[0] if after else None), target and target.stop.place
    return neighbours, (_seconds(tried.chain[at]), _seconds(target))


def _seconds(linked: LinkedStop | None) -> int:
    return 0 if linked is None or linked.leg is None else linked.leg.seconds


def _end(stop: Stop | None) -> object:
    """A break is wherever the stop before it ends; what counts of it is the drive from there."""
    if stop is None:
        return None
    return stop.ends_at, stop.kind in PLACELESS or stop.place


def _beginning(linked: LinkedStop | None) -> object:
    return None if linked is None else (linked.stop.starts_at, linked.stop.buffer)


whole = st.integers(-(2**60), 2**60)
seconds = st.integers(0, 2**31)


@given(st.builds(Certificate, whole, whole, whole, whole, seconds, seconds, seconds, st.text(max_size=40)))
def test_a_certificate_comes_back_as_it_was(certificate: Certificate) -> None:
    assert read(certificate.packed()) == certificate
    assert len(certificate.packed()) <= LONGEST


@pytest.mark.parametrize("packed", [b"", b"\x01", b"\x02" + bytes(60), b"\x01" + bytes(LONGEST)])
def test_other_bytes_are_no_certificate(packed: bytes) -> None:
    with pytest.raises(ValueError, match="no certificate"):
        read(packed)
