"""Logins, found by the digest of an e-mail address before the tenant is known.

Row-level security shows the one row that `name` named in this transaction (see `storage.tables`).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, case, delete, insert, select, text
from sqlalchemy.dialects.postgresql import insert as insert_or_update

from identity.domain.throttle import Failures
from identity.domain.users import User
from identity.storage.tables import logins, sign_in_failures
from kit.db.uow import Tx
from kit.db.worker import WorkerTx

NO_TENANT: Final = "ten_none"
"""For a unit of work that looks a login up: no tenant has this id, so it sees no tenant's rows."""

_NAME: Final = text("SELECT set_config('giro.login', :digest, true)")
_INSERT: Final = insert(logins)
_SELECT: Final = select(logins.c.tenant_id, logins.c.user_id, logins.c.password_hash).where(
    logins.c.digest == bindparam("wanted")
)
_SELECT_FAILURES: Final = select(sign_in_failures.c.failures, sign_in_failures.c.since).where(
    sign_in_failures.c.digest == bindparam("wanted")
)
_FAILED: Final = insert_or_update(sign_in_failures).values(
    digest=bindparam("wanted"), failures=1, since=bindparam("at")
)
_WINDOW_IS_OVER: Final = sign_in_failures.c.since <= bindparam("window_start")
_COUNT_FAILURE: Final = _FAILED.on_conflict_do_update(
    index_elements=["digest"],
    set_={
        "failures": case((_WINDOW_IS_OVER, 1), else_=sign_in_failures.c.failures + 1),
        "since": case((_WINDOW_IS_OVER, _FAILED.excluded.since), else_=sign_in_failures.c.since),
    },
)
_FORGET: Final = delete(sign_in_failures).where(sign_in_failures.c.digest == bindparam("wanted"))
_FORGET_OLD: Final = delete(sign_in_failures).where(_WINDOW_IS_OVER)


@dataclass(frozen=True, slots=True)
class Login:
    """Whose an address is, and the hash that its password must match."""

    tenant_id: str
    user_id: str
    password_hash: str


async def add(tx: Tx, user: User, password_hash: str) -> None:
    """Adds a user's login. Raises AlreadyExists (field `email`) when any tenant has the address."""
    values = {
        "digest": user.email.digest,
        "tenant_id": user.tenant_id,
        "user_id": user.user_id,
        "password_hash": password_hash,
    }
    await tx.run(_INSERT, values)


async def name(tx: Tx, digest: str) -> None:
    """Lets the rest of this transaction see the login and the failures of one address."""
    await tx.run(_NAME, {"digest": digest})


async def find(tx: Tx, digest: str) -> Login | None:
    """The login of the named address, or None."""
    row = (await tx.run(_SELECT, {"wanted": digest})).one_or_none()
    return None if row is None else Login(row.tenant_id, row.user_id, row.password_hash)


async def failures(tx: Tx, digest: str) -> Failures | None:
    """Failed sign-ins of the named address, or None."""
    row = (await tx.run(_SELECT_FAILURES, {"wanted": digest})).one_or_none()
    return None if row is None else Failures(row.failures, row.since)


async def count_failure(tx: Tx, digest: str, at: datetime, window_start: datetime) -> None:
    """Counts one failed sign-in of the named address; one whose window is over begins a new window."""
    await tx.run(_COUNT_FAILURE, {"wanted": digest, "at": at, "window_start": window_start})


async def forget_failures(tx: Tx, digest: str) -> None:
    """Forgets the failed sign-ins of the named address."""
    await tx.run(_FORGET, {"wanted": digest})


async def forget_old_failures(tx: WorkerTx, window_start: datetime) -> None:
    """Forgets what no longer counts, of all addresses."""
    await tx.run(_FORGET_OLD, {"window_start": window_start})
