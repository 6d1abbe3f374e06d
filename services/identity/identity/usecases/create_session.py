"""Signs a person in (R-171)."""

from dataclasses import dataclass, replace
from datetime import timedelta

from identity.domain import sessions
from identity.domain.email import Email
from identity.domain.sessions import Session
from identity.domain.throttle import Throttle
from identity.domain.users import User
from identity.storage import logins, users
from identity.storage.logins import NO_TENANT, Login
from identity.usecases.ports import Passwords, Signer
from identity.usecases.tenant_parameters import open_grants
from kit.db.engine import Database
from kit.values.clock import Clock


@dataclass(frozen=True, slots=True)
class CreateSession:
    """E-mail and password to a token.

    A wrong password and an unknown address take the same steps to the same answer. Time is the machine's, not
    the tenant's test clock: a token or a lockout must not move with a simulation.
    """

    db: Database
    passwords: Passwords
    signer: Signer
    clock: Clock
    throttle: Throttle
    lifetime: timedelta

    async def run(self, email: Email, password: str) -> Session:
        """Raises Unauthenticated (BAD_CREDENTIALS), or Exhausted (RATE_LIMITED) after too many failures."""
        # failures are read and counted inside the turn, so a burst of guesses gains at most one per place
        async with self.passwords.turn():
            login = await self._login(email)
            matches = await self.passwords.verify(login.password_hash if login else None, password)
            if login is None or not matches:
                await self._count_failure(email)
                raise sessions.bad_credentials()
        return self._session(await self._signed_in(email, login))

    async def _login(self, email: Email) -> Login | None:
        async with self.db.uow(NO_TENANT) as tx:
            await logins.name(tx, email.digest)
            self.throttle.check(await logins.failures(tx, email.digest), self.clock.now())
            return await logins.find(tx, email.digest)

    async def _count_failure(self, email: Email) -> None:
        now = self.clock.now()
        async with self.db.uow(NO_TENANT) as tx:
            await logins.name(tx, email.digest)
            await logins.count_failure(tx, email.digest, now, self.throttle.window_start(now))

    async def _signed_in(self, email: Email, login: Login) -> User:
        async with self.db.uow(login.tenant_id) as tx:
            await logins.name(tx, email.digest)
            await logins.forget_failures(tx, email.digest)
            user = await users.find(tx, login.user_id)
            if user is None:
                raise LookupError(f"login of {login.user_id} without a user")
            return replace(user, grants=await open_grants(tx, user.grants))

    def _session(self, user: User) -> Session:
        now = self.clock.now().replace(microsecond=0)  # tokens count whole seconds
        expires_at = now + self.lifetime
        return Session(self.signer.token(user, now, expires_at), expires_at, user)
