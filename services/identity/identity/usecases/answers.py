"""Answers as claims keep them: whoever repeats a request gets the first one, whatever changed since."""

import json
from datetime import datetime, timedelta
from typing import Any

from identity.domain.email import Email
from identity.domain.roles import Role, RoleGrant
from identity.domain.tenants import Tenant
from identity.domain.testclock import TestClock
from identity.domain.users import User


def keep_user(user: User) -> bytes:
    """A user as bytes."""
    return _pack(
        user_id=user.user_id,
        tenant_id=user.tenant_id,
        email=user.email.address,
        display_name=user.display_name,
        agent_id=user.agent_id,
        grants=[[grant.role, grant.scope_id] for grant in user.grants],
    )


def kept_user(answer: bytes | None) -> User:
    """What `keep_user` kept."""
    kept = _unpack(answer)
    kept["email"] = Email(kept["email"])
    kept["grants"] = tuple(RoleGrant(Role(role), scope_id) for role, scope_id in kept["grants"])
    return User(**kept)


def keep_tenant(tenant: Tenant) -> bytes:
    """A tenant as bytes."""
    return _pack(tenant_id=tenant.tenant_id, display_name=tenant.display_name, time_zone=tenant.time_zone)


def kept_tenant(answer: bytes | None) -> Tenant:
    """What `keep_tenant` kept."""
    return Tenant(**_unpack(answer))


def keep_clock(clock: TestClock) -> bytes:
    """A test clock as bytes."""
    return _pack(now=clock.now.isoformat(), offset=int(clock.offset.total_seconds()))


def kept_clock(answer: bytes | None) -> TestClock:
    """What `keep_clock` kept."""
    kept = _unpack(answer)
    return TestClock(datetime.fromisoformat(kept["now"]), timedelta(seconds=kept["offset"]))


def _pack(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def _unpack(answer: bytes | None) -> dict[str, Any]:
    if answer is None:
        raise LookupError("a committed claim of identity has no answer")
    fields: dict[str, Any] = json.loads(answer)
    return fields
