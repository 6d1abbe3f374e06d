"""The reach of the caller's grants.

A grant for the whole tenant, or for a branch, reaches all campaigns: they belong to no branch yet. One for
campaigns reaches those. AGENT for an agent (`agt_…`) reads that agent's appointments.
"""

from booking.domain.reach import Reach
from kit.rpc.context import CAMPAIGN, caller

_AGENT = "agent"


def reach() -> Reach:
    """What the caller may act on."""
    grants = caller().grants
    return Reach(
        whole=any(grant.scope_kind not in {CAMPAIGN, _AGENT} for grant in grants),
        campaigns=frozenset(grant.scope_id for grant in grants if grant.scope_kind == CAMPAIGN),
        agents=frozenset(grant.scope_id for grant in grants if grant.scope_kind == _AGENT),
    )
