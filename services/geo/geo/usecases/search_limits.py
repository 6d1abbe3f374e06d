"""How much one question of slot search may be about, and how much of it is looked at without a pause."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from math import ceil
from typing import Final

from geo.domain.slot_search import Question
from geo.usecases.agents_by_mode import Agents
from kit.errors import InvalidInput, Reason

LONGEST_HORIZON_DAYS: Final = 400
MOST_AGENT_DAYS: Final = 300_000
"""Agents times days up to the last instant asked for: what is prepared for a day takes about a kilobyte."""
MOST_DETOURS: Final = 20_000
"""Agents times windows that are answered one by one: as many as one answer holds."""

AT_ONCE_AGENT_DAYS: Final = 40_000
"""Agents times days that are searched without a pause while what is prepared for them stays joined: some ten
milliseconds."""
PORTION_AGENT_DAYS: Final = 8_000
"""As many at a time where there are more: those are joined anew each time, which takes ten times as long."""
_TOLD: Final = 10  # to tell a gap's reasons takes as long as to look at so many

_DAY: Final = 24 * 3600


def require_within_horizon(windows: Sequence[tuple[int, int]], as_of: int) -> None:
    """Raises InvalidInput for a window that ends too far from now."""
    if max(end for _, end in windows) - as_of > LONGEST_HORIZON_DAYS * _DAY:
        message = f"must end within {LONGEST_HORIZON_DAYS} days"
        raise InvalidInput(Reason.INVALID_FIELD, message, field="windows")


def require_bearable(question: Question, agents: int, as_of: int) -> None:
    """Raises InvalidInput for a question that would fill the memory and take all of a call's time."""
    days = _days(question, as_of)
    if agents * days > MOST_AGENT_DAYS:
        message = f"{agents} agents over {days} days are more than {MOST_AGENT_DAYS} agent-days at once"
        raise InvalidInput(Reason.INVALID_FIELD, message, field="agent_ids")


def require_countable(agents: int, windows: int) -> None:
    """Raises InvalidInput for more detours than one answer holds."""
    if agents * windows > MOST_DETOURS:
        message = f"{agents} agents in {windows} windows are more than {MOST_DETOURS} detours at once"
        raise InvalidInput(Reason.INVALID_FIELD, message, field="agent_ids")


async def portions(who: Agents, question: Question, as_of: int, *, explain: bool) -> AsyncIterator[Agents]:
    """The agents, as many at a time as hold nobody else up for long; others get their turn in between."""
    mode, agendas = who
    weight = max(1, _days(question, as_of)) * (_TOLD if explain else 1)
    if len(agendas) * weight <= AT_ONCE_AGENT_DAYS:
        yield who
        return
    size = max(1, PORTION_AGENT_DAYS // weight)
    for first in range(0, len(agendas), size):
        if first:
            await asyncio.sleep(0)
        yield mode, agendas[first : first + size]


def _days(question: Question, as_of: int) -> int:
    return ceil((max(end for _, end in question.windows) - as_of) / _DAY)
