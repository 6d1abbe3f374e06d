"""Figures in answers of road engines, read strictly."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from geo.domain.places import Floats
from kit.web.json_server import Nonsense

LARGEST: Final = 1e8
"""More seconds (three years) or metres than any drive on earth has."""

ROUNDING: Final = 1.0
"""OSRM says -0.2 m of two places that it puts on the same half metre of a road; so little below 0 is 0."""


def grid(answer: Mapping[str, Any], name: str, shape: tuple[int, int]) -> Floats:
    """The rows of numbers under a name; None becomes NaN. Raises Nonsense."""
    rows = answer.get(name)
    if not isinstance(rows, list | tuple) or len(rows) != shape[0]:
        raise Nonsense(f"{name} are not {shape[0]} rows")
    table = np.empty(shape)
    for at, row in enumerate(rows):
        table[at] = amounts(row, name, shape[1], none=np.nan)
    return table


def amounts(found: Any, name: str, count: int, none: float | None = None) -> Floats:
    """So many finite numbers from 0 up; None is allowed where there is something for it to become.

    Raises Nonsense.
    """
    if not isinstance(found, list | tuple) or len(found) != count:
        raise Nonsense(f"{name} are not {count} numbers")
    if any(type(value) not in _NUMBERS for value in found if value is not None):
        raise Nonsense(f"{name} are not all numbers")
    missing = np.array([value is None for value in found], dtype=bool)
    values = np.array([0.0 if value is None else value for value in found], dtype=np.float64)
    if none is None and missing.any():
        raise Nonsense(f"{name} are not all numbers")
    if not ((values > -ROUNDING) & (values <= LARGEST)).all():  # NaN is neither
        raise Nonsense(f"{name} are not all from 0 to {LARGEST:g}")
    return np.where(missing, np.nan if none is None else none, np.maximum(values, 0.0))


_NUMBERS: Final = (int, float)
