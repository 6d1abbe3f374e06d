"""Travel times as each tenant has them: its own matrix first, the engine for everything else."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial
from typing import Final, TypeVar

import numpy as np

from geo.domain.drives import UNREACHABLE, Drives, source_code, standing
from geo.domain.legs import LegBook, Pair, free_leg
from geo.domain.matrix import Matrix
from geo.domain.modes import TravelMode
from geo.domain.places import BLOCK, Ints, Places
from geo.domain.stop import Leg, TravelSource
from geo.storage.matrices import Matrices
from geo.travel.engine import Engine
from geo.travel.estimate import Estimate
from geo.travel.failures import unavailable
from geo.usecases.search_ports import Told
from kit.errors import Unavailable

_MATRIX: Final = source_code(TravelSource.MATRIX)
_ESTIMATES: Final = {mode: Estimate(mode) for mode in TravelMode}
_ATTEMPTS: Final = 3

T = TypeVar("T")

MayEstimate = Callable[[str], Awaitable[bool]]
"""Whether a tenant takes the flagged estimate when the engine cannot answer."""


async def _never(_tenant: str) -> bool:
    return False


class TenantTravel:
    """`usecases.ports.TravelTimes`, up to date with the database; and `DriveTables`, by what is at hand.

    All of one mode, the engine's. When the engine cannot answer, a tenant that allows it (`may_estimate`)
    gets the estimate of the same mode, flagged in source and version; every other gets the refusal.
    """

    def __init__(self, engine: Engine, matrices: Matrices, may_estimate: MayEstimate = _never) -> None:
        self.engine = engine
        self._matrices = matrices
        self._may_estimate = may_estimate

    async def engine_version(self) -> str:
        """Engine, data and profile, without any tenant's matrix. Raises Unavailable."""
        return await self.engine.current()

    async def refreshed_version(self) -> str:
        """The same, asked for at this moment. Raises Unavailable."""
        return await self.engine.refreshed()

    async def version(self, tenant: str) -> str:
        """Engine, data and profile, and the tenant's matrix in force at this moment."""
        matrix = await self._matrices.up_to_date(tenant, self.engine.mode)
        return await self._answered(tenant, partial(_version_now, matrix))

    async def legs(self, tenant: str, pairs: Collection[Pair]) -> LegBook:
        """All of these pairs by the data in force at this moment."""
        matrix = await self._matrices.up_to_date(tenant, self.engine.mode)
        return await self._answered(tenant, partial(_book, matrix, pairs))

    async def present_legs(self, tenant: str, pairs: Collection[Pair]) -> LegBook:
        """As `legs`, by the engine itself: never the estimate in its place."""
        return await _book(await self._matrices.up_to_date(tenant, self.engine.mode), pairs, self.engine)

    async def at_once(self, tenant: str, *, fresh: bool) -> LegBook | None:
        """A book of every pair, where the engine needs no I/O; None where it does."""
        drive = self.engine.drive
        if drive is None:
            return None
        matrix = await (
            self._matrices.up_to_date(tenant, self.engine.mode)
            if fresh
            else self._matrices.at_hand(tenant, self.engine.mode)
        )
        version, source = matrix.travel_version(self.engine.version), self.engine.source
        profile = matrix.profile

        def every(pair: Pair) -> Leg | None:
            own = matrix.entries.get(pair)
            seconds, metres = drive(*pair) if own is None else own
            if seconds == UNREACHABLE:
                return None
            free = None if profile is None else seconds
            origin = source if own is None else TravelSource.MATRIX
            return Leg(*pair, seconds, metres, origin, version, free_seconds=free, profile=profile)

        return LegBook(version, every=lambda pair: free_leg(*pair) or every(pair), mode=self.engine.mode)

    def straight_lines(self, pairs: Sequence[Pair]) -> tuple[list[int], list[int]]:
        """Seconds of each pair by the estimate: its safe bound, and its best guess."""
        ends = np.array(pairs, dtype=np.int64).reshape(-1, 2)
        froms, tos = Places.of(ends[:, 0]), Places.of(ends[:, 1])
        estimate = _ESTIMATES[self.engine.mode]
        return estimate.bound(froms, tos).tolist(), estimate.guess(froms, tos).tolist()

    async def version_at_hand(self, tenant: str) -> str:
        """Version of the data at hand."""
        matrix = await self._matrices.at_hand(tenant, self.engine.mode)
        return await self._answered(tenant, partial(_version_now, matrix))

    async def legs_at_hand(self, tenant: str, pairs: Collection[Pair]) -> LegBook:
        """All of these pairs by the data at hand."""
        matrix = await self._matrices.at_hand(tenant, self.engine.mode)
        return await self._answered(tenant, partial(_book, matrix, pairs))

    async def around(self, tenant: str, place: int, ends: tuple[Places, Places]) -> tuple[Drives, Drives]:
        """The drives from each of some places to one place, and from there to each of others, by the data at
        hand."""
        matrix = await self._matrices.at_hand(tenant, self.engine.mode)
        return await self._answered(tenant, partial(_around, matrix, (place, *ends)))

    async def floor_around(self, tenant: str, place: int, places: Places) -> tuple[Ints, Ints]:
        """Seconds that the drives of `around` never go below, whichever engine answers that."""
        matrix, here = await self._matrices.at_hand(tenant, self.engine.mode), Places.single(place)
        there, back = np.empty((2, len(places)), dtype=np.int64)
        for at in range(0, len(places), BLOCK):
            some, span = places.part(at), slice(at, at + BLOCK)
            moving = ~standing(some, here)
            there[span] = self.engine.floor(some, here) * moving
            back[span] = there[span] if self.engine.symmetric else self.engine.floor(here, some) * moving
        return _at_least(matrix, (places, here), (there, back))

    async def told_around(self, tenant: str, place: int, places: Places) -> Told:
        """As `floor_around`, by what the engine told before as well."""
        tell = self.engine.told
        if tell is None:
            return Told.floors(*await self.floor_around(tenant, place, places))
        matrix, here = await self._matrices.at_hand(tenant, self.engine.mode), Places.single(place)
        (there, known_in), (back, known_out) = tell(places, here), tell(here, places)
        still = standing(places, here)
        there[still], back[still] = 0, 0
        least = _at_least(matrix, (places, here), (there, back))
        return Told(*least, known_in | still, known_out | still, matrix.travel_version(self.engine.version))

    async def _answered(self, tenant: str, ask: Callable[[Engine], Awaitable[T]]) -> T:
        try:
            return await ask(self.engine)
        except Unavailable:
            if not await self._may_estimate(tenant):
                raise
        return await ask(_ESTIMATES[self.engine.mode])


