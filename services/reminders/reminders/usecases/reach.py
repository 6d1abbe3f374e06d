"""How far the caller's grants reach.

One for the whole tenant reaches everything; one for branches reaches what is set for those branches and all
campaigns (as in booking); one for campaigns reaches those campaigns alone.
"""

from kit.errors import NotAllowed, Reason
from kit.rpc.context import BRANCH, CAMPAIGN, TENANT, caller


def require_campaign(campaign_id: str) -> None:
    """Raises NotAllowed (OUT_OF_SCOPE) unless a campaign is within reach."""
    who = caller()
    limited = {grant.scope_id for grant in who.grants if grant.scope_kind == CAMPAIGN}
    if not who.is_whole and campaign_id not in limited:
        raise _out_of_scope()


def require_branch(branch_id: str) -> None:
    """Raises NotAllowed unless a branch, or for an empty id the whole tenant, is within reach."""
    for each in caller().grants:
        if each.scope_kind == TENANT or (
            branch_id and (each.scope_kind, each.scope_id) == (BRANCH, branch_id)
        ):
            return
    raise _out_of_scope()


def _out_of_scope() -> NotAllowed:
    return NotAllowed(Reason.OUT_OF_SCOPE, "your roles do not reach this part of the tenant")
