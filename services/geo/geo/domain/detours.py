"""The least travel that a visit would add, by agent and window (GEO-11)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from geo.domain.certificate import certificates
from geo.domain.slot_search import Looked, Question, spans


class Detour(NamedTuple):
    """The slot of one agent in one window that adds least travel, the earliest of equal ones.

    `window` counts along the windows asked; `start` in Unix seconds, `added_travel` in seconds. `certificate`
    is the slot's, packed.
    """

    agent_id: str
    window: int
    start: int
    added_travel: int
    certificate: bytes


def detours(looked: Looked, question: Question, agent_ids: Sequence[str]) -> list[Detour]:
    """Ordered by agent id, then window; none where nothing fits.

    The question's windows are in order and apart; `agent_ids` are by the gaps' agent.
    """
    fit, meets = looked.fit, looked.meets
    good = np.nonzero(fit.good)[0]
    ends = np.array([end for _, end in question.windows], dtype=np.int64)
    window = np.searchsorted(ends, meets.span_end[good])
    agent = looked.gaps.agent[meets.gap[good]]
    order = np.lexsort((fit.start[good], fit.added[good], window, agent))
    of_each = np.stack([agent[order], window[order]])
    first = np.ones(len(order), dtype=bool)
    first[1:] = np.any(of_each[:, 1:] != of_each[:, :-1], axis=0)
    best = order[first]
    chosen = spans(fit).take(best)
    columns = (agent[best], window[best], chosen.start, chosen.added)
    packed = certificates(looked, chosen, question.duration)
    rows = zip(*(column.tolist() for column in columns), packed, strict=True)
    return sorted(Detour(agent_ids[of_agent], *rest) for of_agent, *rest in rows)
