"""Users of the tenant, a page at a time."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass

from identity.domain.roles import Granted, limits
from identity.domain.users import READERS, User
from identity.storage import users
from kit.db.engine import Database
from kit.db.uow import Tx
from kit.errors import InvalidInput, Reason
from kit.values.ids import is_id

DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 200


@dataclass(frozen=True, slots=True)
class ListUsers:
    """Pages by e-mail.

    A page token holds the id of the last user shown: no personal data in it, and another tenant's token
    points at nobody.
    """

    db: Database

    async def run(
        self, tenant_id: str, page_size: int, page_token: str, reader: Sequence[Granted]
    ) -> tuple[list[User], str]:
        """Users in the reader's scope, and the next page's token or "". Raises InvalidInput (page_token)."""
        size = min(page_size, MAX_PAGE_SIZE) or DEFAULT_PAGE_SIZE
        async with self.db.uow(tenant_id) as tx:
            after = await _email_before(tx, page_token)
            found = await users.page(tx, after, size + 1, limits(reader, READERS))
        shown = found[:size]
        return shown, _token(shown[-1]) if len(found) > size else ""


async def _email_before(tx: Tx, token: str) -> str:
    if not token:
        return ""
    user_id = _user_id(token)
    last = await users.find(tx, user_id) if is_id(user_id, "usr") else None
    if last is None:
        message = "is no token of a page of this list"
        raise InvalidInput(Reason.INVALID_FIELD, message, field="page_token")
    return last.email.address


def _token(last: User) -> str:
    return base64.urlsafe_b64encode(last.user_id.encode()).decode()


def _user_id(token: str) -> str:
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        return ""