async def _version_now(matrix: Matrix, engine: Engine) -> str:
    return matrix.travel_version(await engine.current())


async def _book(matrix: Matrix, pairs: Collection[Pair], engine: Engine) -> LegBook:
    await engine.current()
    asked = list(pairs)
    ends = np.array(asked, dtype=np.int64).reshape(-1, 2)
    froms, tos = Places.of(ends[:, 0]), Places.of(ends[:, 1])
    drives = _drives(engine, matrix, (froms, tos), await engine.measure(froms, tos))
    return LegBook(drives.version, dict(zip(asked, drives.legs(), strict=True)), mode=engine.mode)


async def _around(matrix: Matrix, where: tuple[int, Places, Places], engine: Engine) -> tuple[Drives, Drives]:
    here, (origins, targets) = Places.single(where[0]), where[1:]
    for _ in range(_ATTEMPTS):
        version = await engine.current()
        there, back = await engine.measure(origins, here), await engine.measure(here, targets)
        if engine.version == version:
            inward = _drives(engine, matrix, (origins, here), there)
            return inward, _drives(engine, matrix, (here, targets), back)
    raise unavailable("the roads keep changing while they are asked", engine.version)


def _at_least(matrix: Matrix, ends: tuple[Places, Places], least: tuple[Ints, Ints]) -> tuple[Ints, Ints]:
    """The bounds of the drives from places to one, and back, with the matrix's own and at every hour."""
    (places, here), (there, back) = ends, least
    inward, outward = _lowered(matrix, (places, here), there), _lowered(matrix, (here, places), back)
    if matrix.profile is None:
        return inward, outward
    return matrix.profile.at_least(inward), matrix.profile.at_least(outward)


def _lowered(matrix: Matrix, ends: tuple[Places, Places], seconds: Ints) -> Ints:
    """The bounds with the matrix's own drives where those are shorter."""
    for at, (drive, _) in matrix.named(ends[0].keys, ends[1].keys):
        if drive != UNREACHABLE:
            seconds[at] = min(seconds[at], drive)
    return seconds


def _drives(
    engine: Engine, matrix: Matrix, ends: tuple[Places, Places], figures: tuple[Ints, Ints]
) -> Drives:
    """The engine's figures with the matrix on top of them."""
    (froms, tos), (seconds, metres) = ends, figures
    moving = ~standing(froms, tos)
    seconds, metres = seconds * moving, metres * moving
    sources = moving * source_code(engine.source)
    for at, (drive, length) in matrix.named(froms.keys, tos.keys):
        if moving[at]:
            seconds[at], metres[at], sources[at] = drive, length, _MATRIX
    version = matrix.travel_version(engine.version)
    return Drives(froms.keys, tos.keys, seconds, metres, sources, version, matrix.profile)
