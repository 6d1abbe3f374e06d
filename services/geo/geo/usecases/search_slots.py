"""Finds the starts that an agent can really keep, over agents and days (GEO-05, GEO-07, GEO-10).

No database is asked while agendas are clean, and no solver ever (GEO-20). The agents of each travel mode are
searched by themselves, with one question to the engine of their mode; the answers are put in one order.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain
from operator import attrgetter
from typing import Final

import numpy as np

from geo.domain import refusals, slot_search, starts
from geo.domain.agenda import Agenda
from geo.domain.certificate import certificates
from geo.domain.detours import Detour, detours
from geo.domain.gaps import NEVER, Gaps
from geo.domain.grades import Grade, Thresholds
from geo.domain.idle_days import idle_days
from geo.domain.matrix import version_of_all
from geo.domain.places import Ints
from geo.domain.refusals import Refused
from geo.domain.slot_search import Candidates, Looked, Question, Round, Slot
from geo.domain.starts import Choices, Offers, Position, StartChoice
from geo.storage.agendas import Agendas
from geo.usecases import search_limits
from geo.usecases.agents_by_mode import Agents, answered, by_mode
from geo.usecases.by_mode import ByMode
from geo.usecases.first_look import Looker
from geo.usecases.joined_gaps import AgentGaps, Prepared
from geo.usecases.prepared_gaps import PreparedGaps
from geo.usecases.search_ports import DriveTables
from geo.usecases.widening import Widening
from geo.usecases.zoned_search import Closed, closed_shifts, sort_out
from kit.errors import Reason
from kit.values.window import Window

MOST_REFUSALS: Final = 1000

_ORDER_OF_REFUSED: Final = attrgetter("agent_id", "start", "end")


@dataclass(frozen=True, slots=True)
class SearchSlots:
    """What an operator asks for. Seconds; `place` is a place's key; `not_before` is the earliest start.

    `starts` are those of a gap's starts to offer, `near` the instants that NEAREST is measured from. `after`
    is the last slot of the page before: the answer goes on behind it.
    With `arrival` the windows are for the start alone, both ends included: the visit may end after.
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
    postcode: str = ""
    arrival: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """The slots in order, each with its grade (None without thresholds), and the gaps that do not fit.

    `certificates` are the slots' own, packed.
    """

    slots: tuple[tuple[Slot, Grade | None], ...]
    certificates: tuple[bytes, ...]
    refused: tuple[Refused, ...]
    refused_truncated: bool
    travel_version: str
    left_out: tuple[str, ...] = ()
    """Ids of the agents whose roads did not answer while those of others did, in order."""


@dataclass(frozen=True, slots=True)
class FoundDetours:
    """The best slot of each agent in each window, with its grade (None without thresholds); `left_out` as in
    `Found`."""

    detours: tuple[tuple[Detour, Grade | None], ...]
    travel_version: str
    left_out: tuple[str, ...] = ()


