"""What use cases need from outside the database: hashing, which takes its time, and the signing key."""

from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from identity.domain.users import User


class Passwords(Protocol):
    """Hashes passwords, a few at a time."""

    async def hash(self, password: str) -> str:
        """A salted hash to store."""
        ...

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether the password matches; None, for nobody, takes the same work and never matches."""
        ...

    def turn(self) -> AbstractAsyncContextManager[None]:
        """Waits for one of the few places at which sign-ins are judged. Raises Exhausted in a crush."""
        ...

    def fingerprint(self, password: str) -> bytes:
        """Tells whether two requests bring the same password; useless without the service's secret."""
        ...


class Signer(Protocol):
    """Signs tokens."""

    def token(self, user: User, issued_at: datetime, expires_at: datetime) -> str:
        """A bearer token for the user, with its tenant and its grants as they are."""
        ...
