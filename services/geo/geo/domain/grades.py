"""How good a slot is by its added travel (R-189)."""

from dataclasses import dataclass
from enum import StrEnum


class Grade(StrEnum):
    """The three grades that an operator sees."""

    IDEAL = "IDEAL"
    OK = "OK"
    POOR = "POOR"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Seconds of added travel up to which (inclusive) a slot is ideal, and up to which it is OK.

    Raises ValueError when ideal reaches farther than OK.
    """

    ideal_up_to: int
    ok_up_to: int

    def __post_init__(self) -> None:
        if self.ideal_up_to > self.ok_up_to:
            raise ValueError(
                f"ideal up to {self.ideal_up_to} s reaches farther than OK up to {self.ok_up_to} s"
            )

    def grade(self, added_travel: int) -> Grade:
        """The grade of a slot that adds so many seconds of travel."""
        if added_travel <= self.ideal_up_to:
            return Grade.IDEAL
        return Grade.OK if added_travel <= self.ok_up_to else Grade.POOR
