"""Adds a user to the tenant of an open transaction: the part that all ways of making users share."""

from identity import events
from identity.domain.roles import as_agent, check_grants
from identity.domain.users import NewUser, User
from identity.storage import logins, users
from kit.db.uow import Tx
from kit.errors import AlreadyExists
from kit.values.ids import new_id


def new_user(tenant_id: str, new: NewUser) -> User:
    """The user to add. Raises InvalidInput or NotAllowed for grants that it cannot have there."""
    grants = check_grants(new.grants, tenant_id, f"{new.field}grants")
    reached = as_agent(grants, new.agent_id)
    return User(new_id("usr"), tenant_id, new.email, new.display_name, reached, new.agent_id)


async def add_user(tx: Tx, user: User, password_hash: str, field: str = "") -> None:
    """Saves the user and its login, and tells. Raises AlreadyExists for an e-mail that any tenant has.

    `field` is the path of the user's fields in the request, as in `administrator.`.
    """
    try:
        await users.add(tx, user)
        await logins.add(tx, user, password_hash)
    except AlreadyExists as taken:
        message, metadata = taken.message, taken.metadata
        raise AlreadyExists(taken.reason, message, metadata=metadata, field=f"{field}email") from None
    events.user_created(tx, user)
