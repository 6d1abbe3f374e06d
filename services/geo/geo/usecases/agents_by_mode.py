"""Asks for the agents of each travel mode by themselves: roads that are away stop nobody who does without."""

from asyncio import TaskGroup
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeVar

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

    All modes are asked at the same time: their engines are servers of their own. Raises Unavailable
    (TRAVEL_UNAVAILABLE) where none answer; the first other failure ends all questions.
    """
    if len(groups) == 1:
        return [await ask(groups[0])], []
    answers = await _all(_answer(agents, ask) for agents in groups)
    found = [answer for answer in answers if not isinstance(answer, Unavailable)]
    failures = [answer for answer in answers if isinstance(answer, Unavailable)]
    if failures and not found:
        raise failures[0]
    pairs = zip(groups, answers, strict=True)
    away = [agents for agents, answer in pairs if isinstance(answer, Unavailable)]
    return found, sorted(agenda.agent_id for _, agendas in away for agenda in agendas)


async def _answer(agents: Agents, ask: Callable[[Agents], Awaitable[T]]) -> T | Unavailable:
    """What is found, or that the roads do not answer."""
    try:
        return await ask(agents)
    except Unavailable as refused:
        if refused.reason is not Reason.TRAVEL_UNAVAILABLE:
            raise
        return refused


async def _all(questions: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    try:
        async with TaskGroup() as group:
            tasks = [group.create_task(question) for question in questions]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from failed
    return [task.result() for task in tasks]
