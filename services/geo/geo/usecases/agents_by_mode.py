"""Asks for the agents of each travel mode by themselves: roads that are away stop nobody who does without."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from geo.domain.agenda import Agenda
from geo.domain.modes import TravelMode
from kit.errors import Reason, Unavailable

T = TypeVar("T")

Agents = tuple[TravelMode, Sequence[Agenda]]
"""The agents of one mode."""


def by_mode(agendas: Sequence[Agenda]) -> list[Agents]:
    """The agents of each mode, in their order; nobody is somebody with a car."""
    modes = {agenda.mode for agenda in agendas} or {TravelMode.CAR}
    if len(modes) == 1:
        return [(modes.pop(), agendas)]
    return [(mode, [agenda for agenda in agendas if agenda.mode is mode]) for mode in sorted(modes)]


async def answered(
    groups: Sequence[Agents], ask: Callable[[Agents], Awaitable[T]]
) -> tuple[list[T], list[str]]:
    """What is found for the agents of each mode, and the ids of those whose roads do not answer, in order.

    Raises Unavailable (TRAVEL_UNAVAILABLE) where none answer.
    """
    found, left_out, failure = list[T](), list[str](), None
    for agents in groups:
        try:
            found.append(await ask(agents))
        except Unavailable as refused:
            if refused.reason is not Reason.TRAVEL_UNAVAILABLE:
                raise
            failure = refused
            left_out += [agenda.agent_id for agenda in agents[1]]
    if failure is not None and not found:
        raise failure
    return found, sorted(left_out)
