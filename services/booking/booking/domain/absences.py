"""When agents, and the person to visit, were noted as unavailable (R-014)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from booking.domain import errors
from kit.values.window import Window


@dataclass(frozen=True, slots=True)
class Absences:
    """Windows by agent, and those of the person to visit; in order of their starts."""

    of_agents: Mapping[str, Sequence[Window]] = field(default_factory=dict)
    of_contact: Sequence[Window] = ()

    def require_none(self, agent_id: str, window: Window) -> None:
        """Raises ABSENT or CONTACT_UNAVAILABLE for a visit in one of them."""
        if any(away.overlaps(window) for away in self.of_agents.get(agent_id, ())):
            raise errors.absent(agent_id)
        if any(away.overlaps(window) for away in self.of_contact):
            raise errors.contact_unavailable()

    def away_in(self, windows: Sequence[Window]) -> frozenset[str]:
        """The agents who are away at some time in these windows."""
        return frozenset(
            agent
            for agent, aways in self.of_agents.items()
            if any(away.overlaps(window) for away in aways for window in windows)
        )

    def left_for(self, agent_id: str, windows: Sequence[Window]) -> tuple[Window, ...]:
        """The windows without the times that the agent, or the person to visit, is away."""
        return without(windows, [*self.of_agents.get(agent_id, ()), *self.of_contact])


NO_ABSENCES = Absences()
"""Nobody is away."""


def without(windows: Sequence[Window], aways: Sequence[Window]) -> tuple[Window, ...]:
    """What is left of windows, which are in order, once some times are taken out."""
    left = list(windows)
    for away in aways:
        left = [piece for window in left for piece in _pieces(window, away)]
    return tuple(left)


def _pieces(window: Window, away: Window) -> list[Window]:
    if not window.overlaps(away):
        return [window]
    pieces = []
    if window.start < away.start:
        pieces.append(Window(window.start, away.start))
    if away.end < window.end:
        pieces.append(Window(away.end, window.end))
    return pieces
