"""Finds the starts that an agent can really keep, over agents and days (GEO-05, GEO-07, GEO-10).

No database is asked while agendas are clean, and no solver ever (GEO-20).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Final

import numpy as np

from geo.domain import refusals, slot_search
from geo.domain.agenda import Agenda
from geo.domain.drives import Ints
from geo.domain.gaps import NEVER, Gaps
from geo.domain.grades import Grade, Thresholds
from geo.domain.idle_days import idle_days
from geo.domain.refusals import Refused
from geo.domain.slot_search import Candidates, Fits, Question, Round, Slot, Visit
from geo.storage.agendas import Agendas
from geo.usecases.prepared_gaps import Prepared, PreparedGaps
from geo.usecases.search_ports import DriveTables
from kit.errors import InvalidInput, Reason
from kit.values.window import Window

MOST_REFUSALS: Final = 1000
LONGEST_HORIZON_DAYS: Final = 400


@dataclass(frozen=True, slots=True)
class SearchSlots:
    """What an operator asks for. Seconds; `place` is a place's key; `not_before` is the earliest start."""

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


@dataclass(frozen=True, slots=True)
class Found:
    """The slots in order, each with its grade (None without thresholds), and the gaps that do not fit."""

    slots: tuple[tuple[Slot, Grade | None], ...]
    refused: tuple[Refused, ...]
    refused_truncated: bool
    travel_version: str


class SlotSearch:
    """Slot search over the agendas in memory."""

    def __init__(self, agendas: Agendas, travel: DriveTables) -> None:
        self._agendas = agendas
        self._travel = travel
        self._prepared = PreparedGaps(travel)

    async def search(self, tenant: str, asked: SearchSlots) -> Found:
        """The best slots. Raises InvalidInput, NotFound for an unknown agent, and Unavailable."""
        question = _question(asked)
        agendas = await self._agendas.of(tenant, tuple(dict.fromkeys(asked.agent_ids)), asked.as_of)
        able = [agenda for agenda in agendas if asked.skills <= agenda.skills]
        as_of, until = int(asked.as_of.timestamp()), max(end for _, end in question.windows)
        prepared = await self._prepared.of(tenant, able, as_of, until)
        task = _Task(tenant, asked, question, prepared)
        looked = await self._look(task)
        unable = [agenda for agenda in agendas if not asked.skills <= agenda.skills]
        return _found(task, looked, unable)

    async def _look(self, task: "_Task") -> "_Looked":
        question = task.question
        if task.asked.explain:
            meets = slot_search.candidates(task.prepared.gaps, _without_lead(question))
            meets = _from(meets, question.not_before)
        else:
            meets = slot_search.candidates(task.prepared.gaps, question)
            meets = slot_search.roomy(task.prepared.gaps, meets, question.duration)
        look = _narrowed(task, meets)
        if not (task.asked.explain or self._travel.instant):
            look = _narrowed(task, await self._possible(task, look))
        drives = self._travel.drives
        travel = Round(*[await drives(task.tenant, *ends) for ends in look.ends(question.place)])
        travel = slot_search.settled(look.gaps, travel, question.place)
        fit = slot_search.fits(look.gaps, look.meets, look.buffers, question, travel)
        return _Looked(look, travel, fit)

    async def _possible(self, task: "_Task", look: "_Look") -> Candidates:
        """What is left when every drive is as short as it could possibly be."""
        floor = self._travel.floor
        least = Round(*[await floor(task.tenant, *ends) for ends in look.ends(task.question.place)])
        least = slot_search.settled(look.gaps, least, task.question.place)
        fit = slot_search.fits(look.gaps, look.meets, look.buffers, task.question, least)
        kept = look.meets.take(fit.good)
        return Candidates(look.positions[kept.gap], kept.span_start, kept.span_end)


@dataclass(frozen=True, slots=True)
class _Task:
    tenant: str
    asked: SearchSlots
    question: Question
    prepared: Prepared


