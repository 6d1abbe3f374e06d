"""Who was shown what, and when: not having looked is no excuse (R-017)."""

from collections.abc import Sequence
from typing import Final, Protocol

from booking.domain.reach import Reach
from booking.domain.view import View
from booking.storage import appointments, view_log
from booking.usecases.desk import Desk
from booking.usecases.reach import reach, reach_as
from kit.db.uow import Tx
from kit.rpc.context import caller

CLIENTS: Final = ("CUSTOMER", "AGENT", "PARTNER")
"""Roles whose looks at lists are kept too; those of the call centre's own people would say nothing."""


class Seen(Protocol):
    """One version of an appointment, however it is told."""

    @property
    def appointment_id(self) -> str: ...
    @property
    def campaign_id(self) -> str: ...
    @property
    def agent_id(self) -> str: ...
    @property
    def version(self) -> int: ...


async def record_for_clients(tx: Tx, shown: Sequence[Seen]) -> None:
    """The same of a list, a report, a panel or a calendar: those that a client's role shows."""
    client = reach_as(*CLIENTS)
    await record(tx, [each for each in shown if client.shows(each.campaign_id, each.agent_id)])


async def keep_for_clients(desk: Desk, shown: Sequence[Seen]) -> None:
    """The same in a transaction of its own, once the answer is made: what never came back nobody saw."""
    if not shown or not caller().has_role(*CLIENTS):
        return
    async with desk.db.uow(caller().tenant) as tx:
        await record_for_clients(tx, shown)


async def record(tx: Tx, shown: Sequence[Seen]) -> None:
    """Keeps that the caller sees these now, in these versions; what it saw before is kept as it is.

    Each is seen in a role that shows it, as a client if there is such a one.
    """
    who = caller()
    if not shown or who.service is not None:
        return
    roles = sorted({grant.role for grant in who.grants}, key=lambda role: (role not in CLIENTS, role))
    reaches = [(role, reach_as(role)) for role in roles]
    seen = [(each.appointment_id, each.version, role) for each in shown if (role := _role(reaches, each))]
    await view_log.insert(tx, who.subject, seen)


def _role(reaches: Sequence[tuple[str, Reach]], shown: Seen) -> str:
    fitting = (role for role, one in reaches if one.shows(shown.campaign_id, shown.agent_id))
    return next(fitting, "")


async def get_view_log(desk: Desk, appointment_id: str) -> Sequence[View]:
    """The latest 1,000 views of one appointment, in order. Raises NotFound, NotAllowed."""
    async with desk.db.uow(caller().tenant) as tx:
        appointment = await appointments.get(tx, appointment_id)
        reach().require_campaign(appointment.campaign_id)
        return await view_log.of_appointment(tx, appointment_id)
