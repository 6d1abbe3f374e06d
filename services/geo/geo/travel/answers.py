"""Figures in answers of road engines, read strictly."""

from collections.abc import Mapping
from itertools import chain
from typing import Any, Final

import numpy as np

from geo.domain.places import Floats
from kit.web.json_server import Nonsense

LARGEST: Final = 1e8
"""More seconds (three years) or metres than any drive on earth has."""

ROUNDING: Final = 1.0
METRES_ROUNDING: Final = 2.0
"""OSRM says -0.2 m of two places that it puts on the same half metre of a road, and -1 m of two others on
Malta; so little below 0 is 0."""


def grid(answer: Mapping[str, Any], name: str, shape: tuple[int, int], below: float = ROUNDING) -> Floats:
    """The rows of numbers under a name; None becomes NaN. Raises Nonsense."""
    rows = answer.get(name)
    if not isinstance(rows, list) or len(rows) != shape[0]:
        raise Nonsense(f"{name} are not {shape[0]} rows")
    if not all(isinstance(row, list) and len(row) == shape[1] for row in rows):
        raise Nonsense(f"{name} are not {shape[1]} numbers")
    cells = list(chain.from_iterable(rows))  # all at once: a question may have a hundred rows of one cell
    return amounts(cells, name, len(cells), gaps=True, below=below).reshape(shape)


def amounts(found: Any, name: str, count: int, *, gaps: bool = False, below: float = ROUNDING) -> Floats:
    """So many finite numbers from 0 up; None becomes NaN where gaps are allowed. What is less than `below`
    under 0 counts as 0.

    Raises Nonsense.
    """
    if not isinstance(found, list) or len(found) != count:
        raise Nonsense(f"{name} are not {count} numbers")
    if not set(map(type, found)) <= _KINDS:
        raise Nonsense(f"{name} are not all numbers")
    values = np.array(found, dtype=np.float64)  # None becomes NaN
    missing = np.isnan(values)
    if np.count_nonzero(missing) != found.count(None) or (missing.any() and not gaps):
        raise Nonsense(f"{name} are not all numbers")
    if not (((values > -below) & (values <= LARGEST)) | missing).all():
        raise Nonsense(f"{name} are not all from 0 to {LARGEST:g}")
    return np.maximum(values, 0.0)


_KINDS: Final = {int, float, type(None)}
