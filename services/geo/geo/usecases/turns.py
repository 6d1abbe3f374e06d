"""The queue in front of the agents' locks, for the writers of one process."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from weakref import WeakValueDictionary


class Turns:
    """One writer at a time for each agent, in the order in which they came.

    It guards nothing: the row lock does, and other processes know only that one. But who waits here holds no
    connection meanwhile, and is not overtaken, as in the database, where waiters for a row that changes with
    each holder have no order.
    """

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def of(self, tenant: str, agent_ids: Collection[str]) -> AsyncIterator[None]:
        """Waits for the turn at these agents of a tenant."""
        async with AsyncExitStack() as turns:
            for agent_id in sorted(agent_ids):
                await turns.enter_async_context(self._lock(tenant, agent_id))
            yield

    def _lock(self, tenant: str, agent_id: str) -> asyncio.Lock:
        lock = self._locks.get((tenant, agent_id))
        if lock is None:
            lock = self._locks[tenant, agent_id] = asyncio.Lock()
        return lock
