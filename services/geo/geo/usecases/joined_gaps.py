"""The gaps of several agents as one, made anew for those agents alone that changed."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from geo.domain import gaps
from geo.domain.agenda import Agenda
from geo.domain.calendar import ConcreteShift
from geo.domain.gaps import FOREVER, NEVER, Gaps
from geo.domain.narrow import Narrow
from geo.domain.places import Ints, Places
from geo.domain.quotas import Span
from geo.domain.shift_gaps import LiveStops
from geo.usecases.slices import Slices

_DURATIONS: Final = 3
_PLACES_LEFT_OVER: Final = 1000
_MOST_CHANGED: Final = 32
"""Agents whose new gaps are put between those of the others without a pause."""
_ROWS_A_TURN: Final = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class AgentGaps:
    """One agent's gaps between two instants, and what they were made from."""

    agenda: Agenda
    shifts: tuple[ConcreteShift, ...]
    live: LiveStops
    kept: Narrow
    full: tuple[Span, ...] = ()
    """Days that take no further visit; the gaps are cut there."""

    @property
    def gaps(self) -> Gaps:
        """The gaps themselves, made anew."""
        return Gaps(self.kept.table)

    def __len__(self) -> int:
        """How many gaps there are."""
        return len(self.kept)

    def roomy(self, duration: int | None) -> Ints:
        """Positions of those that a visit of so many seconds can ever fit into; of all without a duration."""
        if duration is None:
            return np.arange(len(self))
        opens, closes, fault = map(self.kept.column, gaps.ROOM)
        return gaps.roomy((opens, closes, fault), duration)

    def counts(self, agenda: Agenda, as_of: int) -> bool:
        """Whether it still says what this agenda holds at this instant."""
        return self.agenda is agenda and self.live.expired_by <= as_of < self.live.expires_at


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """Gaps of several agents, as `gaps.agent` counts them; `ranks` is their place in the order of ids.

    `places` are all that gaps begin and end at, and maybe some that none does any more; `origin_at` and
    `target_at` are where the gaps' columns of those names are among them. `buffers` are along the gaps, the
    others along the agents; `rows` is how many gaps each agent has here.
    """

    agents: tuple[AgentGaps, ...]
    agent_ids: tuple[str, ...]
    ranks: Ints
    gaps: Gaps
    places: Places
    origin_at: Ints
    target_at: Ints
    buffers: Ints
    rows: Ints

    def roomy(self, duration: int) -> "Prepared":
        """The same with those gaps alone that a visit of so many seconds can ever fit into."""
        at = gaps.roomy((self.gaps.opens, self.gaps.closes, self.gaps.fault), duration)
        return replace(
            self,
            gaps=self.gaps.take(at),
            origin_at=self.origin_at.take(at),
            target_at=self.target_at.take(at),
            buffers=self.buffers.take(at),
            rows=np.bincount(self.gaps.agent.take(at), minlength=len(self.agents)),
        )


@dataclass(slots=True, eq=False)
class Crowd:
    """Several agents' gaps at some instant, joined for the durations that were asked last."""

    version: str
    agents: tuple[AgentGaps, ...]
    agendas: list[Agenda]
    agent_ids: tuple[str, ...]
    ranks: Ints
    expired_by: int
    expires_at: int
    joins: "OrderedDict[int | None, Prepared]" = field(default_factory=OrderedDict)
    before: "Crowd | None" = None
    """What they were before some changed, as long as that is only being joined."""
    joining: asyncio.Lock = field(default_factory=asyncio.Lock)

    @classmethod
    def of(cls, version: str, parts: Sequence[AgentGaps], before: "Crowd | None" = None) -> "Crowd":
        """These agents'; `before` is what the same ones, in the same order, had before some changed."""
        agendas = [part.agenda for part in parts]
        agent_ids = tuple([agenda.agent_id for agenda in agendas])
        ranks = np.empty(len(parts), dtype=np.int64)
        ranks[np.argsort(np.array(agent_ids))] = np.arange(len(parts))
        expired_by = max((part.live.expired_by for part in parts), default=NEVER)
        expires_at = min((part.live.expires_at for part in parts), default=FOREVER)
        made = cls(version, tuple(parts), agendas, agent_ids, ranks, expired_by, expires_at)
        if before is not None and before.joins:
            duration, old = next(reversed(before.joins.items()))
            changed = made._changed(old, duration)
            if changed is not None:
                made.joins[duration] = changed
        elif before is not None and before.joining.locked():
            made.before = before
        return made

    def counts(self, agendas: Sequence[Agenda], as_of: int) -> bool:
        """Whether it still says what these agendas, in this order, hold at this instant."""
        return self.agendas == agendas and self.expired_by <= as_of < self.expires_at

    @property
    def held(self) -> int:
        """Gaps that are joined."""
        return sum(len(join.gaps) for join in self.joins.values())

    async def whole(self) -> Prepared:
        """All gaps."""
        return await self._kept(None)

    async def roomy(self, duration: int) -> Prepared:
        """Those gaps alone that a visit of so many seconds can ever fit into."""
        return await self._kept(duration)

    async def _kept(self, duration: int | None) -> Prepared:
        found = self.joins.get(duration)
        if found is None:
            async with self.joining:  # who wants the same meanwhile waits for it
                found = self.joins.get(duration)
                if found is None:
                    found = self.joins[duration] = await self._first(duration)
        self.joins.move_to_end(duration)
        if len(self.joins) > _DURATIONS:
            self.joins.popitem(last=False)
        return found

    async def _first(self, duration: int | None) -> Prepared:
        """From what is being joined of the agents as they were before, if that is so; else from nothing."""
        before, self.before = self.before, None
        if before is not None:
            async with before.joining:
                old = before.joins.get(duration)
            changed = None if old is None else self._changed(old, duration)
            if changed is not None:
                return changed
        return await self._joined(self.agents, duration)

    async def _joined(self, parts: Sequence[AgentGaps], duration: int | None) -> Prepared:
        """All agents, one by one: others get their turn in between, since thousands take a second."""
        slices, found = Slices(), list[Ints]()
        for part in parts:
            found.append(part.roomy(duration))
            await slices.give()
        rows = np.array([len(positions) for positions in found], dtype=np.int64)
        table, end = gaps.room_for(rows), 0
        for agent, (part, positions) in enumerate(zip(parts, found, strict=True)):
            end = gaps.put(table, end, part.gaps.take(positions), agent)
            await slices.give()
        together = Gaps(table)
        return self._prepared(parts, together, await _ends(together.origin, together.target, slices), rows)

    def _alone(self, agent: int, duration: int | None) -> Prepared:
        """One agent's gaps."""
        part = self.agents[agent]
        positions = part.roomy(duration)
        rows = np.array([len(positions)], dtype=np.int64)
        table = gaps.room_for(rows)
        gaps.put(table, 0, part.gaps.take(positions), agent)
        alone = Gaps(table)
        return self._prepared([part], alone, _ends_at_once(alone.origin, alone.target), rows)

    def _prepared(
        self, parts: Sequence[AgentGaps], together: Gaps, ends: tuple[Ints, Ints, Ints], rows: Ints
    ) -> Prepared:
        buffers = np.array([part.agenda.buffer for part in parts], dtype=np.int64)
        places, origin_at, target_at = ends
        return Prepared(
            self.agents,
            self.agent_ids,
            self.ranks,
            together,
            Places.of(places),
            origin_at,
            target_at,
            buffers.repeat(rows),
            rows,
        )

    def _changed(self, old: Prepared, duration: int | None) -> Prepared | None:
        """What was joined before, with the gaps of the agents that changed in the place of their old ones;
        None where all are better joined anew."""
        changed = [at for at, part in enumerate(self.agents) if part is not old.agents[at]]
        if len(changed) > _MOST_CHANGED:
            return None
        pieces, at = list[Prepared](), 0
        ends = np.concatenate([[0], np.cumsum(old.rows)]).tolist()
        for number in changed:
            pieces.append(_cut(old, ends[at], ends[number]))
            pieces.append(self._alone(number, duration))
            at = number + 1
        pieces.append(_cut(old, ends[at], ends[-1]))
        made = _together(self, old, pieces, changed)
        return None if len(made.places) > 2 * len(made.gaps) + _PLACES_LEFT_OVER else made


