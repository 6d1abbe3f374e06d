"""When an address is sure enough to be booked (GEO-18)."""

import pytest

from geo.domain.geocoding import Candidate, GeocodeState, Precision, confidence, verdict
from kit.values.latlng import LatLng

HERE, NEXT_DOOR, ELSEWHERE = (LatLng(47.14, 9.52 + step).key for step in (0.0, 0.001, 0.1))


@pytest.mark.parametrize(
    ("asked", "found", "precision", "sure"),
    [
        ("Aeulestrasse 45, Vaduz", "Aeulestrasse 45, 9490 Vaduz", Precision.HOUSE, 1.0),
        ("AEULESTRASSE 45 VADUZ", "Äulestraße 45, Vaduz", Precision.HOUSE, 2 / 3),
        ("Via Città 3", "via citta 3", Precision.HOUSE, 1.0),
        ("Straße 3", "strasse 3", Precision.HOUSE, 1.0),
        ("Aeulestrasse 45, Vaduz", "Aeulestrasse, Vaduz", Precision.STREET, 0.4),
        ("Vaduz", "Vaduz", Precision.TOWN, 0.3),
        ("Vaduz", "Schaan", Precision.HOUSE, 0.0),
        ("!?", "Schaan", Precision.HOUSE, 0.0),
    ],
)
def test_confidence_is_the_share_of_words_found_times_exactness(
    asked: str, found: str, precision: Precision, sure: float
) -> None:
    assert confidence(asked, found, precision) == pytest.approx(sure, abs=0.001)


def test_the_bound_itself_is_sure_enough() -> None:
    at_bound = verdict([Candidate(HERE, "a", 0.8)], 0.8)
    assert (at_bound.state, at_bound.place) == (GeocodeState.FOUND, HERE)
    below = verdict([Candidate(HERE, "a", 0.799)], 0.8)
    assert (below.state, below.place) == (GeocodeState.NEEDS_PIN, None)
    assert below.candidates == (Candidate(HERE, "a", 0.799),)


def test_two_places_as_sure_need_a_pin_unless_they_are_one_for_a_visit() -> None:
    twice = [Candidate(HERE, "a", 0.9), Candidate(ELSEWHERE, "b", 0.9)]
    assert verdict(twice, 0.8).state is GeocodeState.NEEDS_PIN
    assert verdict([twice[0], Candidate(NEXT_DOOR, "b", 0.9)], 0.8).place == HERE
    assert verdict([twice[0], Candidate(ELSEWHERE, "b", 0.89)], 0.8).place == HERE


def test_nothing_is_nothing_and_the_list_is_short_and_in_order() -> None:
    assert verdict([], 0.0).state is GeocodeState.NOT_FOUND
    many = [Candidate(HERE, str(n), n / 10) for n in range(9)]
    assert [one.confidence for one in verdict(many, 0.5).candidates] == [0.8, 0.7, 0.6, 0.5, 0.4]
