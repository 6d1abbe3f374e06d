"""The reach of the caller's grants: a role counts within its own grant's scope alone (R-181).

A grant for the whole tenant, or for a branch, reaches all campaigns: they belong to no branch yet. One for
campaigns reaches those. AGENT for an agent (`agt_…`) reads that agent's appointments.
"""

from collections.abc import Collection

from booking.domain.reach import Reach
from kit.rpc.context import AGENT, CAMPAIGN, Grant, caller


def reach() -> Reach:
    """What the caller may act on."""
    return _of(caller().grants)


def reach_as(*roles: str) -> Reach:
    """What the caller may act on as one of these roles."""
    return _of([grant for grant in caller().grants if grant.role in roles])


def reach_but_as(*roles: str) -> Reach:
    """What the caller may act on without the grants of these roles."""
    return _of([grant for grant in caller().grants if grant.role not in roles])


def _of(grants: Collection[Grant]) -> Reach:
    return Reach(
        whole=any(grant.is_whole for grant in grants),
        campaigns=frozenset(grant.scope_id for grant in grants if grant.scope_kind == CAMPAIGN),
        agents=frozenset(grant.scope_id for grant in grants if grant.scope_kind == AGENT),
    )
