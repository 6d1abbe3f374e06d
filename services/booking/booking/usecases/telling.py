"""What a caller is told of a refusal that has to do with an agent's agenda."""

from booking.domain import veil
from kit.errors import GiroError, Reason
from kit.rpc.context import caller

_SEES_AGENDAS = (*veil.SEES_AGENTS, "OPERATOR")


def told(refusal: GiroError, *, hidden: bool) -> GiroError:
    """The refusal, without what the caller may not learn: the agent, or which neighbour of a slot changed."""
    stale = refusal.reason is Reason.SLOT_TOKEN_STALE
    if hidden or (stale and not caller().has_role(*_SEES_AGENDAS)):
        return veil.refusal(refusal)
    return refusal
