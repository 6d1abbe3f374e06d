"""Looks up where addresses are, before any transaction (GEO-18)."""

import asyncio
from collections.abc import Sequence
from typing import Final

from booking.domain import errors
from booking.domain.contact import Located
from booking.usecases.ports import Places

LONGEST_ADDRESS: Final = 300
"""Characters of an address that is looked up."""

_AT_ONCE: Final = 8


def require_short(address: str, field: str) -> None:
    """Raises InvalidInput, naming the field, for an address that is too long to look up."""
    if len(address) > LONGEST_ADDRESS:
        raise errors.invalid(field, f"must be at most {LONGEST_ADDRESS} characters to be looked up")


async def locate(places: Places, tenant: str, addresses: Sequence[str]) -> list[Located]:
    """Where each address is, in order, a few at a time. Raises Unavailable when one cannot be looked up."""
    turn = asyncio.Semaphore(_AT_ONCE)

    async def one(address: str) -> Located:
        async with turn:
            return await places.find(tenant, address)

    tasks = [asyncio.create_task(one(address)) for address in addresses]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
