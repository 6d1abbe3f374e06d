"""Which of a gap's starts are offered, and in what order.

All starts of a gap on the grid between its earliest and its latest fit alike; a customer is helped by a few
of them: the earliest, the latest, the nearest to the hour that was asked for.

The order is total: added travel, then start, then agent id. One start of one agent is offered once.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from geo.domain.grid import on_grid, on_grid_before
from geo.domain.places import Ints

_START_BITS: Final = 27
_AGENT_BITS: Final = 14
_FAR: Final = 1 << 20

MOST_AGENTS: Final = 1 << _AGENT_BITS
LONGEST_SECONDS: Final = 1 << _START_BITS
"""Bounds within which one integer can hold what slots are ordered by: four years, 16,384 agents."""


class StartChoice(StrEnum):
    """Which start of a gap."""

    EARLIEST = "EARLIEST"
    LATEST = "LATEST"
    NEAREST = "NEAREST"


class Position(NamedTuple):
    """Where a slot stands in the order; seconds and Unix seconds."""

    added_travel: int
    start: int
    agent_id: str


@dataclass(frozen=True, slots=True)
class Choices:
    """Which starts are asked for. Starts lie on the grid of `granularity` seconds.

    `near` are the instants that NEAREST is measured from: of equally near starts it is the earlier one.
    Without any of them NEAREST offers nothing.
    """

    starts: frozenset[StartChoice] = frozenset({StartChoice.EARLIEST})
    near: tuple[int, ...] = ()
    granularity: int = 0


@dataclass(frozen=True, slots=True)
class Offers:
    """Starts on offer, each with the position of its candidate; `latest` and `added` are that candidate's."""

    at: Ints
    start: Ints
    latest: Ints
    added: Ints

    def take(self, which: Ints | npt.NDArray[np.bool_]) -> "Offers":
        """Those at these positions."""
        return Offers(self.at[which], self.start[which], self.latest[which], self.added[which])


def offered(spans: Offers, choices: Choices) -> Offers:
    """The starts to offer of candidates that fit, `spans.start` being their earliest ones."""
    if choices.starts == {StartChoice.EARLIEST}:
        return spans
    kinds = [kind for kind in _STARTS if kind in choices.starts]
    starts = [_STARTS[kind](spans, choices) for kind in kinds if kind != StartChoice.NEAREST or choices.near]
    if not starts:
        return spans.take(np.zeros(0, dtype=np.int64))
    every = np.tile(np.arange(len(spans.at)), len(starts))
    repeated = spans.take(every)
    return Offers(repeated.at, np.concatenate(starts), repeated.latest, repeated.added)


def best(offers: Offers, ranks: Ints, limit: int) -> Offers:
    """The first `limit` in the documented order.

    `ranks` gives the agent of each offer its place in the order of agent ids. What is offered twice, as in
    windows that overlap, is given once, with the most room that it has.
    """
    if not len(offers.at):
        return offers
    base = int(np.min(offers.start))
    key = ((offers.added + _FAR) << _START_BITS) + offers.start - base
    key = (key << _AGENT_BITS) + ranks
    return offers.take(_first_distinct(key, offers.latest, limit))


def beyond(offers: Offers, ranks: Ints, position: Position, agent_ids: Collection[str]) -> Ints:
    """Positions of the offers behind `position` in the order; `agent_ids` are all that were ranked."""
    rank = sum(agent_id <= position.agent_id for agent_id in agent_ids)
    added, start = offers.added, offers.start
    same = added == position.added_travel
    later = (start > position.start) | ((start == position.start) & (ranks >= rank))
    found: Ints = np.nonzero((added > position.added_travel) | (same & later))[0]
    return found


def bounded(added: Ints) -> Ints:
    """Seconds of added travel within what the order can hold."""
    within: Ints = np.minimum(np.maximum(added, 1 - _FAR), _FAR - 1)
    return within


def _earliest(spans: Offers, _: Choices) -> Ints:
    return spans.start


def _latest(spans: Offers, choices: Choices) -> Ints:
    return on_grid_before(spans.latest, choices.granularity)


def _nearest(spans: Offers, choices: Choices) -> Ints:
    last = _latest(spans, choices)
    start, far = spans.start, np.full(len(spans.at), np.iinfo(np.int64).max)
    for near in sorted(choices.near):
        inside = np.minimum(np.maximum(near, spans.start), last)
        for found in (on_grid_before(inside, choices.granularity), on_grid(inside, choices.granularity)):
            on = np.minimum(np.maximum(found, spans.start), last)
            distance = np.abs(on - near)
            nearer = (distance < far) | ((distance == far) & (on < start))
            start, far = np.where(nearer, on, start), np.where(nearer, distance, far)
    return start


_STARTS: Final[Mapping[StartChoice, Callable[[Offers, Choices], Ints]]] = {
    StartChoice.EARLIEST: _earliest,
    StartChoice.NEAREST: _nearest,
    StartChoice.LATEST: _latest,
}


def _first_distinct(keys: Ints, latest: Ints, limit: int) -> Ints:
    """Positions of the `limit` smallest keys in order, one of each: the one with the latest `latest`."""
    wanted = limit
    while True:
        few = _smallest(keys, wanted)
        order = few[np.lexsort((-latest[few], keys[few]))]
        ordered = keys[order]
        fresh = np.ones(len(order), dtype=bool)
        np.not_equal(ordered[1:], ordered[:-1], out=fresh[1:])
        if len(few) == len(keys) or np.count_nonzero(fresh) >= limit:
            chosen: Ints = order[fresh][:limit]
            return chosen
        wanted *= 4


def _smallest(keys: Ints, wanted: int) -> Ints:
    """Positions of all keys that are no larger than the `wanted`-th smallest."""
    if wanted >= len(keys):
        return np.arange(len(keys))
    few: Ints = np.nonzero(keys <= np.partition(keys, wanted)[wanted])[0]
    return few
