"""The grid that starts lie on: multiples of so many seconds after the full hour (UTC)."""

from typing import Final

import numpy as np

from geo.domain.places import Ints

HOUR: Final = 3600


def on_grid(instants: Ints, granularity: int) -> Ints:
    """Each instant, or the next one that is a multiple of `granularity` seconds after its full hour."""
    if granularity <= 1:
        return instants
    if HOUR % granularity == 0:
        even: Ints = instants + -instants % granularity
        return even
    into = instants % HOUR
    aligned: Ints = instants - into + np.minimum(-(-into // granularity) * granularity, HOUR)
    return aligned


def on_grid_before(instants: Ints, granularity: int) -> Ints:
    """Each instant, or the last one before it that is a multiple of `granularity` seconds after its hour."""
    if granularity <= 1:
        return instants
    aligned: Ints = instants - instants % HOUR % granularity
    return aligned
