"""What the use cases need from engines outside the ledger."""

from collections.abc import Collection, Sequence
from typing import Protocol

from geo.domain.geocoding import Candidate
from geo.domain.legs import LegBook, Pair


class TravelTimes(Protocol):
    """Travel times of one mode between places; never asked while a transaction is open."""

    async def version(self, tenant: str) -> str:
        """Engine, profile and data version that answers this tenant now; part of every leg (R-089)."""
        ...

    async def at_once(self, tenant: str, *, fresh: bool) -> LegBook | None:
        """A book that knows every pair, from an engine that needs no I/O; None from the others.

        `fresh`: by the tenant's data in force at this moment, else by what is at hand.
        """
        ...

    async def legs(self, tenant: str, pairs: Collection[Pair]) -> LegBook:
        """All of these pairs, of one version; None in the book for a pair without a way.

        Pairs that need no engine (`geo.domain.legs.free_leg`) may be left out by callers and are answered
        all the same. Raises Unavailable (TRAVEL_UNAVAILABLE) when the engine does not answer.
        """
        ...


class PresentTravel(Protocol):
    """What promises of one mode are held against: the engine in use, never an estimate in its place."""

    async def engine_version(self) -> str:
        """Engine, data and profile, without any tenant's matrix. Raises Unavailable."""
        ...

    async def refreshed_version(self) -> str:
        """The same, asked for at this moment. Raises Unavailable."""
        ...

    async def present_legs(self, tenant: str, pairs: Collection[Pair]) -> LegBook:
        """All of these pairs, of one version. Raises Unavailable."""
        ...

    def straight_lines(self, pairs: Sequence[Pair]) -> tuple[list[int], list[int]]:
        """Seconds of each pair by the estimate: its safe bound, and its best guess."""
        ...


class Geocoder(Protocol):
    """Finds the places of addresses; never asked while a transaction is open."""

    @property
    def source(self) -> str:
        """Who answers, with the version of its data where it has one."""
        ...

    async def find(self, address: str, country: str) -> list[Candidate]:
        """What the address may mean, at most 5, surest first; `country` is ISO 3166-1 alpha-2 or empty.

        Raises Unavailable (SERVICE_UNAVAILABLE) when nobody answers.
        """
        ...

    async def close(self) -> None:
        """Ends connections."""
        ...