class SlotSearch:
    """Slot search over the agendas in memory."""

    def __init__(self, agendas: Agendas, travel: ByMode[DriveTables]) -> None:
        self._agendas = agendas
        self._travel = travel
        self._prepared = PreparedGaps(travel)

    async def search(self, tenant: str, asked: SearchSlots) -> Found:
        """The best slots. Raises InvalidInput, NotFound for an unknown agent, and Unavailable where the roads
        of none of the agents answer."""
        question, agendas = await self._asked(tenant, asked)

        async def found(who: Agents) -> Found:
            portions = [
                await self._found(await self._task(tenant, asked, question, some))
                async for some in _portions(who, question, asked)
            ]
            return portions[0] if len(portions) == 1 else _together(portions, asked.limit)

        parts, left_out = await answered(by_mode(agendas), found)
        whole = parts[0] if len(parts) == 1 else _together(parts, asked.limit)
        return _with_left_out(whole, left_out, asked) if left_out else whole

    async def _found(self, task: "_Task") -> Found:
        if not task.asked.explain:
            looked, best = await self._cheapest_first(task)
            return _found(task, looked, best, [])
        looked = await self._judged(task, _Look.at(task, _in_windows(task)))
        return _found(task, looked, _best(task, looked), _refusals(task, looked))

    async def detours(self, tenant: str, asked: SearchSlots) -> FoundDetours:
        """The best slot of each agent in each window, which are in order and apart. Raises as `search`."""
        search_limits.require_countable(len(set(asked.agent_ids)), len(asked.windows))
        question, agendas = await self._asked(tenant, asked)

        async def found(who: Agents) -> list[tuple[list[Detour], str]]:
            return [
                await self._detours(await self._task(tenant, asked, question, some))
                async for some in _portions(who, question, asked)
            ]

        answers, left_out = await answered(by_mode(agendas), found)
        parts = list(chain.from_iterable(answers))
        limits, every = asked.thresholds, sorted(chain.from_iterable(some for some, _ in parts))
        graded = [(one, limits.grade(one.added_travel) if limits else None) for one in every]
        version = version_of_all({version for _, version in parts})
        return FoundDetours(tuple(graded), version, tuple(left_out))

    async def _detours(self, task: "_Task") -> tuple[list[Detour], str]:
        sight = await task.looker().floors()
        looked = await self._judged(task, _Look.at(task, sight.hopeful.positions))
        return detours(looked, task.question, task.prepared.agent_ids), looked.travel.inward.version

    async def _asked(self, tenant: str, asked: SearchSlots) -> tuple[Question, Sequence[Agenda]]:
        """The question, and the agendas that it is put to."""
        question, agent_ids = _question(asked), tuple(dict.fromkeys(asked.agent_ids))
        search_limits.require_bearable(question, len(agent_ids), int(asked.as_of.timestamp()))
        return question, await self._agendas.of(tenant, agent_ids, asked.as_of)

    async def _task(self, tenant: str, asked: SearchSlots, question: Question, who: Agents) -> "_Task":
        mode, agendas = who
        travel = self._travel.of(mode)
        found = sort_out(agendas, asked.skills, asked.place, asked.postcode)
        as_of, until = int(asked.as_of.timestamp()), max(end for _, end in question.windows)
        crowd = await self._prepared.of(tenant, (mode, found.able), as_of, until)
        every = asked.explain or bool(found.bands)
        prepared = await (crowd.whole() if every else crowd.roomy(question.duration))
        closed: Closed = {}
        if found.bands:
            span = min(start for start, _ in question.windows), until
            prepared, closed = await closed_shifts(travel, tenant, prepared, found.bands, (asked.place, span))
            prepared = prepared if asked.explain else prepared.roomy(question.duration)
        return _Task(tenant, travel, asked, question, prepared, found.unable, closed)

    async def _cheapest_first(self, task: "_Task") -> tuple[Looked, Offers]:
        """Looks at the gaps that may be among the best; gives the best starts in them, in order.

        Gaps are taken in the order of what a visit adds there at least, until no other adds as little as the
        last that was found. Where roads are asked, the order is made anew with what they told.
        """
        looker, widening = task.looker(), Widening(task.question.limit)
        sight, again = await looker.told(), False
        while True:
            chosen = widening.chosen(sight)
            looked = await self._judged(task, _Look.at(task, sight.hopeful.positions.compress(chosen)))
            if not widening.of_one_version(sight, looked.travel.inward.version):
                # other travel data answers than before: anew, and the next time by one look at everything
                sight, widening = await looker.floors(), Widening(task.question.limit, at_once=again)
                again = True
                continue
            best = _best(task, looked)
            if widening.enough(best, sight, chosen):
                return looked, best
            if sight.version is not None:
                sight = await looker.told(widening.left(sight))

    async def _judged(self, task: "_Task", look: "_Look") -> Looked:
        question = task.question
        travel = slot_search.settled(look.gaps, await self._round(task, look.positions), question.place)
        buffers = task.buffers().take(look.positions)
        fit = slot_search.fits(look.gaps, look.meets, buffers, question, travel)
        return Looked(look.positions, look.gaps, buffers, look.meets, travel, fit)

    async def _round(self, task: "_Task", positions: Ints) -> Round:
        """The drives of these gaps."""
        prepared = task.prepared
        origins = prepared.places.take(prepared.origin_at.take(positions))
        targets = prepared.places.take(prepared.target_at.take(positions))
        return Round.of(*await task.travel.around(task.tenant, task.question.place, (origins, targets)))


@dataclass(frozen=True, slots=True)
class _Task:
    """The question for some agents of one mode."""

    tenant: str
    travel: DriveTables
    asked: SearchSlots
    question: Question
    prepared: Prepared
    unable: Sequence[tuple[Agenda, Reason]]
    closed: Closed = field(default_factory=dict)

    def buffers(self) -> Ints:
        """The buffer kept before the visit, gap by gap."""
        own = self.prepared.buffers
        return np.maximum(own, self.asked.buffer) if self.asked.buffer else own

    def looker(self) -> Looker:
        """Who looks at its gaps by bounds of the drives."""
        return Looker(self.travel, self.tenant, self.question, self.prepared, self.buffers())


@dataclass(frozen=True, slots=True)
class _Look:
    """Some gaps: their positions among all, and the candidates along them."""

    positions: Ints
    gaps: Gaps
    meets: Candidates

    @classmethod
    def at(cls, task: _Task, positions: Ints) -> "_Look":
        question, gaps = task.question, task.prepared.gaps.take(positions)
        if not task.asked.explain:
            found = slot_search.candidates(gaps, question)
            return cls(positions, gaps, slot_search.roomy(gaps, found, question.duration))
        meets = slot_search.candidates(gaps, _without_lead(question))
        return cls(
            positions, gaps, replace(meets, span_start=np.maximum(meets.span_start, question.not_before))
        )


def _in_windows(task: _Task) -> Ints:
    """Positions of the gaps that share an instant with some window, whatever the lead time."""
    about = np.zeros(len(task.prepared.gaps), dtype=bool)
    about[slot_search.candidates(task.prepared.gaps, _without_lead(task.question)).gap] = True
    return np.flatnonzero(about)


