"""Small random worlds for slot search, and the exhaustive check it is held against.

The ledger here is the real chain (`geo.domain.chain.splice`) kept in memory: what the exhaustive check finds
feasible is by definition what a booking would be granted.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from geo.domain.agenda import Agenda
from geo.domain.calendar import Calendar, ConcreteShift, frame_to_add, shift_of, shifts_between
from geo.domain.chain import Segment, Splice, splice
from geo.domain.drives import UNREACHABLE, Drives, source_code, standing
from geo.domain.legs import LegBook, Pair
from geo.domain.modes import TravelMode
from geo.domain.places import Ints, Places
from geo.domain.profile import Profile
from geo.domain.starts import StartChoice
from geo.domain.stop import PLACELESS, Leg, LinkedStop, Stop, StopKind, TravelSource
from geo.usecases.search_ports import Told
from kit.errors import NotFound, Reason
from kit.values.window import Window
from services.geo.tests.support.limits_world import Rules, refused_by_rule

VERSION = "table-1"
SECOND = timedelta(seconds=1)


@dataclass
class TableTravel:
    """Drives from a table (seconds, None without a way); pairs that it does not name take `default`."""

    table: dict[Pair, int | None]
    default: int = 600
    version: str = VERSION
    sharpness: float = 1.0
    profile: Profile | None = None
    asked: list[int] = field(default_factory=list)
    memory: str = ""
    """"" keeps nothing, "kept" what it told, "old" drives that took longer by roads that answer no more."""
    told: set[Pair] = field(default_factory=set)

    def seconds(self, pair: Pair) -> int | None:
        return self.table.get(pair, self.default)

    def book(self, places: Collection[int]) -> LegBook:
        return LegBook(self.version, {(a, b): self.leg((a, b)) for a in places for b in places if a != b})

    def leg(self, pair: Pair) -> Leg | None:
        seconds = self.seconds(pair)
        if seconds is None:
            return None
        figures = seconds, seconds * 10, TravelSource.MATRIX, self.version
        if self.profile is None:
            return Leg(*pair, *figures)
        return Leg(*pair, *figures, free_seconds=seconds, profile=self.profile)

    async def version_at_hand(self, tenant: str) -> str:
        return self.version

    async def legs_at_hand(self, tenant: str, pairs: Collection[Pair]) -> LegBook:
        return LegBook(self.version, {pair: self.leg(pair) for pair in pairs})

    async def around(self, tenant: str, place: int, ends: tuple[Places, Places]) -> tuple[Drives, Drives]:
        self.asked.append(len(ends[0]))
        here = Places.single(place)
        self.told |= {(int(origin), place) for origin in ends[0].keys}
        self.told |= {(place, int(target)) for target in ends[1].keys}
        return self._drives(ends[0], here), self._drives(here, ends[1])

    async def floor_around(self, tenant: str, place: int, places: Places) -> tuple[Ints, Ints]:
        """A share of the drives, as `sharpness` says; 0 where there is no way."""
        here = Places.single(place)
        there, back = self._drives(places, here), self._drives(here, places)
        least = [np.floor(np.maximum(d.seconds, 0) * self.sharpness).astype(int) for d in (there, back)]
        at_least = (lambda floor: floor) if self.profile is None else self.profile.at_least
        return at_least(least[0]), at_least(least[1])

    async def told_around(self, tenant: str, place: int, places: Places) -> Told:
        """The drives themselves where they were told."""
        least = await self.floor_around(tenant, place, places)
        every = np.ones(len(places), dtype=bool)
        if not self.memory:
            return Told.floors(*least)
        if self.memory == "old":
            return Told(least[0] + 86_400, least[1] + 86_400, every, ~every, "old")
        sharp = TableTravel(self.table, self.default, profile=self.profile)
        told = await sharp.floor_around(tenant, place, places)
        ways = [(int(at), place) for at in places.keys], [(place, int(at)) for at in places.keys]
        known = [np.array([pair in self.told for pair in way], dtype=bool) for way in ways]
        seconds = (np.where(known[way], told[way], least[way]) for way in (0, 1))
        return Told(*seconds, *known, self.version)

    def _drives(self, froms: Places, tos: Places) -> Drives:
        still = standing(froms, tos)
        found = [
            0 if still[i] else self.seconds((int(a), int(b)))
            for i, (a, b) in enumerate(np.broadcast(froms.keys, tos.keys))
        ]
        seconds = np.array([UNREACHABLE if s is None else s for s in found], dtype=np.int64)
        sources = np.where(still, source_code(TravelSource.NONE), source_code(TravelSource.MATRIX))
        metres = np.maximum(seconds, 0) * 10
        return Drives(froms.keys, tos.keys, seconds, metres, sources, self.version, self.profile)


@dataclass
class Diary:
    """One agent's calendar and chain."""

    agent_id: str
    calendar: Calendar
    book: LegBook
    buffer: int = 0
    skills: frozenset[str] = frozenset()
    chain: tuple[LinkedStop, ...] = ()
    rules: Rules = field(default_factory=Rules)
    mode: TravelMode = TravelMode.CAR

    def agenda(self, since: datetime, version: int = 0) -> Agenda:
        own = self.agent_id, version, self.skills, self.buffer, self.calendar, self.chain, since
        return Agenda(*own, tuple(fence.ground for fence in self.rules.fences), self.rules.quota, self.mode)

    def book_visit(self, visit: Stop, now: datetime) -> bool:
        found = self.tried(visit, now)
        if found is None or found.refusals:
            return False
        self.chain = found.chain
        return True

    def block(self, absence: Stop) -> bool:
        found = splice(Segment(None, self.chain), self.book, insert=[absence])
        if not found.refusals:
            self.chain = found.chain
        return not found.refusals

    def cancel(self, stop_id: str) -> None:
        self.chain = splice(Segment(None, self.chain), self.book, remove=[stop_id]).chain

    def tried(self, visit: Stop, now: datetime) -> Splice | None:
        """What a booking would do; None outside any shift."""
        shift = shift_of(self.calendar, Window(visit.starts_at, visit.ends_at))
        if shift is None:
            return None
        return splice(
            Segment(None, self.chain),
            self.book,
            remove=self._gone(now),
            insert=[visit, *self._frame(shift, now)],
        )

    def swept(self, now: datetime) -> "Diary":
        """The same with the expired holds taken out."""
        chain = splice(Segment(None, self.chain), self.book, remove=self._gone(now)).chain
        return replace(self, chain=chain)

    def without(self, shift: ConcreteShift, now: datetime) -> Splice:
        """The chain with the shift's frame and no visit put in."""
        return splice(
            Segment(None, self.chain), self.book, remove=self._gone(now), insert=self._frame(shift, now)
        )

    def _gone(self, now: datetime) -> set[str]:
        return {
            linked.stop.stop_id
            for linked in self.chain
            if linked.stop.expires_at is not None and linked.stop.expires_at <= now
        }

    def _frame(self, shift: ConcreteShift, now: datetime) -> list[Stop]:
        gone = self._gone(now)
        touching = [
            linked.stop
            for linked in self.chain
            if linked.stop.stop_id not in gone
            and linked.stop.ends_at > shift.start - SECOND
            and linked.stop.starts_at < shift.end + SECOND
        ]
        return frame_to_add(shift, touching)


