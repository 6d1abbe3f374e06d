"""How people travel on a road network: what differs between a car, a bicycle and one's own feet."""

from typing import Final

from geo.domain.modes import TravelMode

ACCESS_M_S: Final = {TravelMode.CAR: 5.0, TravelMode.BICYCLE: 3.0, TravelMode.FOOT: 1.25}
"""Speed between a place and the road it was put on: a farm track by car, a yard on foot."""

PROFILES: Final = {mode: f"{mode}.lua" for mode in TravelMode}
"""The road engine's own profiles."""

COSTINGS: Final = {"bicycle": TravelMode.BICYCLE, "pedestrian": TravelMode.FOOT}
"""Valhalla's costing models by what they are; all others are some car."""
