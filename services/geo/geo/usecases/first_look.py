"""Which of the prepared gaps a visit may fit into, by lower bounds of the drives alone (ADR 0023)."""

from typing import Final

import numpy as np

from geo.domain.outlook import Bounds, Outlook, in_time, outlook
from geo.domain.places import Ints
from geo.domain.slot_search import Question
from geo.usecases.joined_gaps import Prepared
from geo.usecases.search_ports import DriveTables

_NARROW: Final = 4
"""How many times as many places as gaps in the time asked for make it worth while to bound theirs alone."""


async def first_look(
    travel: DriveTables, tenant: str, question: Question, prepared: Prepared, buffers: Ints
) -> Outlook:
    """The outlook of all gaps; `buffers` are kept before the visit, gap by gap."""
    within = in_time(prepared.gaps, question)
    if _NARROW * np.count_nonzero(within) > len(prepared.places):
        least = await travel.floor_around(tenant, question.place, prepared.places)
        bounds = Bounds(*least, prepared.origin_at, prepared.target_at, buffers)
        return outlook(prepared.gaps, within, question, bounds)
    near = np.flatnonzero(within)
    ends = np.concatenate([prepared.origin_at.take(near), prepared.target_at.take(near)])
    least = await travel.floor_around(tenant, question.place, prepared.places.take(ends))
    along = np.arange(len(ends))
    bounds = Bounds(*least, along[: len(near)], along[len(near) :], buffers.take(near))
    return outlook(prepared.gaps.take(near), within.take(near), question, bounds).among(near)