@dataclass
class DiaryShelf:
    """Stands in for the agendas in memory."""

    diaries: dict[str, Diary]
    since: datetime
    kept: dict[str, tuple[tuple[LinkedStop, ...], Agenda]] = field(default_factory=dict)

    async def of(self, tenant: str, agent_ids: Sequence[str], as_of: datetime) -> list[Agenda]:
        return [self._agenda(agent_id) for agent_id in agent_ids]

    def _agenda(self, agent_id: str) -> Agenda:
        if agent_id not in self.diaries:
            raise NotFound(Reason.NOT_FOUND, agent_id)
        diary = self.diaries[agent_id]
        kept = self.kept.get(agent_id)
        if kept is None or kept[0] is not diary.chain:
            kept = self.kept[agent_id] = diary.chain, diary.agenda(self.since)
        return kept[1]


@dataclass(frozen=True)
class Start:
    """A feasible start that the exhaustive check found: one that was asked for of its gap and window."""

    agent_id: str
    start: int
    leg_in: int
    leg_out: int
    added: int


@dataclass(frozen=True)
class Wish:
    place: int
    duration: int
    windows: tuple[Window, ...]
    as_of: datetime
    not_before: datetime | None
    buffer: int
    step: int
    starts: frozenset[StartChoice] = frozenset({StartChoice.EARLIEST})
    near: tuple[datetime, ...] = ()
    skills: frozenset[str] = frozenset()
    postcode: str = ""
    arrival: bool = False


