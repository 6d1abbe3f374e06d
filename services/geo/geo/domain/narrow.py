"""Columns of whole numbers in as few bytes as they take, without loss: what stays in memory by the hundred
thousand and is looked at seldom."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from geo.domain.gaps import FOREVER, NEVER
from geo.domain.places import Ints

_NARROW: Final = np.iinfo(np.int32)


@dataclass(frozen=True, slots=True, eq=False)
class Narrow:
    """A table, a column in each row. A column of one value is that value; one whose values lie within 32 bits
    of each other, but for NEVER and FOREVER, is how far they lie above the least of them."""

    length: int
    least: Ints
    near: npt.NDArray[np.intp]
    offsets: npt.NDArray[np.int32]
    far: npt.NDArray[np.intp]
    wide: Ints

    def __len__(self) -> int:
        return self.length

    @classmethod
    def of(cls, table: Ints) -> "Narrow":
        """The table, which is not kept itself."""
        never, forever = table == NEVER, table == FOREVER
        told = ~(never | forever)
        least = table.min(axis=1, where=told, initial=FOREVER)
        spread = table.max(axis=1, where=told, initial=NEVER) - least
        varies = (table != table[:, :1]).any(axis=1)
        least = np.where(varies, least, table[:, 0] if table.shape[1] else 0)
        fits = spread < _NARROW.max
        near, far = np.flatnonzero(varies & fits), np.flatnonzero(varies & ~fits)
        offsets = (table[near] - least[near, None]).astype(np.int32)
        offsets[never[near]], offsets[forever[near]] = _NARROW.min, _NARROW.max
        return cls(table.shape[1], least, near, offsets, far, table[far])

    @property
    def table(self) -> Ints:
        """The table, made anew."""
        table = np.empty((len(self.least), self.length), dtype=np.int64)
        table[:] = self.least[:, None]
        table[self.far] = self.wide
        table[self.near] = _wide(self.offsets, self.least[self.near, None])
        return table

    def column(self, number: int) -> Ints:
        """One column of it, made anew."""
        for at in np.flatnonzero(self.near == number).tolist():
            return _wide(self.offsets[at], self.least[number])
        for at in np.flatnonzero(self.far == number).tolist():
            wide: Ints = self.wide[at]
            return wide
        return np.full(self.length, self.least[number], dtype=np.int64)


def _wide(offsets: npt.NDArray[np.int32], least: Any) -> Ints:
    values: Ints = offsets + least
    values[offsets == _NARROW.min], values[offsets == _NARROW.max] = NEVER, FOREVER
    return values
