"""Named points in the code where tests pause, break or kill a process; outside tests they cost one look-up.

In a test: `failpoints.arm("book.after_pending", hook)` with an async hook. For a child process: the
environment `GIRO_FAILPOINTS="book.after_pending=kill,relay.before_delete=pause:5"`, read once at import; for
one that runs already: `GIRO_FAILPOINTS_FILE=path`, a file with the same words, which is looked at at every
point and armed while it is there. Both are refused together with GIRO_PRODUCTION.
"""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

Hook = Callable[[], Awaitable[None]]

_hooks: dict[str, Hook] = {}
_files: list[Path] = []


async def failpoint(name: str) -> None:
    """Runs the hook armed under `name`; does nothing when there is none."""
    if _hooks and (hook := _hooks.get(name)) is not None:
        await hook()
    for file in _files:
        if (hook := _written(file).get(name)) is not None:
            await hook()


def arm(name: str, hook: Hook) -> None:
    """Makes `failpoint(name)` await `hook()` until `disarm` or `reset`."""
    _hooks[name] = hook


def disarm(name: str) -> None:
    """Forgets the hook of one name."""
    _hooks.pop(name, None)


def reset() -> None:
    """Forgets all hooks and files."""
    _hooks.clear()
    _files.clear()


def arm_from_environment(environment: Mapping[str, str]) -> None:
    """Arms what the environment asks for. Raises RuntimeError in production or when it cannot be read."""
    asked = environment.get("GIRO_FAILPOINTS", "").strip()
    watched = environment.get("GIRO_FAILPOINTS_FILE", "").strip()
    if not asked and not watched:
        return
    if environment.get("GIRO_PRODUCTION", "").strip().lower() in {"1", "true", "yes", "on"}:
        raise RuntimeError("GIRO_FAILPOINTS is for tests: it cannot be set together with GIRO_PRODUCTION")
    _hooks.update(_read(asked))
    if watched:
        watch(Path(watched))


def watch(file: Path) -> None:
    """From now on what is written in this file is armed too, while it is there, until `reset`."""
    _files.append(file)


def _written(file: Path) -> dict[str, Hook]:
    try:
        return _read(file.read_text())
    except FileNotFoundError:
        return {}


def _read(asked: str) -> dict[str, Hook]:
    """The hooks of `name=kill,other=pause:5`, by name."""
    entries = [entry.strip() for entry in asked.split(",") if entry.strip()]
    return {entry.partition("=")[0]: _hook(entry.partition("=")[2], entry) for entry in entries}


def _hook(action: str, entry: str) -> Hook:
    verb, _, argument = action.partition(":")
    if verb == "kill" and not argument:
        return _kill
    if verb == "pause":
        return _pause(_seconds(argument, entry))
    raise RuntimeError(f"GIRO_FAILPOINTS: {entry.strip()!r} is neither name=kill nor name=pause:seconds")


def _seconds(argument: str, entry: str) -> float:
    try:
        return float(argument)
    except ValueError:
        raise RuntimeError(f"GIRO_FAILPOINTS: {entry.strip()!r} names no number of seconds") from None


def _pause(seconds: float) -> Hook:
    async def pause() -> None:
        await asyncio.sleep(seconds)

    return pause


async def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


arm_from_environment(os.environ)
