"""Progress of a start: live on a terminal, one plain line a finished step elsewhere."""

import asyncio
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import Progress as LiveProgress
from rich.progress import SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

TELL_EVERY_SECONDS = 5.0


class Step(Protocol):
    """A running step: `say` tells how far it is, `result` what stands behind its title when it is done."""

    def say(self, words: str) -> None: ...

    def result(self, words: str) -> None: ...


class Progress(Protocol):
    """Where steps are shown; several may run at once."""

    def step(self, title: str) -> AbstractContextManager[Step]: ...

    def note(self, words: str) -> None: ...


class _Quiet:
    def say(self, words: str) -> None:
        pass

    def result(self, words: str) -> None:
        pass


class Silent:
    """Shows nothing; for tests."""

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        yield _Quiet()

    def note(self, words: str) -> None:
        pass


def _end(error: BaseException) -> str:
    """A step that was given up because another failed, or by Ctrl-C, has not failed itself."""
    return "given up" if isinstance(error, asyncio.CancelledError) else "FAILED"


class _PlainStep:
    def __init__(self, title: str) -> None:
        self.title = title
        self.words = "done"
        self._told = time.monotonic()

    def result(self, words: str) -> None:
        self.words = words

    def say(self, words: str) -> None:
        if time.monotonic() - self._told > TELL_EVERY_SECONDS:
            self._told = time.monotonic()
            print(f"  {self.title:<34} ... {words}", flush=True)


class Plain:
    """One line when a step is done or failed, and one every few seconds of a long one."""

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        running = _PlainStep(title)
        started = time.monotonic()
        try:
            yield running
        except BaseException as ended:
            running.result(_end(ended))
            raise
        finally:
            self.note(f"  {title:<34} {running.words} ({time.monotonic() - started:.1f} s)")

    def note(self, words: str) -> None:
        print(words, flush=True)


class _LiveStep:
    def __init__(self, live: LiveProgress, task: TaskID, title: str) -> None:
        self._live, self._task, self._title = live, task, title

    def say(self, words: str) -> None:
        self._live.update(self._task, description=f"{self._title:<34} {words}")

    result = say


class Live:
    """Spinners on a terminal; a finished step stays as a line."""

    def __init__(self, console: Console) -> None:
        self._live = LiveProgress(
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=console,
        )
        self._running = 0

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        task = self._live.add_task(title, total=1)
        self._enter()
        try:
            yield _LiveStep(self._live, task, title)
        except BaseException as ended:
            self._live.update(task, description=f"[red]{title:<34} {_end(ended)}")
            raise
        else:
            self._live.update(task, completed=1)
        finally:
            self._leave()

    def _enter(self) -> None:
        self._running += 1
        if self._running == 1:
            self._live.start()

    def _leave(self) -> None:
        self._running -= 1
        if self._running:
            return
        self._live.stop()
        for task in list(self._live.task_ids):
            self._live.remove_task(task)

    def note(self, words: str) -> None:
        self._live.console.print(words, highlight=False)


def for_terminal() -> Progress:
    """Live on a terminal, plain elsewhere."""
    return Live(Console()) if sys.stdout.isatty() else Plain()
