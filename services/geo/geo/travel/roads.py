"""Drives on roads: what all road engines have in common, whoever computes the table.

A place is put on the nearest road. The way between the two is not in any engine's time, so it is added at the
speed of a farm track, and a place too far from every road is unreachable. So two places that lie far apart
along one road, or that share its nearest point, are never "zero seconds" from each other, and no drive is
faster than the straight line at the network's top speed: the lower bound that slot search relies on.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, NamedTuple, Protocol, TypeVar

import numpy as np

from geo.domain.drives import UNREACHABLE, standing
from geo.domain.modes import TravelMode
from geo.domain.places import Bools, Floats, Ints, Places, great_circle_m, least_m
from geo.domain.stop import TravelSource
from geo.travel import failures
from geo.travel.known_drives import Drive, Fan, Hub, KnownDrives, Pair
from geo.travel.modes import ACCESS_M_S
from kit.web.json_server import Nonsense

TOP_SPEED_KMH: Final = 200.0
"""Faster than any edge of a car profile: signed limits are cut by a fifth there, and 250 km/h is no limit
anywhere. The bound of a network whose own top speed was not found out."""

GEODESIC_ERROR: Final = 0.994
"""The great circle on a sphere is at most 0.6 % longer than on the ellipsoid."""

_FASTEST_KMH: Final = 300.0
_SLACK_M: Final = 100.0

_ATTEMPTS: Final = 3
_NOWHERE: Final = (0, 0)
_NO_DRIVE: Final = (0, 0)
_NO_WAY: Final = 2**40
"""Seconds that no drive takes."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Table:
    """What a network said of every origin (row) and target (column).

    Seconds and metres of the drive between the roads, NaN where there is no way; `origin_gaps` and
    `target_gaps` are the metres from each place to its road, infinite where there is none.
    """

    seconds: Floats
    metres: Floats
    origin_gaps: Floats
    target_gaps: Floats


def credible(table: Table, froms: Sequence[int], tos: Sequence[int]) -> Table:
    """The table itself. Raises Nonsense for roads shorter than the straight line, or drives faster than any
    car: a server that is wrong about those is wrong about the rest."""
    targets = Places.of(np.array(tos, dtype=np.int64))
    for row, origin in enumerate(froms):
        straight = great_circle_m(Places.single(origin), targets) * GEODESIC_ERROR
        least = straight - table.origin_gaps[row] - table.target_gaps - _SLACK_M
        if (table.metres[row] < least).any():  # NaN is no less
            raise Nonsense("a road shorter than the straight line")
    if (table.metres > table.seconds * (_FASTEST_KMH / 3.6) + _SLACK_M).any():
        raise Nonsense(f"a drive faster than {_FASTEST_KMH:g} km/h")
    return table


class Network(Protocol):
    """A road network that somebody computes tables on."""

    @property
    def version(self) -> str:
        """Of the latest answer; empty while it was never heard from."""
        ...

    @property
    def mode(self) -> TravelMode:
        """How one travels on it."""
        ...

    @property
    def most_places(self) -> int:
        """Origins and targets of one question together, at most."""
        ...

    @property
    def at_once(self) -> int:
        """Questions that may be under way at the same time."""
        ...

    async def heard(self) -> None:
        """Asks which version answers at this moment. Raises Unavailable."""
        ...

    async def table(self, froms: Sequence[int], tos: Sequence[int]) -> Table:
        """The drives between these places, by their keys. Raises Unavailable."""
        ...

    async def close(self) -> None:
        """Ends connections."""
        ...


@dataclass(frozen=True, slots=True)
class RoadLimits:
    """Metres to the nearest road beyond which a place is unreachable; the network's top speed along straight
    lines, in km/h (`giro roads build` finds it out); drives that are kept (see `KnownDrives`)."""

    snap_m: float = 1000.0
    top_speed_kmh: float = TOP_SPEED_KMH
    cache_pairs: int = 1_000_000


