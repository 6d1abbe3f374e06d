"""Passwords with Argon2id, hashed in a few threads beside the event loop."""

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from kit.errors import Exhausted, Reason

MAX_WAITING = 200
"""Sign-ins that wait for their turn before more are turned away: about four seconds' work of one core."""


class Argon2Passwords:
    """Argon2id with 2 passes, 19 MiB, 1 lane (OWASP's second choice): about 40 ms of one core a hash.

    `workers` hashes run at once. `pepper` is the secret of fingerprints.
    """

    def __init__(self, pepper: bytes, workers: int = 2, max_waiting: int = MAX_WAITING) -> None:
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
        self._nobody = self._hasher.hash(secrets.token_hex())
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="argon2")
        self._places = asyncio.Semaphore(workers)
        self._most = workers + max_waiting
        self._here = 0
        self._pepper = pepper

    async def hash(self, password: str) -> str:
        """A salted hash to store."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._hasher.hash, password)

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether the password matches; None is checked against nobody's hash and never matches."""
        loop = asyncio.get_running_loop()
        matches = await loop.run_in_executor(self._threads, self._matches, stored or self._nobody, password)
        return matches and stored is not None

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Waits for a place. Raises Exhausted (RATE_LIMITED) when too many wait already."""
        if self._here >= self._most:
            raise Exhausted(Reason.RATE_LIMITED, "too many people sign in at this moment; try again")
        self._here += 1
        try:
            async with self._places:
                yield
        finally:
            self._here -= 1

    def fingerprint(self, password: str) -> bytes:
        """HMAC-SHA256 of the password: equal for equal ones, no help to whoever reads the database."""
        return hmac.digest(self._pepper, password.encode(), hashlib.sha256)

    def close(self) -> None:
        """Ends the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _matches(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except VerifyMismatchError:
            return False
