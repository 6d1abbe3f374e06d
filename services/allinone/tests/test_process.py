"""Children: their ends are seen, said and mended, and none outlives what started it."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from allinone import children
from allinone.children import guard
from allinone.errors import StartFailed
from allinone.process import Process, run_once

pytestmark = pytest.mark.asyncio

PARENT = """
import asyncio, sys
from pathlib import Path
from allinone.process import Process

async def main():
    child = Process("child", ["sleep", "600"], log=Path(sys.argv[1]))
    await child.start()
    print(child.pid, flush=True)
    await child.wait()

asyncio.run(main())
"""


def sleeper(tmp_path: Path) -> Process:
    return Process("sleeper", ["sh", "-c", "echo started; sleep 600"], log=tmp_path / "log")


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


async def until_gone(pid: int) -> None:
    async with asyncio.timeout(60):
        while not gone(pid):
            await asyncio.sleep(0.01)


async def test_stop_ends_the_whole_group(tmp_path: Path) -> None:
    process = Process("pair", ["sh", "-c", "sleep 600 & echo $!; wait"], log=tmp_path / "log")
    await process.start()
    async with asyncio.timeout(60):
        while not process.log.read_text().strip():
            await asyncio.sleep(0.01)
    await process.stop()
    assert not process.running
    await until_gone(int(process.log.read_text()))


async def test_who_ignores_the_polite_signal_is_killed(tmp_path: Path) -> None:
    process = Process(
        "stubborn", ["sh", "-c", "trap '' TERM; echo ready; sleep 600 & wait; wait"], log=tmp_path / "log"
    )
    await process.start()
    async with asyncio.timeout(60):
        while "ready" not in process.log.read_text():
            await asyncio.sleep(0.01)
    await process.stop(grace=0.2)
    assert await process.wait() == -signal.SIGKILL


async def test_no_child_outlives_a_parent_that_was_killed(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path / "log")], stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout is not None
        child = int(await asyncio.to_thread(parent.stdout.readline))
        async with asyncio.timeout(60):
            while Path(f"/proc/{child}/comm").read_text() != "sleep\n":  # before, the kernel is not told yet
                await asyncio.sleep(0.01)
        parent.kill()
        await until_gone(child)


async def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StartFailed, match="no/such/program"):
        await run_once("ghost", ["/no/such/program"], log=tmp_path / "log")


async def test_a_command_that_fails_brings_the_end_of_its_log(tmp_path: Path) -> None:
    with pytest.raises(StartFailed) as failed:
        await run_once("step", ["sh", "-c", "echo the reason >&2; exit 3"], log=tmp_path / "log")
    assert "code 3" in failed.value.why
    assert "the reason" in failed.value.why


class Sleeping:
    """A child that counts its starts."""

    def __init__(self, tmp_path: Path) -> None:
        self.process: Process | None = sleeper(tmp_path)
        self.started = asyncio.Event()

    async def start(self) -> None:
        assert self.process is not None
        await self.process.start()
        self.started.set()

    async def stop(self) -> None:
        assert self.process is not None
        await self.process.stop()


async def test_a_child_that_dies_is_reported_and_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "FIRST_PAUSE", 0.01)
    child = Sleeping(tmp_path)
    said: list[str] = []
    await child.start()
    child.started.clear()
    assert child.process is not None
    first = child.process.pid
    watching = asyncio.create_task(guard("sleeper", child, said.append))
    assert first is not None
    os.killpg(first, signal.SIGKILL)
    await asyncio.wait_for(child.started.wait(), 60)
    assert child.process.pid not in (None, first)
    assert "ended with code -9" in said[0]
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    await child.stop()
