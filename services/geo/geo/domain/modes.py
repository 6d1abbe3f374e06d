"""How an agent travels (GEO-25)."""

from enum import StrEnum


class TravelMode(StrEnum):
    """A way to travel; the value is in the versions of its drives."""

    CAR = "car"
    BICYCLE = "bicycle"
    FOOT = "foot"
