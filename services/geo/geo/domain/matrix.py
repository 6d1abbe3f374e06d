"""A tenant's own travel matrix, which comes before whatever the engine says."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from geo.domain.legs import Pair
from geo.domain.places import Ints
from geo.domain.profile import Profile

Entry = tuple[int, int]
"""Seconds (`geo.domain.drives.UNREACHABLE` where there is no way) and metres of one drive."""

_SEPARATOR = "+m"
_MATRIX = re.compile(r"m([0-9]+)(p?)")
_NO_MATRIX = "m0"


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """Version 0 is no matrix. Each direction of a pair is an entry of its own. The profile is of all of the
    tenant's drives, those of the engine too."""

    version: int = 0
    entries: Mapping[Pair, Entry] = field(default_factory=dict)
    profile: Profile | None = None
    froms: Ints = field(init=False)
    tos: Ints = field(init=False)

    def __post_init__(self) -> None:
        for name, end in (("froms", 0), ("tos", 1)):
            keys = np.array(sorted({pair[end] for pair in self.entries}), dtype=np.int64)
            object.__setattr__(self, name, keys)

    def travel_version(self, engine: str) -> str:
        """The version that legs carry, by this engine's version."""
        return travel_version(engine, self.version, timed=self.profile is not None)

    def named(self, froms: Ints, tos: Ints) -> list[tuple[int, Entry]]:
        """Positions of the pairs that it has an entry for, with the entries; a single place broadcasts."""
        if not self.entries:
            return []
        likely = np.nonzero(np.isin(froms, self.froms) & np.isin(tos, self.tos))[0]
        size = np.broadcast_shapes(froms.shape, tos.shape)
        columns = np.broadcast_to(froms, size)[likely].tolist(), np.broadcast_to(tos, size)[likely].tolist()
        pairs = zip(likely.tolist(), *columns, strict=True)
        return [(at, self.entries[a, b]) for at, a, b in pairs if (a, b) in self.entries]


def travel_version(engine: str, matrix: int, *, timed: bool = False) -> str:
    """The version that legs carry: the engine's, and the matrix's when there is one, which is marked when
    there is a profile with it."""
    return f"{engine}{_SEPARATOR}{matrix}{'p' * timed}" if matrix else engine


def version_of_all(versions: Iterable[str]) -> str:
    """One version for drives of several: the engines first, then the matrices."""
    told = [version.split("+") for version in versions]
    parts = {part for version in told for part in version}
    if any(map(_timed, parts)) and not all(any(map(_MATRIX.fullmatch, version)) for version in told):
        parts.add(_NO_MATRIX)
    return "+".join(sorted(parts, key=lambda part: (_MATRIX.fullmatch(part) is not None, part)))


def engine_of(version: str) -> str:
    """The version of the engine, or of several, in the version of the travel data."""
    return version.partition(_SEPARATOR)[0]


def matrix_of(version: str) -> int:
    """The version of the matrix in the version of the travel data; 0 without one."""
    _, separator, number = version.rpartition(_SEPARATOR)
    return int(number.rstrip("p")) if separator else 0


def profile_of(version: str) -> int | None:
    """The version of the matrix whose profile a drive of this version has; None without a profile."""
    numbers = _numbers(version)
    return int(numbers[0][1]) if len(numbers) == 1 and numbers[0][2] else None


def is_mixed(version: str) -> bool:
    """Whether a drive of this version is of several matrices, and one of them has a profile."""
    numbers = _numbers(version)
    return len(numbers) > 1 and any(number[2] for number in numbers)


def versions_within(version: str) -> list[str]:
    """The versions that single drives may have which one of this version is put together from."""
    parts = version.split("+")
    matrices = [part for part in parts if _MATRIX.fullmatch(part)]
    engines = [part for part in parts if part not in matrices]
    return [*engines, *(f"{engine}+{matrix}" for engine in engines for matrix in matrices)]


def _numbers(version: str) -> list[re.Match[str]]:
    return [found for part in version.split("+") if (found := _MATRIX.fullmatch(part))]


def _timed(part: str) -> bool:
    found = _MATRIX.fullmatch(part)
    return found is not None and bool(found[2])