def _question(asked: SearchSlots) -> Question:
    as_of = int(asked.as_of.timestamp())
    after = asked.duration if asked.arrival else 0
    windows = [
        (int(window.start.timestamp()), int(window.end.timestamp()) + after) for window in asked.windows
    ]
    search_limits.require_within_horizon(windows, as_of)
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


def _portions(who: Agents, question: Question, asked: SearchSlots) -> AsyncIterator[Agents]:
    as_of = int(asked.as_of.timestamp())
    return search_limits.portions(who, question, as_of, explain=asked.explain)


def _without_lead(question: Question) -> Question:
    return replace(question, not_before=NEVER)


def _found(task: _Task, looked: Looked, best: Offers, refused: Sequence[Refused]) -> Found:
    slots = slot_search.slots(looked, best, task.prepared.agent_ids, task.question.duration)
    limits = task.asked.thresholds
    return Found(
        certificates=tuple(certificates(looked, best, task.question.duration)),
        slots=tuple((slot, limits.grade(slot.added_travel) if limits else None) for slot in slots),
        refused=tuple(refused[:MOST_REFUSALS]),
        refused_truncated=len(refused) > MOST_REFUSALS,
        travel_version=looked.travel.inward.version,
    )


def _with_left_out(found: Found, left_out: Sequence[str], asked: SearchSlots) -> Found:
    """What was found, and who was left out; their time is told as refused too where reasons are."""
    found = replace(found, left_out=tuple(left_out))
    if not asked.explain:
        return found
    whole = _whole(_question(asked))
    away = [Refused(agent_id, *whole, Reason.TRAVEL_UNAVAILABLE) for agent_id in left_out]
    refused = sorted([*found.refused, *away], key=_ORDER_OF_REFUSED)
    truncated = found.refused_truncated or len(refused) > MOST_REFUSALS
    return replace(found, refused=tuple(refused[:MOST_REFUSALS]), refused_truncated=truncated)


def _together(parts: Sequence[Found], limit: int) -> Found:
    """What was found for the agents of each mode as one answer, in the documented order."""
    slots = [pair for part in parts for pair in zip(part.slots, part.certificates, strict=True)]
    slots.sort(key=lambda pair: _place_in_order(pair[0][0]))
    refused = sorted(chain.from_iterable(part.refused for part in parts), key=_ORDER_OF_REFUSED)
    return Found(
        slots=tuple(slot for slot, _ in slots[:limit]),
        certificates=tuple(certificate for _, certificate in slots[:limit]),
        refused=tuple(refused[:MOST_REFUSALS]),
        refused_truncated=len(refused) > MOST_REFUSALS or any(part.refused_truncated for part in parts),
        travel_version=version_of_all({part.travel_version for part in parts}),
    )


def _place_in_order(slot: Slot) -> tuple[int, int, str]:
    return slot.added_travel, slot.start, slot.agent_id


def _best(task: _Task, looked: Looked) -> Offers:
    """The best starts, in the documented order."""
    question, ids = task.question, task.prepared.agent_ids
    offers = starts.offered(slot_search.spans(looked.fit), question.choices)
    offers = slot_search.priced(looked, offers, question.duration)
    ranks = task.prepared.ranks[looked.gaps.agent[looked.meets.gap[offers.at]]]
    if question.after is not None:
        rest = starts.beyond(offers, ranks, question.after, ids)
        offers, ranks = offers.take(rest), ranks[rest]
    return starts.best(offers, ranks, question.limit)


def _refusals(task: _Task, looked: Looked) -> list[Refused]:
    """Every gap that offers nothing, by agent id and time."""
    question, ids = task.question, task.prepared.agent_ids
    fitting = np.zeros(len(looked.gaps), dtype=bool)
    fitting[looked.meets.gap[looked.fit.good]] = True
    spans = slot_search.candidates(looked.gaps, _without_lead(question))
    verdicts = refusals.verdicts(looked.gaps, looked.buffers, question, looked.travel, spans)
    of_gaps = refusals.of_gaps(looked.gaps, ids, verdicts, np.nonzero(~fitting)[0])
    days = [_idle(task, part) for part in task.prepared.agents]
    whole = _whole(question)
    unable = [Refused(agenda.agent_id, *whole, reason) for agenda, reason in task.unable]
    return sorted(chain(of_gaps, *days, unable), key=_ORDER_OF_REFUSED)


def _whole(question: Question) -> tuple[int, int]:
    return min(start for start, _ in question.windows), max(end for _, end in question.windows)


def _idle(task: _Task, part: AgentGaps) -> Iterator[Refused]:
    """The agent's days without a gap."""
    agent_id = part.agenda.agent_id
    closed = task.closed.get(agent_id, ())
    for refused in idle_days(agent_id, part.live, part.shifts, task.question):
        yield from refusals.by_rule(refused, part.full, closed)