class Roads:
    """An engine on a road network, with the answers of the latest version kept in memory."""

    source: Final = TravelSource.ROAD
    symmetric: Final = False
    drive: Final = None

    def __init__(self, network: Network, limits: RoadLimits) -> None:
        self.network = network
        self._limits = limits
        self._known = KnownDrives("", limits.cache_pairs)

    @property
    def version(self) -> str:
        """The network's, and the top speed where it is the network's own: no drive is faster."""
        own = self._limits.top_speed_kmh != TOP_SPEED_KMH
        bound = f"-{self._limits.top_speed_kmh:g}" if own else ""
        return f"{self.network.version}{bound}" if self.network.version else ""

    @property
    def mode(self) -> TravelMode:
        """The network's."""
        return self.network.mode

    async def current(self) -> str:
        """The version that answers. Raises Unavailable."""
        if not self.network.version:
            await self.network.heard()
        return self.version

    async def refreshed(self) -> str:
        """The version that answers at this moment. Raises Unavailable."""
        await self.network.heard()
        return self.version

    async def measure(self, froms: Places, tos: Places) -> tuple[Ints, Ints]:
        """Seconds, rounded up, and metres of each drive at free flow, all of one version."""
        if len(froms) == len(tos):
            return await self._pair_by_pair(_pairs(froms, tos))
        return await self._around(*_hub(froms, tos))

    def floor(self, froms: Places, tos: Places) -> Ints:
        """The straight line at the network's top speed."""
        return self._at_top_speed(least_m(froms, tos) if len(tos) == 1 else least_m(tos, froms))

    def told(self, froms: Places, tos: Places) -> tuple[Ints, Bools]:
        """The drives themselves where they are known, the floor elsewhere; and where they are."""
        least, known = self.floor(froms, tos), self._known
        hub, others = _hub(froms, tos)
        fan = known.fan(hub)
        if known.version != self.version or not len(fan):
            return least, np.zeros(len(others), dtype=bool)
        at, there = fan.find(others)
        seconds = fan.seconds.take(at)
        seconds[seconds == UNREACHABLE] = _NO_WAY
        return np.where(there, seconds, least), there

    async def close(self) -> None:
        """Ends the network's connections."""
        await self.network.close()

    async def _around(self, hub: Hub, others: Ints) -> tuple[Ints, Ints]:
        async def found(known: KnownDrives) -> tuple[Fan, Ints]:
            fan = known.fan(hub)
            at, there = fan.find(others)
            lacking = hub.drives_to(others.compress(~there))
            if len(lacking):
                pairs = [hub.pair(other) for other in lacking.tolist()]
                fan = fan.widened(lacking, *await self._asked(pairs, known))
                at, _ = fan.find(others)
            return fan, at

        (fan, at), known = await self._of_one_version(found)
        known.keep(hub, fan)
        return fan.seconds.take(at), fan.metres.take(at)

    async def _pair_by_pair(self, pairs: Sequence[Pair]) -> tuple[Ints, Ints]:
        moving = [pair for pair in dict.fromkeys(pairs) if pair != _NOWHERE]

        async def asked(known: KnownDrives) -> tuple[Ints, Ints]:
            return await self._asked(moving, known)

        (seconds, metres), known = await self._of_one_version(asked)
        drives = dict(zip(moving, zip(seconds.tolist(), metres.tolist(), strict=True), strict=True))
        known.remember(drives)
        drives[_NOWHERE] = _NO_DRIVE
        answers = np.array([drives[pair] for pair in pairs], dtype=np.int64).reshape(-1, 2)
        return answers[:, 0], answers[:, 1]

    async def _of_one_version(self, ask: Callable[[KnownDrives], Awaitable[T]]) -> tuple[T, KnownDrives]:
        """What is found while the version stays the same, and the memory of that version."""
        for _ in range(_ATTEMPTS):
            version = await self.current()
            if version != self._known.version:
                self._known = KnownDrives(version, self._limits.cache_pairs)
            known = self._known
            found = await ask(known)
            if self.version == version:
                return found, known
        raise failures.unavailable("the roads keep changing while they are asked", self.version)

    async def _asked(self, pairs: Sequence[Pair], known: KnownDrives) -> tuple[Ints, Ints]:
        """Seconds and metres of drives, each named once; the network is asked for what is not known."""
        found = {pair: drive for pair in pairs if (drive := known.drive(pair)) is not None}
        questions = blocks([pair for pair in pairs if pair not in found], self.network.most_places)
        for some in _batches(questions, self.network.at_once):
            for answer in await failures.together(self._ask(question) for question in some):
                found.update(answer)
            await asyncio.sleep(0)  # others get their turn
        answers = np.array([found[pair] for pair in pairs], dtype=np.int64).reshape(-1, 2)
        return self._raised(pairs, answers[:, 0]), answers[:, 1]

    def _raised(self, pairs: Sequence[Pair], seconds: Ints) -> Ints:
        """Never faster than the straight line at the network's top speed."""
        ends = np.array(pairs, dtype=np.int64).reshape(-1, 2)
        least = self._at_top_speed(great_circle_m(Places.of(ends[:, 0]), Places.of(ends[:, 1])))
        return np.where(seconds == UNREACHABLE, UNREACHABLE, np.maximum(seconds, least))

    def _at_top_speed(self, metres: Floats) -> Ints:
        return (metres * GEODESIC_ERROR / (self._limits.top_speed_kmh / 3.6)).astype(np.int64)

    async def _ask(self, question: "Block") -> dict[Pair, Drive]:
        table = await self.network.table(question.froms, question.tos)
        seconds, metres = self._drives(table)
        row = {place: at for at, place in enumerate(question.froms)}
        column = {place: at for at, place in enumerate(question.tos)}
        return {(a, b): (seconds[row[a]][column[b]], metres[row[a]][column[b]]) for a, b in question.pairs}

    def _drives(self, table: Table) -> tuple[list[list[int]], list[list[int]]]:
        """Whole seconds with the ways to the roads, and whole metres."""
        gaps = table.origin_gaps[:, None], table.target_gaps[None, :]
        away = (gaps[0] > self._limits.snap_m) | (gaps[1] > self._limits.snap_m) | np.isnan(table.seconds)
        access = np.where(away, 0.0, gaps[0] + gaps[1])
        # tenths of a second, as engines round; else a drive of 12.0 s could take 13 for float's sake
        seconds = np.ceil(np.round(np.where(away, 0.0, table.seconds) + access / ACCESS_M_S[self.mode], 3))
        metres = np.round(np.where(away, 0.0, table.metres) + access)
        return np.where(away, UNREACHABLE, seconds).astype(np.int64).tolist(), metres.astype(
            np.int64
        ).tolist()


