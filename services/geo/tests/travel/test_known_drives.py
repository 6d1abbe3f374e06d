"""What is remembered of a road engine's answers."""

import numpy as np

from geo.domain.places import Ints
from geo.domain.stop import NOWHERE
from geo.travel.known_drives import Hub, KnownDrives

INWARD, OUTWARD = Hub(7, inward=True), Hub(7, inward=False)


def ints(*values: int) -> Ints:
    return np.array(values, dtype=np.int64)


def with_fan(known: KnownDrives, hub: Hub, *others: int) -> None:
    """Drives of `other` seconds and ten times as many metres."""
    known.keep(hub, known.fan(hub).widened(ints(*others), ints(*others), 10 * ints(*others)))


def test_a_fan_finds_its_drives_and_says_what_it_lacks() -> None:
    known = KnownDrives("v", 100)
    with_fan(known, INWARD, 5, 3)
    with_fan(known, INWARD, 9, 4)
    fan = known.fan(INWARD)
    at, there = fan.find(ints(9, 3, 6, 10, 3))
    assert there.tolist() == [True, True, False, False, True]
    assert fan.seconds[at][there].tolist() == [9, 3, 3]
    assert fan.metres[at][there].tolist() == [90, 30, 30]
    assert len(known) == len(fan) == 4
    assert not known.fan(OUTWARD).find(ints(3))[1].any()


def test_a_drive_is_told_from_the_fans_of_both_of_its_ends_and_never_turned_round() -> None:
    known = KnownDrives("v", 100)
    with_fan(known, INWARD, 3)
    assert known.drive((3, 7)) == (3, 30)
    assert known.drive((7, 3)) is None
    with_fan(known, OUTWARD, 4)
    assert known.drive((7, 4)) == (4, 40)
    assert known.drive((4, 7)) is None
    known.clear()
    assert known.drive((3, 7)) is None
    assert len(known) == 0


def test_what_stands_still_is_no_drive() -> None:
    assert INWARD.drives_to(ints(8, 7, NOWHERE, 8, 2)).tolist() == [2, 8]
    assert Hub(NOWHERE, inward=True).drives_to(ints(8)).tolist() == []


def test_hubs_without_a_drive_take_no_room() -> None:
    known = KnownDrives("v", 3)
    with_fan(known, INWARD)
    assert known.fan(INWARD) is known.fan(OUTWARD), "the one fan of all who have none"


def test_what_was_used_longest_ago_makes_room() -> None:
    known = KnownDrives("v", 3)
    with_fan(known, INWARD, 1, 2)
    with_fan(known, OUTWARD, 3)
    known.fan(INWARD)
    with_fan(known, Hub(8, inward=True), 4)
    assert [len(known.fan(hub)) for hub in (INWARD, OUTWARD, Hub(8, inward=True))] == [2, 0, 1]
    with_fan(known, Hub(9, inward=True), 1, 2, 3, 4)
    assert len(known) == 0
    known.remember({(1, 2): (1, 1), (1, 3): (1, 1), (1, 4): (1, 1)})
    known.drive((1, 2))
    known.remember({(1, 5): (1, 1)})
    assert [known.drive((1, to)) for to in (2, 3, 4, 5)] == [(1, 1), None, (1, 1), (1, 1)]
