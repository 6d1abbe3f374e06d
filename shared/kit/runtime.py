"""Runs a service from its start to an orderly end, and keeps its background tasks alive."""

import asyncio
import gc
import random
import signal
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import uvloop
from prometheus_client import Counter

from kit import telemetry
from kit.settings import SettingsError

restarts: Final = Counter("giro_background_restarts_total", "Background tasks started anew", ["task"])

_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 30.0
_CALM_SECONDS: Final = 60.0
"""A task that ran this long starts over with short pauses."""

_log = telemetry.logger("kit.runtime")


class App(Protocol):
    """What a composition root builds."""

    async def start(self) -> None:
        """Connects, begins the background tasks, and serves last."""
        ...

    async def stop(self) -> None:
        """Says NOT_SERVING, takes no more work, lets the work in hand end, closes everything."""
        ...


class Background:
    """The background tasks of an app: one that crashes is logged, counted and started again.

    `spawn("relay", relay.run)` takes the function, not the coroutine, so that it can be called again.
    """

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def spawn(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Starts a task that is to run for ever. Raises ValueError when the name is taken."""
        if name in self._tasks:
            raise ValueError(f"there is a background task {name} already")
        self._tasks[name] = asyncio.create_task(_supervised(name, work), name=name)

    async def stop(self) -> None:
        """Cancels all tasks and waits for their ends."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._tasks.clear()


def run(app: App) -> None:
    """Runs the app until SIGTERM or SIGINT, then stops it.

    Settings that it cannot start with end the process with status 2 and their message.
    """
    try:
        uvloop.run(serve(app))
    except SettingsError as error:
        _log.error("cannot start", reason=str(error))
        raise SystemExit(2) from None


async def serve(app: App) -> None:
    """`run` for those that have a loop already."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _end, ended, number)
    try:
        await app.start()
        _keep_what_is_there()
        await ended.wait()
    finally:
        await app.stop()
        _log.info("stopped")


def _keep_what_is_there() -> None:
    """What was made to start with stays: a full collection that looks at all of it again takes a tenth of a
    second, in which nobody is answered."""
    gc.collect()
    gc.freeze()


def _end(ended: asyncio.Event, number: signal.Signals) -> None:
    ended.set()
    _log.info("stopping", signal=number.name)


async def _supervised(name: str, work: Callable[[], Awaitable[None]]) -> None:
    pause = _FIRST_PAUSE
    loop = asyncio.get_running_loop()
    while True:
        began = loop.time()
        try:
            await work()
            _log.error("background task ended", task=name)
        except Exception as error:
            _log.error("background task crashed", task=name, exc_info=error)
        restarts.labels(name).inc()
        if loop.time() - began > _CALM_SECONDS:
            pause = _FIRST_PAUSE
        await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - jitter is no secret
        pause = min(_LONGEST_PAUSE, pause * 2)
