"""The package of appointments that a campaign has bought, and what counts against it (R-133 to R-138)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Package:
    """Counters of one step of a campaign.

    Always `taken + cancelled_in_step <= purchased` (R-136) and `to_confirm <= taken` (R-135); the table has
    the same checks. A booking takes its unit when it begins, so one under way counts in `taken` and in
    `to_confirm`, and gives it back when it fails.
    """

    purchased: int
    taken: int = 0
    to_confirm: int = 0
    cancelled_in_step: int = 0

    def __post_init__(self) -> None:
        if min(self.taken, self.to_confirm, self.cancelled_in_step) < 0:
            raise ValueError(f"a counter is negative: {self}")
        if self.taken + self.cancelled_in_step > self.purchased or self.to_confirm > self.taken:
            raise ValueError(f"the counters contradict each other: {self}")

    @property
    def left(self) -> int:
        """How many more may be taken in this step."""
        return self.purchased - self.taken - self.cancelled_in_step

    @property
    def full(self) -> bool:
        """Whether no unit is left in this step: cancelled ones are made up after it, not in it (R-136)."""
        return self.taken + self.cancelled_in_step >= self.purchased


@dataclass(frozen=True, slots=True)
class Count:
    """What one change adds to the counters of its campaign."""

    taken: int = 0
    to_confirm: int = 0
    cancelled_in_step: int = 0


NOTHING = Count()
"""The counters stay."""

TAKE = Count(taken=1, to_confirm=1)
"""A booking begins."""

GIVE_BACK = Count(taken=-1, to_confirm=-1)
"""A booking failed; it is not a cancellation."""
