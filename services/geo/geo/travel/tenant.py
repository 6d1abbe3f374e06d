"""Travel times as each tenant has them: its own matrix first, the engine for everything else."""

from collections.abc import Collection

import numpy as np

from geo.domain.drives import Drives, source_code, standing
from geo.domain.legs import LegBook, Pair
from geo.domain.matrix import Matrix, travel_version
from geo.domain.places import Ints, Places
from geo.domain.stop import TravelSource
from geo.storage.matrices import Matrices
from geo.travel.engine import Engine

_MATRIX = source_code(TravelSource.MATRIX)


class TenantTravel:
    """`usecases.ports.TravelTimes`, up to date with the database; and `DriveTables`, by what is at hand."""

    def __init__(self, engine: Engine, matrices: Matrices) -> None:
        self.engine = engine
        self._matrices = matrices
        self._code = source_code(engine.source)

    @property
    def instant(self) -> bool:
        """Whether drives cost next to nothing."""
        return self.engine.instant

    async def version(self, tenant: str) -> str:
        """Engine, data and profile, and the tenant's matrix in force at this moment."""
        return self._version(await self._matrices.up_to_date(tenant))

    async def legs(self, tenant: str, pairs: Collection[Pair]) -> LegBook:
        """All of these pairs by the data in force at this moment."""
        return await self._book(await self._matrices.up_to_date(tenant), pairs)

    async def version_at_hand(self, tenant: str) -> str:
        """Version of the data at hand."""
        return self._version(await self._matrices.at_hand(tenant))

    async def legs_at_hand(self, tenant: str, pairs: Collection[Pair]) -> LegBook:
        """All of these pairs by the data at hand."""
        return await self._book(await self._matrices.at_hand(tenant), pairs)

    async def around(self, tenant: str, place: int, places: Places) -> tuple[Drives, Drives]:
        """The drives from each of the places to one place, and back, by the data at hand."""
        matrix, here = await self._matrices.at_hand(tenant), Places.single(place)
        back = await self.engine.measure(here, places)
        there = back if self.engine.symmetric else await self.engine.measure(places, here)
        return self._drives(matrix, places, here, there), self._drives(matrix, here, places, back)

    async def floor_around(self, tenant: str, place: int, places: Places) -> tuple[Drives, Drives]:
        """Drives that are never longer than those of `around`."""
        matrix, here = await self._matrices.at_hand(tenant), Places.single(place)
        there, back = self.engine.floor(places, here), self.engine.floor(here, places)
        nothing = np.zeros_like(there)
        inward = self._drives(matrix, places, here, (there, nothing))
        return inward, self._drives(matrix, here, places, (back, nothing))

    def _version(self, matrix: Matrix) -> str:
        return travel_version(self.engine.version, matrix.version)

    async def _book(self, matrix: Matrix, pairs: Collection[Pair]) -> LegBook:
        asked = list(pairs)
        ends = np.array(asked, dtype=np.int64).reshape(-1, 2)
        froms, tos = Places.of(ends[:, 0]), Places.of(ends[:, 1])
        drives = self._drives(matrix, froms, tos, await self.engine.measure(froms, tos))
        return LegBook(drives.version, dict(zip(asked, drives.legs(), strict=True)))

    def _drives(self, matrix: Matrix, froms: Places, tos: Places, figures: tuple[Ints, Ints]) -> Drives:
        """The engine's figures with the matrix on top of them."""
        seconds, metres = figures
        moving = ~standing(froms, tos)
        seconds, metres = seconds * moving, metres * moving
        sources = moving * self._code
        for at, (drive, length) in matrix.named(froms.keys, tos.keys):
            if moving[at]:
                seconds[at], metres[at], sources[at] = drive, length, _MATRIX
        return Drives(froms.keys, tos.keys, seconds, metres, sources, self._version(matrix))
