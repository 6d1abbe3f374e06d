"""Columns kept narrow are the same columns again, whatever they hold."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.domain.gaps import FOREVER, NEVER
from geo.domain.narrow import Narrow

EDGES = [0, -1, NEVER, FOREVER, NEVER + 1, FOREVER - 1, 2**31 - 2, 2**31 - 1, 2**31, -(2**31), 2**32, 2**59]
NUMBERS = st.one_of(
    st.sampled_from(EDGES), st.integers(-(2**59), 2**59), st.integers(1_800_000_000, 1_900_000_000)
)


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 5).flatmap(
        lambda n: st.lists(st.lists(NUMBERS, min_size=n, max_size=n), min_size=1, max_size=4)
    )
)
def test_nothing_is_lost(columns: list[list[int]]) -> None:
    table = np.array(columns, dtype=np.int64)
    kept = Narrow.of(table)
    assert kept.table.dtype == np.int64
    assert (len(kept), kept.table.tolist()) == (table.shape[1], columns)
    assert [kept.column(number).tolist() for number in range(len(columns))] == columns


def test_a_column_takes_four_bytes_a_number_and_one_that_never_changes_none() -> None:
    instants = np.arange(1_800_000_000, 1_800_001_000)
    ends = np.where(instants % 7 == 0, FOREVER, instants)
    kept = Narrow.of(np.stack([instants, ends, np.full(1000, 2**50)]))
    assert kept.offsets.nbytes + kept.wide.nbytes == 2 * 4 * 1000