class Block(NamedTuple):
    """One question: every origin to every target, of which these pairs are wanted."""

    froms: tuple[int, ...]
    tos: tuple[int, ...]
    pairs: list[Pair]


def blocks(pairs: Sequence[Pair], most_places: int) -> Iterator[Block]:
    """Questions of at most so many places that cover the pairs.

    Where most of the rectangle of all origins and targets is wanted it is cut into tiles; else the pairs go
    by their common end, the end that makes for fewer questions.
    """
    froms, tos = list(dict.fromkeys(a for a, _ in pairs)), list(dict.fromkeys(b for _, b in pairs))
    if 2 * len(pairs) >= len(froms) * len(tos):
        yield from _tiles(froms, tos, set(pairs), most_places)
    else:
        yield from _bundles(pairs, 0 if len(froms) <= len(tos) else 1, most_places)


def _tiles(froms: list[int], tos: list[int], wanted: set[Pair], most: int) -> Iterator[Block]:
    shorter = max(1, min(len(froms), len(tos), most // 2))
    tall, wide = (shorter, most - shorter) if len(froms) <= len(tos) else (most - shorter, shorter)
    for top in range(0, len(froms), tall):
        rows = tuple(froms[top : top + tall])
        for left in range(0, len(tos), wide):
            columns = tuple(tos[left : left + wide])
            inside = [(a, b) for a in rows for b in columns if (a, b) in wanted]
            if inside:
                yield Block(rows, columns, inside)


def _bundles(pairs: Sequence[Pair], end: int, most: int) -> Iterator[Block]:
    for _, group in groupby(sorted(pairs, key=lambda pair: pair[end]), key=lambda pair: pair[end]):
        same = list(group)
        for at in range(0, len(same), most - 1):
            some = same[at : at + most - 1]
            ends = (tuple(dict.fromkeys(a for a, _ in some)), tuple(dict.fromkeys(b for _, b in some)))
            yield Block(*ends, some)


def _batches(questions: Iterable[Block], size: int) -> Iterator[list[Block]]:
    some: list[Block] = []
    for question in questions:
        some.append(question)
        if len(some) == size:
            yield some
            some = []
    if some:
        yield some


def _hub(froms: Places, tos: Places) -> tuple[Hub, Ints]:
    """The single place of one side, and the others."""
    if len(tos) == 1:
        return Hub(int(tos.keys[0]), inward=True), froms.keys
    return Hub(int(froms.keys[0]), inward=False), tos.keys


def _pairs(froms: Places, tos: Places) -> list[Pair]:
    """The pairs, with `_NOWHERE` for those that are no drive."""
    still = standing(froms, tos)
    ends = (np.where(still, 0, side.keys).tolist() for side in (froms, tos))
    return list(zip(*ends, strict=True))