def exhaustive(diary: Diary, wish: Wish) -> list[Start]:
    """Every grid instant of every window, tried on the chain itself; of each gap those asked for."""
    diary = diary.swept(wish.as_of)
    feasible: dict[tuple[object, ...], list[tuple[Splice, Stop]]] = {}
    for number, window in enumerate(wish.windows):
        for start in _instants(diary, window, wish):
            visit = _visit(diary, wish, start)
            tried = diary.tried(visit, wish.as_of)
            if tried is None or tried.refusals or refused_by_rule(diary, wish, start) is not None:
                continue
            key = (number, _full_days_before(diary, start), *_neighbours(tried.chain, visit, diary))
            feasible.setdefault(key, []).append((tried, visit))
    found = [
        _start(diary, wish, tried, visit) for gap in feasible.values() for tried, visit in _wanted(gap, wish)
    ]
    return list({(s.agent_id, s.start): s for s in found}.values())


def _wanted(gap: list[tuple[Splice, Stop]], wish: Wish) -> Iterator[tuple[Splice, Stop]]:
    """The starts that were asked for out of all that are feasible in a gap, in time order."""
    if StartChoice.EARLIEST in wish.starts:
        yield gap[0]
    if StartChoice.LATEST in wish.starts:
        yield gap[-1]
    if StartChoice.NEAREST in wish.starts and wish.near:
        yield min(gap, key=lambda one: min(abs(one[1].starts_at - near) for near in wish.near))


def _instants(diary: Diary, window: Window, wish: Wish) -> Iterator[datetime]:
    """Every instant on the grid at which the visit would lie in the window and in a shift."""
    earliest = max(window.start, wish.as_of, wish.not_before or window.start)
    length = timedelta(seconds=wish.duration)
    end = window.end + length if wish.arrival else window.end
    for shift in shifts_between(diary.calendar, window.start, end):
        first = int(max(earliest, shift.start).timestamp())
        last = int(min(end, shift.end).timestamp()) - wish.duration
        for at in on_the_grid(first, last + 1, wish.step):
            yield datetime.fromtimestamp(at, UTC)


def on_the_grid(begin: int, end: int, step: int) -> Iterator[int]:
    """Every instant from one to before another that is a multiple of `step` seconds after its full hour."""
    for hour in range(begin - begin % 3600, end, 3600):
        yield from (at for at in range(hour, min(hour + 3600, end), step) if at >= begin)


def _visit(diary: Diary, wish: Wish, start: datetime) -> Stop:
    return Stop(
        "visit",
        StopKind.APPOINTMENT,
        start,
        start + timedelta(seconds=wish.duration),
        wish.place,
        max(diary.buffer, wish.buffer),
        "apt",
    )


def _full_days_before(diary: Diary, start: datetime) -> int:
    """A full day cuts a gap as an absence would: what lies before it and behind it are two gaps."""
    zone = ZoneInfo(diary.calendar.time_zone)
    full = diary.rules.full_days(zone, [linked.stop for linked in diary.chain])
    return sum(day < start.astimezone(zone).date() for day in full)


def _neighbours(chain: Sequence[LinkedStop], visit: Stop, diary: Diary) -> tuple[object, ...]:
    index = next(i for i, linked in enumerate(chain) if linked.stop.stop_id == visit.stop_id)
    after = chain[index + 1].stop.stop_id if index + 1 < len(chain) else None
    shift = shifts_between(diary.calendar, visit.starts_at, visit.starts_at + SECOND)[0]
    return chain[index].previous_id, after, shift.start


def _start(diary: Diary, wish: Wish, tried: Splice, visit: Stop) -> Start:
    index = next(i for i, linked in enumerate(tried.chain) if linked.stop.stop_id == visit.stop_id)
    leg = tried.chain[index].leg
    leg_in = 0 if leg is None else leg.seconds
    leg_out = _next_drive(tried.chain, index)
    shift = shift_of(diary.calendar, Window(visit.starts_at, visit.ends_at))
    assert shift is not None
    without = diary.without(shift, wish.as_of).chain
    at = next((i for i, linked in enumerate(without) if linked.stop.starts_at >= visit.ends_at), len(without))
    replaced = _next_drive(without, at - 1) if at else 0
    return Start(
        diary.agent_id, int(visit.starts_at.timestamp()), leg_in, leg_out, leg_in + leg_out - replaced
    )


def _next_drive(chain: Sequence[LinkedStop], index: int) -> int:
    """Seconds driven from the stop at `index` to the next one with a place of its own."""
    for linked in chain[index + 1 :]:
        if linked.stop.kind not in PLACELESS:
            return 0 if linked.leg is None else linked.leg.seconds
    return 0
