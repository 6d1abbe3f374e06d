"""How an engine fails: one named error, whatever happened; and questions asked together fail together."""

import asyncio
from collections.abc import Awaitable, Coroutine, Iterable
from typing import Any, TypeVar

from kit.errors import Reason, Unavailable
from kit.web.breaker import Breaker
from kit.web.json_server import JsonServer

T = TypeVar("T")


def unavailable(what: str, engine: str) -> Unavailable:
    """The error of an engine that cannot answer; `engine` names it for whoever looks."""
    return Unavailable(Reason.TRAVEL_UNAVAILABLE, what, metadata={"engine": engine})


def road_server(url: str, *, timeout: float = 3.0, breaker: Breaker | None = None) -> JsonServer:
    """A road server, whose failures are TRAVEL_UNAVAILABLE."""
    return JsonServer(
        "road server", url, lambda what: unavailable(what, url), timeout=timeout, breaker=breaker
    )


async def together(questions: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """The answers in order. The first failure cancels the others and is raised by itself."""
    tasks: list[Awaitable[T]] = []
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(question) for question in questions]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from failed
    return [await task for task in tasks]
