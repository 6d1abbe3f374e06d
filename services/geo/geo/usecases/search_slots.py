"""Finds the starts that an agent can really keep, over agents and days (GEO-05, GEO-07, GEO-10).

No database is asked while agendas are clean, and no solver ever (GEO-20).
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from operator import attrgetter
from typing import Final

import numpy as np

from geo.domain import refusals, slot_search, starts
from geo.domain.agenda import Agenda
from geo.domain.detours import Detour, detours
from geo.domain.drives import Drives
from geo.domain.gaps import NEVER, Gaps
from geo.domain.grades import Grade, Thresholds
from geo.domain.idle_days import idle_days
from geo.domain.places import Ints, Places
from geo.domain.refusals import Refused
from geo.domain.slot_search import Candidates, Looked, Question, Round, Slot
from geo.domain.starts import Choices, Position, StartChoice
from geo.storage.agendas import Agendas
from geo.usecases.prepared_gaps import Prepared, PreparedGaps
from geo.usecases.search_ports import DriveTables
from kit.errors import InvalidInput, Reason
from kit.values.window import Window

MOST_REFUSALS: Final = 1000
LONGEST_HORIZON_DAYS: Final = 400


@dataclass(frozen=True, slots=True)
class SearchSlots:
    """What an operator asks for. Seconds; `place` is a place's key; `not_before` is the earliest start.

    `starts` are those of a gap's starts to offer, `near` the instants that NEAREST is measured from. `after`
    is the last slot of the page before: the answer goes on behind it.
    """

    place: int
    duration: int
    windows: tuple[Window, ...]
    as_of: datetime
    agent_ids: tuple[str, ...]
    not_before: datetime | None = None
    skills: frozenset[str] = frozenset()
    buffer: int = 0
    granularity: int = 0
    limit: int = 10
    explain: bool = False
    thresholds: Thresholds | None = None
    starts: frozenset[StartChoice] = frozenset({StartChoice.EARLIEST})
    near: tuple[datetime, ...] = ()
    after: Position | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """The slots in order, each with its grade (None without thresholds), and the gaps that do not fit."""

    slots: tuple[tuple[Slot, Grade | None], ...]
    refused: tuple[Refused, ...]
    refused_truncated: bool
    travel_version: str


@dataclass(frozen=True, slots=True)
class FoundDetours:
    """The best slot of each agent in each window, with its grade (None without thresholds)."""

    detours: tuple[tuple[Detour, Grade | None], ...]
    travel_version: str


class SlotSearch:
    """Slot search over the agendas in memory."""

    def __init__(self, agendas: Agendas, travel: DriveTables) -> None:
        self._agendas = agendas
        self._travel = travel
        self._prepared = PreparedGaps(travel)

    async def search(self, tenant: str, asked: SearchSlots) -> Found:
        """The best slots. Raises InvalidInput, NotFound for an unknown agent, and Unavailable."""
        task, unable = await self._task(tenant, asked)
        return _found(task, await self._look(task), unable)

    async def detours(self, tenant: str, asked: SearchSlots) -> FoundDetours:
        """The best slot of each agent in each window, which are in order and apart. Raises as `search`."""
        task, _ = await self._task(tenant, asked)
        looked = await self._look(task)
        found = detours(looked, task.question.windows, task.prepared.agent_ids)
        limits = asked.thresholds
        graded = [(detour, limits.grade(detour.added_travel) if limits else None) for detour in found]
        return FoundDetours(tuple(graded), looked.travel.inward.version)

    async def _task(self, tenant: str, asked: SearchSlots) -> "tuple[_Task, list[Agenda]]":
        """What to look at, and the agents that lack a skill."""
        question = _question(asked)
        agendas = await self._agendas.of(tenant, tuple(dict.fromkeys(asked.agent_ids)), asked.as_of)
        able = [agenda for agenda in agendas if asked.skills <= agenda.skills]
        as_of, until = int(asked.as_of.timestamp()), max(end for _, end in question.windows)
        prepared = await self._prepared.of(tenant, able, as_of, until)
        unable = [agenda for agenda in agendas if not asked.skills <= agenda.skills]
        return _Task(tenant, asked, question, prepared), unable

    async def _look(self, task: "_Task") -> Looked:
        look = _Look.at(task, _first_candidates(task))
        if not (task.asked.explain or self._travel.instant):
            least = await self._judged(task, look, self._travel.floor_around)
            kept = least.meets.where(least.fit.good)
            kept = Candidates(least.positions[kept.gap], kept.span_start, kept.span_end)
            look = _Look.at(task, kept)
        return await self._judged(task, look, self._travel.around)

    async def _judged(self, task: "_Task", look: "_Look", around: "_Around") -> Looked:
        question = task.question
        travel = await self._round(task, look.positions, around)
        travel = slot_search.settled(look.gaps, travel, question.place)
        buffers = np.maximum(task.prepared.buffers, task.asked.buffer)[look.gaps.agent]
        fit = slot_search.fits(look.gaps, look.meets, buffers, question, travel)
        return Looked(look.positions, look.gaps, buffers, look.meets, travel, fit)

    async def _round(self, task: "_Task", positions: Ints, around: "_Around") -> Round:
        prepared, place = task.prepared, task.question.place
        ends = prepared.origin_at.take(positions), prepared.target_at.take(positions)
        if self._travel.instant:  # asking about all is cheaper than finding out about which
            return Round.of(*await around(task.tenant, place, prepared.places), *ends)
        wanted, at = np.unique(np.concatenate(ends), return_inverse=True)
        drives = await around(task.tenant, place, prepared.places.take(wanted))
        return Round.of(*drives, at[: len(positions)], at[len(positions) :])


_Around = Callable[[str, int, Places], Awaitable[tuple[Drives, Drives]]]


@dataclass(frozen=True, slots=True)
class _Task:
    tenant: str
    asked: SearchSlots
    question: Question
    prepared: Prepared


@dataclass(frozen=True, slots=True)
class _Look:
    """The gaps that some candidate is about: their positions among all, and the candidates along them."""

    positions: Ints
    gaps: Gaps
    meets: Candidates

    @classmethod
    def at(cls, task: _Task, meets: Candidates) -> "_Look":
        everything = task.prepared.gaps
        if len(task.question.windows) == 1:  # each gap once, in order
            along = np.arange(len(meets))
            return cls(meets.gap, everything.take(meets.gap), replace(meets, gap=along))
        about = np.zeros(len(everything), dtype=bool)
        about[meets.gap] = True
        positions = np.nonzero(about)[0]
        along = np.cumsum(about)[meets.gap] - 1
        return cls(positions, everything.take(positions), replace(meets, gap=along))


def _first_candidates(task: _Task) -> Candidates:
    question, gaps = task.question, task.prepared.gaps
    if not task.asked.explain:
        return slot_search.roomy(gaps, slot_search.candidates(gaps, question), question.duration)
    meets = slot_search.candidates(gaps, _without_lead(question))
    return replace(meets, span_start=np.maximum(meets.span_start, question.not_before))


def _question(asked: SearchSlots) -> Question:
    as_of = int(asked.as_of.timestamp())
    windows = [(int(window.start.timestamp()), int(window.end.timestamp())) for window in asked.windows]
    if max(end for _, end in windows) - as_of > LONGEST_HORIZON_DAYS * 24 * 3600:
        message = f"must end within {LONGEST_HORIZON_DAYS} days"
        raise InvalidInput(Reason.INVALID_FIELD, message, field="windows")
    return Question(
        place=asked.place,
        duration=asked.duration,
        # nobody comes in the past
        windows=tuple((max(start, as_of), max(end, as_of)) for start, end in windows),
        not_before=NEVER if asked.not_before is None else int(asked.not_before.timestamp()),
        granularity=asked.granularity,
        limit=asked.limit,
        choices=Choices(asked.starts, tuple(int(near.timestamp()) for near in asked.near), asked.granularity),
        after=asked.after,
    )


def _without_lead(question: Question) -> Question:
    return replace(question, not_before=NEVER)


def _found(task: _Task, looked: Looked, unable: Sequence[Agenda]) -> Found:
    refused = _refusals(task, looked, unable) if task.asked.explain else []
    return Found(
        slots=tuple(_slots(task, looked)),
        refused=tuple(refused[:MOST_REFUSALS]),
        refused_truncated=len(refused) > MOST_REFUSALS,
        travel_version=looked.travel.inward.version,
    )


def _slots(task: _Task, looked: Looked) -> list[tuple[Slot, Grade | None]]:
    question, ids = task.question, task.prepared.agent_ids
    offers = starts.offered(slot_search.spans(looked.fit), question.choices)
    ranks = task.prepared.ranks[looked.gaps.agent[looked.meets.gap[offers.at]]]
    if question.after is not None:
        rest = starts.beyond(offers, ranks, question.after, ids)
        offers, ranks = offers.take(rest), ranks[rest]
    chosen = starts.best(offers, ranks, question.limit)
    found = slot_search.slots(looked, chosen, ids, question.duration)
    limits = task.asked.thresholds
    return [(slot, limits.grade(slot.added_travel) if limits else None) for slot in found]


def _refusals(task: _Task, looked: Looked, unable: Sequence[Agenda]) -> list[Refused]:
    """Every gap that offers nothing, by agent id and time."""
    question, ids = task.question, task.prepared.agent_ids
    fitting = np.zeros(len(looked.gaps), dtype=bool)
    fitting[looked.meets.gap[looked.fit.good]] = True
    spans = slot_search.candidates(looked.gaps, _without_lead(question))
    verdicts = refusals.verdicts(looked.gaps, looked.buffers, question, looked.travel, spans)
    of_gaps = refusals.of_gaps(looked.gaps, ids, verdicts, np.nonzero(~fitting)[0])
    days = [
        idle_days(part.agenda.agent_id, part.live, part.shifts, question) for part in task.prepared.agents
    ]
    whole = min(start for start, _ in question.windows), max(end for _, end in question.windows)
    unskilled = [Refused(agenda.agent_id, *whole, Reason.NO_SKILL) for agenda in unable]
    return sorted(chain(of_gaps, *days, unskilled), key=attrgetter("agent_id", "start", "end"))
