"""The least travel that a visit would add, by agent and window (GEO-11)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from geo.domain.slot_search import Looked


class Detour(NamedTuple):
    """The slot of one agent in one window that adds least travel, the earliest of equal ones.

    `window` counts along the windows asked; `start` in Unix seconds, `added_travel` in seconds.
    """

    agent_id: str
    window: int
    start: int
    added_travel: int


def detours(looked: Looked, windows: Sequence[tuple[int, int]], agent_ids: Sequence[str]) -> list[Detour]:
    """Ordered by agent id, then window; none where nothing fits.

    The windows are in order and apart; `agent_ids` are by the gaps' agent.
    """
    fit, meets = looked.fit, looked.meets
    good = np.nonzero(fit.good)[0]
    ends = np.array([end for _, end in windows], dtype=np.int64)
    window = np.searchsorted(ends, meets.span_end[good])
    agent = looked.gaps.agent[meets.gap[good]]
    order = np.lexsort((fit.start[good], fit.added[good], window, agent))
    best: dict[tuple[str, int], Detour] = {}
    columns = (agent[order], window[order], fit.start[good[order]], fit.added[good[order]])
    for of_agent, number, start, added in zip(*(column.tolist() for column in columns), strict=True):
        key = agent_ids[of_agent], number
        if key not in best:
            best[key] = Detour(*key, start, added)
    return sorted(best.values())
