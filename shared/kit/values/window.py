"""Half-open stretches of time in whole seconds."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """`[start, end)`: aware instants in UTC, whole seconds, end after start.

    Instants of another zone are turned into UTC. Raises ValueError for a naive or sub-second instant and for
    an end that is not after the start; transports turn that into INVALID_ARGUMENT with the field's name.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        object.__setattr__(self, "start", instant(self.start, "start"))
        object.__setattr__(self, "end", instant(self.end, "end"))
        if self.end <= self.start:
            raise ValueError(f"end {self.end.isoformat()} is not after start {self.start.isoformat()}")

    @property
    def duration(self) -> timedelta:
        """How long it lasts."""
        return self.end - self.start

    def overlaps(self, other: "Window") -> bool:
        """Whether both share an instant; windows that only touch do not."""
        return self.start < other.end and other.start < self.end

    def contains(self, what: "datetime | Window") -> bool:
        """Whether an instant (the end excluded) or a whole window lies inside."""
        if isinstance(what, Window):
            return self.start <= what.start and what.end <= self.end
        return self.start <= what < self.end


def instant(moment: datetime, name: str = "time") -> datetime:
    """`moment` in UTC. Raises ValueError, naming it, when it has no zone or a fraction of a second."""
    if moment.tzinfo is None:
        raise ValueError(f"{name} has no time zone")
    if moment.microsecond:
        raise ValueError(f"{name} is finer than a second")
    return moment if moment.tzinfo is UTC else moment.astimezone(UTC)
