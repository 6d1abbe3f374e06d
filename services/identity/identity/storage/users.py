"""Users and their grants in the database."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Row, bindparam, delete, exists, func, insert, select

from identity.domain.email import Email
from identity.domain.roles import Role, RoleGrant
from identity.domain.users import User
from identity.storage.tables import grants, users
from kit.db.uow import Tx

_INSERT: Final = insert(users)
_INSERT_GRANTS: Final = insert(grants)
_DELETE_GRANTS: Final = delete(grants).where(
    grants.c.tenant_id == bindparam("mine"), grants.c.user_id == bindparam("of")
)

_OF_THE_USER: Final = (grants.c.tenant_id == users.c.tenant_id) & (grants.c.user_id == users.c.user_id)
_GRANTS: Final = (
    select(func.jsonb_agg(func.jsonb_build_array(grants.c.role, grants.c.scope_id)))
    .where(_OF_THE_USER)
    .scalar_subquery()
    .label("grants")
)
_SELECT: Final = select(
    users.c.user_id, users.c.tenant_id, users.c.email, users.c.display_name, users.c.agent_id, _GRANTS
).where(users.c.tenant_id == bindparam("mine"))
_SELECT_ONE: Final = _SELECT.where(users.c.user_id == bindparam("wanted"))
_SELECT_PAGE: Final = (
    _SELECT.where(users.c.email > bindparam("after")).order_by(users.c.email).limit(bindparam("most"))
)
_SELECT_PAGE_IN_SCOPE: Final = _SELECT_PAGE.where(
    exists().where(_OF_THE_USER, grants.c.scope_id == func.any(bindparam("scopes")))
)
_OTHER_ADMINISTRATORS: Final = select(func.count()).where(
    grants.c.tenant_id == bindparam("mine"),
    grants.c.user_id != bindparam("apart_from"),
    grants.c.role == Role.ADMINISTRATOR.value,
    grants.c.scope_id == "",
)


async def add(tx: Tx, user: User) -> None:
    """Adds a user with its grants. Raises AlreadyExists (field `email`) when the tenant has the address."""
    values = {
        "tenant_id": user.tenant_id,
        "user_id": user.user_id,
        "email": user.email.address,
        "display_name": user.display_name,
        "agent_id": user.agent_id,
    }
    await tx.run(_INSERT, values)
    await _add_grants(tx, user.user_id, user.grants)


async def find(tx: Tx, user_id: str) -> User | None:
    """A user of the tenant, or None."""
    row = (await tx.run(_SELECT_ONE, {"mine": tx.tenant, "wanted": user_id})).one_or_none()
    return None if row is None else _user(row)


async def page(tx: Tx, after: str, most: int, scopes: frozenset[str] | None) -> list[User]:
    """At most `most` users whose e-mail comes after `after`, in the order of the e-mail's bytes.

    With `scopes` only those who have a grant in one of them.
    """
    params: dict[str, Any] = {"mine": tx.tenant, "after": after, "most": most}
    if scopes is None:
        found = await tx.run(_SELECT_PAGE, params)
    else:
        found = await tx.run(_SELECT_PAGE_IN_SCOPE, {**params, "scopes": sorted(scopes)})
    return [_user(row) for row in found]


async def replace_grants(tx: Tx, user_id: str, new: Sequence[RoleGrant]) -> None:
    """Gives a user these grants and no others."""
    await tx.run(_DELETE_GRANTS, {"mine": tx.tenant, "of": user_id})
    await _add_grants(tx, user_id, new)


async def other_administrators(tx: Tx, user_id: str) -> int:
    """How many grants of ADMINISTRATOR the tenant has, this user's apart."""
    params = {"mine": tx.tenant, "apart_from": user_id}
    count: int = (await tx.run(_OTHER_ADMINISTRATORS, params)).scalar_one()
    return count


async def _add_grants(tx: Tx, user_id: str, new: Sequence[RoleGrant]) -> None:
    rows = [
        {"tenant_id": tx.tenant, "user_id": user_id, "role": grant.role.value, "scope_id": grant.scope_id}
        for grant in new
    ]
    await tx.run(_INSERT_GRANTS.values(rows))


def _user(row: Row[Any]) -> User:
    return User(
        user_id=row.user_id,
        tenant_id=row.tenant_id,
        email=Email(row.email),
        display_name=row.display_name,
        agent_id=row.agent_id,
        grants=tuple(sorted(RoleGrant(Role(role), scope_id) for role, scope_id in row.grants or ())),
    )
