"""Which gaps a search looks at next, by what they cost at least and by what is known of them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from geo.domain.outlook import Outlook
from geo.domain.starts import Offers
from geo.usecases.first_look import Sight
from geo.usecases.widening import Widening
from services.geo.tests.search.test_slot_search import some


def sight(least: list[int], known: set[int] = frozenset()) -> Sight:  # type: ignore[assignment]
    """Gaps at the positions 0, 10, 20 …, some of them known."""
    there = np.array([at in known for at in range(len(least))], dtype=bool)
    return Sight(Outlook(10 * np.arange(len(least)), np.array(least, dtype=np.int64)), there, "roads")


def page(*added: int) -> Offers:
    at = np.arange(len(added))
    return Offers(at, at, at, np.array(added, dtype=np.int64))


def gaps(widening: Widening, seen: Sight) -> list[int]:
    return np.flatnonzero(widening.chosen(seen)).tolist()


def test_the_cheapest_are_first_and_equal_ones_go_together() -> None:
    least = [*range(62), 70, 70, 70, 80]
    assert gaps(Widening(1), sight(least)) == list(range(65))


def test_what_is_known_is_looked_at_before_anything_is_asked() -> None:
    known = set(range(100, 170))
    assert gaps(Widening(1), sight(list(range(200)), known)) == list(range(100, 164))


def test_known_gaps_that_give_no_page_do_not_end_the_search() -> None:
    widening, seen = Widening(1), sight(list(range(200)), set(range(100, 170)))
    assert not widening.enough(page(), seen, widening.chosen(seen))
    assert gaps(widening, seen) == list(range(200))


def test_with_a_page_only_what_may_be_no_dearer_is_asked() -> None:
    widening, seen = Widening(1), sight(list(range(200)))
    chosen = widening.chosen(seen)
    assert not widening.enough(page(100), seen, chosen)
    assert widening.left(seen).tolist() == [10 * at for at in range(101)]
    sharper = sight([*range(50), *[500] * 100], set(range(30)))
    last = widening.chosen(sharper)
    assert np.flatnonzero(last).tolist() == list(range(50))
    assert widening.enough(page(100), sharper, last)


def test_a_dearer_page_among_fewer_gaps_takes_nothing_back() -> None:
    widening, seen = Widening(1), sight(list(range(200)))
    assert not widening.enough(page(100), seen, widening.chosen(seen))
    assert not widening.enough(page(190), seen, np.arange(200) < 64)
    assert widening.dearest == 100


@some(40)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=400),
    st.integers(1, 40),
    st.integers(0, 2**32 - 1),
)
def test_the_best_are_found_whatever_is_known(drives: list[tuple[int, int]], limit: int, seed: int) -> None:
    """Gaps of a bound and a surplus that is known once they were looked at, the first time or before."""
    bound, true = (np.array(column) for column in zip(*[(a, a + b) for a, b in drives], strict=True))
    known = np.random.default_rng(seed).random(len(true)) < 0.5
    widening = Widening(limit)
    for _ in range(100):
        least = np.where(known, true, bound)
        seen = Sight(Outlook(np.arange(len(true)), least), known, "roads")
        chosen = widening.chosen(seen)
        best = np.sort(true[chosen])[:limit]
        known = known | chosen
        if widening.enough(page(*best.tolist()), seen, chosen):
            break
    assert best.tolist() == np.sort(true)[:limit].tolist()
