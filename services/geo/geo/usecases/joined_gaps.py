"""The gaps of several agents as one, made anew for those agents alone that changed."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from geo.domain import gaps
from geo.domain.agenda import Agenda
from geo.domain.calendar import ConcreteShift
from geo.domain.gaps import FOREVER, NEVER, Gaps
from geo.domain.narrow import Narrow
from geo.domain.places import Ints, Places
from geo.domain.quotas import Span
from geo.domain.shift_gaps import LiveStops

_DURATIONS: Final = 3
_PLACES_LEFT_OVER: Final = 1000


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
            duration, old = before.joins.popitem()
            made.joins[duration] = made._changed(old, duration)
        return made

    def counts(self, agendas: Sequence[Agenda], as_of: int) -> bool:
        """Whether it still says what these agendas, in this order, hold at this instant."""
        return self.agendas == agendas and self.expired_by <= as_of < self.expires_at

    @property
    def held(self) -> int:
        """Gaps that are joined."""
        return sum(len(join.gaps) for join in self.joins.values())

    def whole(self) -> Prepared:
        """All gaps."""
        return self._kept(None)

    def roomy(self, duration: int) -> Prepared:
        """Those gaps alone that a visit of so many seconds can ever fit into."""
        return self._kept(duration)

    def _kept(self, duration: int | None) -> Prepared:
        found = self.joins.get(duration)
        if found is None:
            found = self.joins[duration] = self._joined(self.agents, duration)
        self.joins.move_to_end(duration)
        if len(self.joins) > _DURATIONS:
            self.joins.popitem(last=False)
        return found

    def _joined(self, parts: Sequence[AgentGaps], duration: int | None, first: int = 0) -> Prepared:
        """Some consecutive agents, from the position `first` on."""
        found = [part.roomy(duration) for part in parts]
        rows = np.array([len(positions) for positions in found], dtype=np.int64)
        some = (part.gaps.take(positions) for part, positions in zip(parts, found, strict=True))
        together = gaps.joined(some, rows, first)
        buffers = np.array([part.agenda.buffer for part in parts], dtype=np.int64)
        ends = _ends(together.origin, together.target)
        return Prepared(
            self.agents, self.agent_ids, self.ranks, together, **ends, buffers=buffers.repeat(rows), rows=rows
        )

    def _changed(self, old: Prepared, duration: int | None) -> Prepared:
        """What was joined before, with the gaps of the agents that changed in the place of their old ones."""
        changed = [at for at, part in enumerate(self.agents) if part is not old.agents[at]]
        pieces, at = list[Prepared](), 0
        ends = np.concatenate([[0], np.cumsum(old.rows)]).tolist()
        for number in changed:
            pieces.append(_cut(old, ends[at], ends[number]))
            pieces.append(self._joined(self.agents[number : number + 1], duration, number))
            at = number + 1
        pieces.append(_cut(old, ends[at], ends[-1]))
        made = _together(self, old, pieces, changed)
        if len(made.places) > 2 * len(made.gaps) + _PLACES_LEFT_OVER:
            return self._joined(self.agents, duration)
        return made


def _ends(origin: Ints, target: Ints) -> dict[str, Any]:
    """The places among these, each once, and where the ones and the others are among them.

    In the order in which they come along the gaps, so that gaps in a row find theirs side by side in memory.
    """
    along = np.stack([origin, target], axis=1).ravel()
    places, first, at = np.unique(along, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    ends = rank[at].reshape(-1, 2)
    origin_at, target_at = ends[:, 0].copy(), ends[:, 1].copy()
    return {"places": Places.of(places[order]), "origin_at": origin_at, "target_at": target_at}


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
