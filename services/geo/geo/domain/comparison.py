"""How far an estimate of travel is from the roads."""

from dataclasses import dataclass

import numpy as np

from geo.domain.legs import Pair
from geo.domain.places import Ints


@dataclass(frozen=True, slots=True)
class Ratio:
    """Estimated time over road time: quantiles over drives, and the share of drives that take longer."""

    median: float
    p90: float
    p99: float
    most: float
    below_share: float


@dataclass(frozen=True, slots=True)
class Compared:
    """One drive, in seconds."""

    pair: Pair
    road: int
    bound: int
    guess: int


def ratio(estimated: Ints, roads: Ints) -> Ratio:
    """Of parallel seconds, at least one; a road time of 0 counts as 1 s."""
    ratios = estimated / np.maximum(roads, 1)
    median, p90, p99, most = np.percentile(ratios, [50, 90, 99, 100]).tolist()
    return Ratio(median, p90, p99, most, float((estimated < roads).mean()))


def worst(drives: list[Compared], rows: int) -> list[Compared]:
    """The drives with the longest road time over bound, longest first."""
    return sorted(drives, key=lambda drive: (drive.bound / max(drive.road, 1), drive.pair))[:rows]