@dataclass(frozen=True, slots=True)
class _Look:
    """The gaps that are looked at: their positions among all, and the candidates along them."""

    positions: Ints
    gaps: Gaps
    buffers: Ints
    meets: Candidates

    def ends(self, place: int) -> tuple[tuple[Ints, Ints], tuple[Ints, Ints]]:
        """From and to of the drives in, and of the drives out."""
        there = np.full(len(self.gaps), place, dtype=np.int64)
        return (self.gaps.origin, there), (there, self.gaps.target)


@dataclass(frozen=True, slots=True)
class _Looked:
    look: _Look
    travel: Round
    fit: Fits


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
    )


def _without_lead(question: Question) -> Question:
    limits = question.granularity, question.limit
    return Question(question.place, question.duration, question.windows, NEVER, *limits)


def _from(meets: Candidates, not_before: int) -> Candidates:
    return Candidates(meets.gap, np.maximum(meets.span_start, not_before), meets.span_end)


def _narrowed(task: _Task, meets: Candidates) -> _Look:
    """Only the gaps that some candidate is about, and the candidates counted along those."""
    everything = task.prepared.gaps
    about = np.zeros(len(everything), dtype=bool)
    about[meets.gap] = True
    positions = np.nonzero(about)[0]
    renumbered = np.cumsum(about)[meets.gap] - 1
    gaps = everything.take(positions)
    buffers = np.maximum(task.prepared.buffers, task.asked.buffer)[gaps.agent]
    return _Look(positions, gaps, buffers, Candidates(renumbered, meets.span_start, meets.span_end))


def _found(task: _Task, looked: _Looked, unable: Sequence[Agenda]) -> Found:
    refused: list[Refused] = []
    if task.asked.explain:
        refused = sorted(_refusals(task, looked, unable), key=lambda gap: (gap.agent_id, gap.start, gap.end))
    return Found(
        slots=tuple(_slots(task, looked)),
        refused=tuple(refused[:MOST_REFUSALS]),
        refused_truncated=len(refused) > MOST_REFUSALS,
        travel_version=task.prepared.version,
    )


def _slots(task: _Task, looked: _Looked) -> list[tuple[Slot, Grade | None]]:
    gaps, fit, meets = looked.look.gaps, looked.fit, looked.look.meets
    ranks = task.prepared.ranks[gaps.agent]
    chosen = slot_search.best(meets, fit, ranks, task.question.limit)
    slots = []
    for at in chosen:
        gap = int(meets.gap[at])
        agenda = task.prepared.agents[int(gaps.agent[gap])].agenda
        visit = Visit(agenda.agent_id, task.question.duration, int(looked.look.buffers[gap]))
        times = int(fit.start[at]), int(fit.latest[at]), int(fit.added[at])
        slot = slot_search.slot(gaps, gap, times, looked.travel, visit)
        slots.append((slot, _grade(task.asked.thresholds, slot)))
    return slots


def _grade(thresholds: Thresholds | None, slot: Slot) -> Grade | None:
    return None if thresholds is None else thresholds.grade(slot.added_travel)


def _refusals(task: _Task, looked: _Looked, unable: Sequence[Agenda]) -> list[Refused]:
    look, question = looked.look, task.question
    fitting = np.zeros(len(look.gaps), dtype=bool)
    fitting[look.meets.gap[looked.fit.good]] = True
    verdicts = refusals.verdicts(look.gaps, look.buffers, question, looked.travel, _spans(task, look))
    of_gaps = refusals.of_gaps(look.gaps, task.prepared.agent_ids, verdicts, np.nonzero(~fitting)[0])
    days = [
        idle_days(part.agenda.agent_id, part.live, part.shifts, question) for part in task.prepared.agents
    ]
    whole = min(start for start, _ in question.windows), max(end for _, end in question.windows)
    unskilled = [Refused(agenda.agent_id, *whole, Reason.NO_SKILL) for agenda in unable]
    return [*of_gaps, *chain.from_iterable(days), *unskilled]


def _spans(task: _Task, look: _Look) -> Candidates:
    """The gaps paired with the windows as they were asked, the lead time left out."""
    return slot_search.candidates(look.gaps, _without_lead(task.question))
