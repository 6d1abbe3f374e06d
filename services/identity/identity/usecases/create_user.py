"""Makes a user with roles."""

from dataclasses import dataclass

from identity.domain.users import NewUser, User
from identity.usecases.add_user import add_user, new_user
from identity.usecases.answers import keep_user, kept_user
from identity.usecases.ports import Passwords
from identity.usecases.tenant_parameters import require_roles_open
from kit.db.claims import Claim
from kit.db.engine import Database


@dataclass(frozen=True, slots=True)
class CreateUser:
    """A user of the caller's tenant."""

    db: Database
    passwords: Passwords

    async def run(self, tenant_id: str, new: NewUser, request_id: str, body: bytes) -> User:
        """`body` is the request's bytes without the password.

        Raises InvalidInput naming the field, NotAllowed for PLATFORM, RuleViolated (AGENTS_DISABLED)
        for an agent's role where there are no agents, AlreadyExists for a taken e-mail.
        """
        user = new_user(tenant_id, new)
        password_hash = await self.passwords.hash(new.password)
        claim = Claim(f"create_user:{request_id}", body + self.passwords.fingerprint(new.password))
        async with self.db.uow(tenant_id, claim) as tx:
            if tx.duplicate:
                return kept_user(tx.first_answer)
            await require_roles_open(tx, new.grants)
            await add_user(tx, user, password_hash)
            tx.answer(keep_user(user))
        return user
