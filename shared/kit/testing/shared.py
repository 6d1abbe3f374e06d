"""One cluster for all workers of a test run: the first one starts it, the last one stops it."""

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kit.testing.cluster import Cluster
from kit.testing.ports import listening


class SharedCluster:
    """A cluster that the xdist workers of one run have in common, counted in a file under a lock."""

    def __init__(self) -> None:
        self._pid = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()
        self._directory = Path(tempfile.gettempdir()) / f"giro-test-{self._pid}"
        self._state = self._directory / "state.json"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the run's lock, so that only one worker at a time makes what all share."""
        self._directory.mkdir(mode=0o711, exist_ok=True)
        with open(self._directory / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def acquire(self) -> Cluster:
        """The running cluster, started when this worker is the first."""
        with self.locked():
            state = self._read()
            cluster = Cluster(self._directory / "pg", state.get("port"))
            if not state:
                cluster.remove()
                cluster.create()
                cluster.start()
                cluster.stop_when_gone(self._pid)
            self._write(cluster.port, state.get("users", 0) + 1)
            return cluster

    def release(self, cluster: Cluster) -> None:
        """Lets go of the cluster; the last worker stops and deletes it."""
        with self.locked():
            users = self._read().get("users", 1) - 1
            if users:
                self._write(cluster.port, users)
                return
            self._state.unlink()
            cluster.stop("immediate")
            cluster.remove()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _read(self) -> dict[str, int]:
        if not self._state.exists():
            return {}
        state: dict[str, int] = json.loads(self._state.read_text())
        # a run that was killed may have left its state behind for a process that has its number now
        return state if listening(state["port"]) else {}

    def _write(self, port: int, users: int) -> None:
        self._state.write_text(json.dumps({"port": port, "users": users}))