async def _ends(origin: Ints, target: Ints, slices: Slices) -> tuple[Ints, Ints, Ints]:
    """As `_ends_at_once`, some rows at a time."""
    pieces = []
    for first in range(0, max(1, len(origin)), _ROWS_A_TURN):
        rows = slice(first, first + _ROWS_A_TURN)
        pieces.append(_ends_at_once(origin[rows], target[rows]))
        await slices.give()
    if len(pieces) == 1:
        return pieces[0]
    places, moved = _each_once(np.concatenate([piece[0] for piece in pieces]))
    ends, first = [], 0
    for some, origin_at, target_at in pieces:
        to = moved[first : first + len(some)]
        ends.append((to[origin_at], to[target_at]))
        first += len(some)
        await slices.give()
    return places, np.concatenate([one for one, _ in ends]), np.concatenate([one for _, one in ends])


def _ends_at_once(origin: Ints, target: Ints) -> tuple[Ints, Ints, Ints]:
    """The places among these, each once, and where the ones and the others are among them.

    In the order in which they come along the gaps, so that gaps in a row find theirs side by side in memory.
    """
    places, at = _each_once(np.stack([origin, target], axis=1).ravel())
    ends = at.reshape(-1, 2)
    return places, ends[:, 0].copy(), ends[:, 1].copy()


def _each_once(along: Ints) -> tuple[Ints, Ints]:
    """These, each once, in the order in which they come first; and where each is among them."""
    each, first, at = np.unique(along, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return each[order], rank[at]


def _cut(old: Prepared, first: int, last: int) -> Prepared:
    """The rows from one to another; views."""
    return replace(
        old,
        gaps=Gaps(old.gaps.table[:, first:last]),
        origin_at=old.origin_at[first:last],
        target_at=old.target_at[first:last],
        buffers=old.buffers[first:last],
    )


def _together(crowd: Crowd, old: Prepared, pieces: Sequence[Prepared], changed: Sequence[int]) -> Prepared:
    """Pieces of the old rows, with new ones of the agents at `changed` between them; the places of those are
    put behind the old ones."""
    fresh = pieces[1::2]
    places = [old.places, *(piece.places for piece in fresh)]
    offsets = np.cumsum([len(some) for some in places]).tolist()
    shifts = [0] * len(pieces)
    shifts[1::2] = offsets[:-1]
    rows = old.rows.copy()
    rows[changed] = [piece.rows[0] for piece in fresh]
    moved = list(zip(pieces, shifts, strict=True))
    return Prepared(
        crowd.agents,
        crowd.agent_ids,
        crowd.ranks,
        Gaps(np.concatenate([piece.gaps.table for piece in pieces], axis=1)),
        Places(
            np.concatenate([some.keys for some in places]), np.concatenate([s.units for s in places], axis=1)
        ),
        np.concatenate([piece.origin_at + shift for piece, shift in moved]),
        np.concatenate([piece.target_at + shift for piece, shift in moved]),
        np.concatenate([piece.buffers for piece in pieces]),
        rows,
    )
