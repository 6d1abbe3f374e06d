"""A process from start to an orderly end, and background tasks that crash."""

import asyncio
import signal
import subprocess
import sys
from typing import Any

import pytest

from kit.runtime import Background, restarts

APP = """
import asyncio, gc
from kit import runtime
from kit.settings import SettingsError

class App:
    async def start(self):
        self.kept = [self]
        print("started", flush=True)
        {start}

    async def stop(self):
        await asyncio.sleep(0)
        later = [self]
        seen = {{id(each) for each in gc.get_objects()}}
        looked_at = id(self.kept) in seen, id(later) in seen
        print("collected:", *looked_at, "stopped by hand", flush=True)

runtime.run(App())
"""


def _process(start: str = "pass") -> Any:
    code = APP.format(start=start)
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_process_in_order(number: signal.Signals) -> None:
    with _process() as process:
        assert process.stdout.readline() == "started\n"
        process.send_signal(number)
        rest, _ = process.communicate(timeout=60)
    assert "collected: False True" in rest, "what it started with is looked at by no collection"
    assert "stopped by hand" in rest
    assert process.returncode == 0


def test_a_process_whose_logs_nobody_reads_any_more_ends_in_order() -> None:
    code = APP.format(start="configure_logging('x')").replace(
        '"stopped by hand", flush=True', "'end', file=sys.stderr"
    )
    code = "import sys\nfrom kit.telemetry import configure_logging\n" + code
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        process.stdout.close()
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=60)
    assert "end\n" in told
    assert "Traceback" not in told


def test_settings_that_will_not_do_end_the_process_with_their_message() -> None:
    with _process('raise SettingsError("GIRO_NATS_URL is not set")') as process:
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "GIRO_NATS_URL is not set" in output
    assert "stopped by hand" in output


@pytest.mark.asyncio
async def test_a_background_task_that_crashes_or_ends_is_started_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("kit.runtime._FIRST_PAUSE", 0.001)
    runs = 0
    third = asyncio.Event()

    async def work() -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            raise KeyError("crashed")
        if runs == 3:
            third.set()
            await asyncio.Event().wait()

    background = Background()
    before = restarts.labels("probe")._value.get()
    background.spawn("probe", work)
    await asyncio.wait_for(third.wait(), 60)
    await background.stop()
    assert runs == 3
    assert restarts.labels("probe")._value.get() == before + 2


@pytest.mark.asyncio
async def test_a_name_is_used_once() -> None:
    background = Background()
    background.spawn("probe", asyncio.Event().wait)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="already"):
        background.spawn("probe", asyncio.Event().wait)  # type: ignore[arg-type]
    await background.stop()
