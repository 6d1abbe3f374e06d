"""Made-up people at made-up street addresses in real towns.

Phone numbers begin with +39 00: no Italian number does, so nobody real can be called by mistake.
"""

import random
import tomllib
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path

from allinone.demo.model import DemoContact
from allinone.demo.region import Region, Town
from allinone.demo.seed import scatter
from kit.values.latlng import LatLng

Snap = Callable[[LatLng], LatLng | None]
"""Moves a place onto the nearest road; None when there is none near."""

NAMES: dict[str, list[str]] = tomllib.loads(Path(__file__).with_name("names.toml").read_text())


def full_name(rng: random.Random) -> str:
    """A first and a last name."""
    return f"{rng.choice(NAMES['first_names'])} {rng.choice(NAMES['last_names'])}"


def contacts(
    rng: random.Random, region: Region, prefix: str, count: int, snap: Snap
) -> tuple[DemoContact, ...]:
    """`count` people over the region's towns, more where more people live."""
    cumulative = list(accumulate(town.weight for town in region.towns))
    towns = rng.choices(region.towns, cum_weights=cumulative, k=count)
    ranks = {town.name: rank for rank, town in enumerate(region.towns)}
    return tuple(
        _contact(rng, town, f"{prefix}{number:04d}", _postcode(ranks[town.name], number), snap)
        for number, town in enumerate(towns, 1)
    )


def place_in(rng: random.Random, town: Town, snap: Snap) -> LatLng:
    """A place at street level in the town; its centre where no road is near."""
    for _ in range(8):
        found = snap(scatter(rng, town.centre, town.radius_m))
        if found is not None:
            return found
    return town.centre


def _postcode(rank: int, number: int) -> str:
    """Made up like the streets: each town has four of its own, the largest 10121 to 10124."""
    return f"{10_121 + 4 * rank + number % 4}"


def _contact(rng: random.Random, town: Town, key: str, postcode: str, snap: Snap) -> DemoContact:
    name = full_name(rng)
    phone = f"+3900{rng.randrange(10**7, 10**8)}"
    address = f"{rng.choice(NAMES['streets'])} {rng.randrange(1, 180)}, {town.name}"
    return DemoContact(key, name, phone, address, postcode, place_in(rng, town, snap))
