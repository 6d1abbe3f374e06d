"""One child process: its own process group, its log, its end."""

import asyncio
import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from allinone.errors import StartFailed

TAIL_LINES = 15
GRACE_SECONDS = 10.0


def dies_with_parent(number: signal.Signals, command: Sequence[str]) -> list[str]:
    """The command, told by the kernel when its parent is gone (also after a kill -9 of the parent)."""
    setpriv = shutil.which("setpriv")
    return (
        [setpriv, "--pdeathsig", number.name.removeprefix("SIG"), "--", *command] if setpriv else [*command]
    )


def tail(log: Path, lines: int = TAIL_LINES) -> str:
    """The last lines of a log, for a message about the process that wrote it."""
    if not log.exists():
        return ""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


class Process:
    """A program run as a child. `stop` asks politely first and does not return before it is gone."""

    def __init__(
        self, name: str, command: Sequence[str], *, log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.command = list(command)
        self.environment = dict(os.environ if environment is None else environment)
        self.log = log
        self.ask_to_stop = signal.SIGTERM
        self._child: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._child.pid if self.running and self._child else None

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.returncode is None

    async def start(self) -> None:
        """Starts it; what it prints goes to its log. Raises StartFailed when there is no such program."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        command = dies_with_parent(self.ask_to_stop, self.command)
        with self.log.open("ab") as output:
            try:
                self._child = await asyncio.create_subprocess_exec(
                    *command,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env=self.environment,
                    cwd="/",
                    start_new_session=True,
                )
            except OSError as refused:
                raise StartFailed(
                    self.name, f"{command[0]}: {refused}.", "Run tools/setup.sh again."
                ) from refused

    async def wait(self) -> int:
        """Its exit code, when it ends; negative is the signal that ended it."""
        if self._child is None:
            raise RuntimeError(f"{self.name} was never started")
        return await self._child.wait()

    async def kill(self) -> None:
        """SIGKILL to its whole group, as a crash would."""
        await self._end(signal.SIGKILL, grace=GRACE_SECONDS)

    async def stop(self, grace: float = GRACE_SECONDS) -> None:
        """Its own polite signal, then SIGKILL after `grace` seconds. Nothing to do when it is gone."""
        await self._end(self.ask_to_stop, grace)

    async def _end(self, number: signal.Signals, grace: float) -> None:
        child = self._child
        if child is None or child.returncode is not None:
            return
        self._signal(child.pid, number)
        try:
            await asyncio.wait_for(child.wait(), grace)
        except TimeoutError:
            self._signal(child.pid, signal.SIGKILL)
            await child.wait()

    def _signal(self, pid: int, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):  # it ended by itself meanwhile
            os.killpg(pid, number)

    def died(self, advice: str) -> StartFailed:
        """What to raise when it ended before it was ready."""
        code = self._child.returncode if self._child else None
        why = f"It ended with code {code} before it was ready. The end of {self.log}:\n{tail(self.log)}"
        return StartFailed(self.name, why, advice)


async def run_once(
    name: str,
    command: Sequence[str],
    *,
    log: Path,
    environment: Mapping[str, str] | None = None,
    advice: str = "Mend what it says and start again; make clean starts from nothing.",
) -> None:
    """Runs a command to its end. Raises StartFailed with the end of its log when it fails."""
    process = Process(name, command, log=log, environment=environment)
    await process.start()
    try:
        code = await process.wait()
    finally:
        await process.stop()
    if code:
        why = f"It ended with code {code}. The end of {log}:\n{tail(log)}"
        raise StartFailed(name, why, advice)
