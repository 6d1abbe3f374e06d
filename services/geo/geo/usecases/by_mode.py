"""What answers for each way to travel. A mode that the deployment has no roads for is not there."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from geo.domain.modes import TravelMode
from kit.errors import Reason, Unavailable

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class ByMode(Generic[T_co]):
    """One of each mode that there are roads for."""

    each: Mapping[TravelMode, T_co]

    def of(self, mode: TravelMode) -> T_co:
        """Who answers for a mode. Raises Unavailable (TRAVEL_UNAVAILABLE) where the roads of a mode that some
        agent has are not there any more: never those of another in their place."""
        try:
            return self.each[mode]
        except KeyError:
            message = f"this deployment has no roads for {mode}"
            metadata = {"travel_mode": mode.value}
            raise Unavailable(Reason.TRAVEL_UNAVAILABLE, message, metadata=metadata) from None

    def __contains__(self, mode: TravelMode) -> bool:
        return mode in self.each

    def __iter__(self) -> Iterator[tuple[TravelMode, T_co]]:
        return iter(self.each.items())
