"""The parameters of geo that a tenant may set: default, bounds, rule."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from geo.domain.errors import not_found
from kit.parameters import Bounds, Parameter, Scope


class OnRoadFailure(StrEnum):
    """What is done while the road engine cannot answer."""

    REFUSE = "REFUSE"
    ESTIMATE = "ESTIMATE"


ON_ROAD_FAILURE: Final = Parameter(
    "on_road_failure",
    OnRoadFailure,
    OnRoadFailure.REFUSE,
    "While the road engine cannot answer: REFUSE slots and bookings, or ESTIMATE travel by the safe straight"
    " line, flagged in every leg (R-087).",
    "R-087",
    narrowest=Scope.TENANT,
)
GEOCODING_CONFIDENCE: Final = Parameter(
    "geocoding_confidence",
    float,
    0.8,
    "Confidence below which a geocoded address needs a pin on the map before it may be booked.",
    "R-090",
    Bounds(0.0, 1.0),
    Scope.TENANT,
)
MAX_VISITS_PER_DAY: Final = Parameter(
    "max_visits_per_day",
    int,
    0,
    "Most visits of an agent on one day of the agent's zone, by their starts; 0 for no limit.",
    "R-090",
    Bounds(0, 1000),
)
STOP_BOOKING_AT_PERCENT: Final = Parameter(
    "stop_booking_at_percent",
    int,
    100,
    "Share of max_visits_per_day, in percent, at which a day takes no further visit.",
    "R-090",
    Bounds(1, 100),
)

DEFINITIONS: Final[Mapping[str, Parameter[Any]]] = {
    parameter.name: parameter
    for parameter in (ON_ROAD_FAILURE, GEOCODING_CONFIDENCE, MAX_VISITS_PER_DAY, STOP_BOOKING_AT_PERCENT)
}
QUOTAS: Final = (MAX_VISITS_PER_DAY, STOP_BOOKING_AT_PERCENT)
"""Those that say how many visits a day may have."""


def definition(name: str) -> Parameter[Any]:
    """The parameter of this name. Raises NotFound naming `name`."""
    found = DEFINITIONS.get(name)
    if found is None:
        raise not_found("parameter", name, "name")
    return found
