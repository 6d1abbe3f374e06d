"""Chance that can be repeated: one stream of numbers for each purpose, from one seed."""

import hashlib
import math
import random

from kit.values.latlng import LatLng

SEED = 20261201
METRES_A_DEGREE = 111_195.0


def stream(seed: int, purpose: str) -> random.Random:
    """Numbers for one purpose: more draws for one thing do not shift another's."""
    return random.Random(f"{seed}:{purpose}")  # noqa: S311 - made-up people, no secret


def request_id(seed: int, *parts: object) -> str:
    """An idempotency key that is the same in every run: a second load finds what the first one made."""
    text = ":".join(map(str, (seed, *parts)))
    return f"demo-{hashlib.sha256(text.encode()).hexdigest()[:40]}"


def scatter(rng: random.Random, centre: LatLng, radius_m: float) -> LatLng:
    """A place at most about `radius_m` metres away, denser towards the centre."""
    distance, angle = radius_m * rng.random() ** 0.75, rng.uniform(0, 2 * math.pi)
    north, east = distance * math.cos(angle), distance * math.sin(angle)
    shrink = math.cos(math.radians(centre.lat))
    return LatLng(centre.lat + north / METRES_A_DEGREE, centre.lng + east / (METRES_A_DEGREE * shrink))
