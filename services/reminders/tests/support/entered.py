"""Who calls, and as what a tenant is called."""

from reminder_house import House

from kit.rpc import context
from kit.rpc.context import Caller, Grant

CALLED_AS = {"called_as": '"Sole Mio"'}


def enter(house: House, *grants: Grant) -> None:
    mine = grants or (Grant("ADMINISTRATOR", "tenant", ""),)
    context.become(Caller("usr_1", house.tenant, mine))
