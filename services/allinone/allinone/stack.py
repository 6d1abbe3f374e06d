"""All of Giro on one machine: PostgreSQL, NATS, every service as a process of its own, the edge, Envoy.

    async with Stack(StackOptions(state=Path(".run"))) as stack:
        stack.urls.gateway

Tests and load tests use the same class with free ports, no fsync and no supervision:
`StackOptions.for_tests(folder)`; then `kill`, `restart`, `stop_nats`, `start_nats`.
"""

import asyncio
import fcntl
import os
import sys
import time
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from allinone import databases, environment, keys, ports, urls
from allinone.children import Child, Served, guard
from allinone.environment import Installation
from allinone.errors import StartFailed
from allinone.nats import NatsServer, program
from allinone.ports import Ports
from allinone.postgres import PrivateCluster, require_existing
from allinone.process import Process, run_once
from allinone.progress import Progress, Silent
from allinone.readiness import grpc_health, http_ok, passed_checks, routed, until_ready
from allinone.urls import StackUrls

SERVICES = keys.SERVICES
STOP_ORDER = (("envoy",), ("gateway",), SERVICES, ("nats",), ("postgres",))
"""The edge first, what everything stands on last; those of one row together."""

NAMES = tuple(name for row in STOP_ORDER for name in row)
PORT_PATIENCE_SECONDS = 5.0
ENVOY_GRACE_SECONDS = 3.0
ROUTED_SECONDS = 90.0


@dataclass(frozen=True)
class StackOptions:
    """How a stack is started.

    `overrides[name]` is added to the environment of a service's process or of "gateway";
    `admin_database_url` and `nats_url` name existing servers to use instead of private ones; `roads` is the
    path of a prepared road graph, empty for the estimate.
    """

    state: Path
    ports: Ports = field(default_factory=Ports)
    durable: bool = True
    supervise: bool = True
    sandbox: bool = False
    roads: str = ""
    admin_database_url: str = ""
    nats_url: str = ""
    overrides: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @classmethod
    def for_tests(cls, state: Path, **changes: Any) -> Self:
        """Free ports, no fsync, nothing restarted by itself, test clocks on."""
        return cls(
            state, **{"ports": ports.free(), "durable": False, "supervise": False, "sandbox": True, **changes}
        )


class Stack:
    """Starts and stops everything. A start that fails half-way stops what it had started."""

    def __init__(self, options: StackOptions, progress: Progress | None = None) -> None:
        self.options = options
        self._state = options.state.resolve()
        self._progress: Progress = progress or Silent()
        self._children: dict[str, Child] = {}
        self._guards: dict[str, asyncio.Task[None]] = {}
        self._lock: IO[str] | None = None
        self._installation: Installation | None = None

    # --- what it is -----------------------------------------------------------------------------------------

    @property
    def urls(self) -> StackUrls:
        """Where everything listens. RuntimeError before the servers are up."""
        return self._made.urls

    @property
    def installation(self) -> Installation:
        """What environments are made from: for one process more beside the stack's own."""
        return self._made

    @property
    def _made(self) -> Installation:
        if self._installation is None:
            raise RuntimeError("the stack was not started")
        return self._installation

    def log(self, name: str) -> Path:
        """The log of a process: a service, "gateway", "envoy", "nats", "postgres"."""
        return self._state / "logs" / f"{name}.log"

    def pid(self, name: str) -> int | None:
        """The process id of a running child, None when it is down."""
        process = self._children[name].process
        return process.pid if process else None

    # --- start and stop -------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Everything serves when this returns. Raises StartFailed: the step, why, the advice."""
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def _start(self) -> None:
        self._take_folder()
        await self._await_ports()
        made = await self._start_servers()
        self._installation = made
        await _together(self._prepare_databases(made), self._make_keys())
        await _together(*(self._start_service(name) for name in (*SERVICES, "gateway")), self._start_envoy())
        await self._gateway_sees(*SERVICES)
        if self.options.supervise:
            for name in self._children:
                self._watch(name)

    async def stop(self) -> None:
        """Stops all that was started, the edge first and the database last. Safe to call twice."""
        await self._unwatch(*self._guards)
        for row in STOP_ORDER:
            children = [self._children.pop(name) for name in row if name in self._children]
            await asyncio.gather(*(child.stop() for child in children))
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    # --- what tests do to it --------------------------------------------------------------------------------

    async def kill(self, name: str) -> None:
        """kill -9 of one process. It stays down until `restart`, unless the stack is supervised."""
        process = self._children[name].process
        if process is not None:
            await process.kill()

    async def wait_down(self, name: str) -> int:
        """Waits until the process ended by itself (at a failpoint, say); returns its exit code."""
        process = self._children[name].process
        if process is None:
            raise RuntimeError(f"{name} was never started")
        return await process.wait()

    async def restart(self, name: str, **overrides: str) -> None:
        """Stops a service when it runs and starts it again with these variables added to its environment."""
        await self._unwatch(name)
        await self._children[name].stop()
        await self._start_service(name, overrides)
        if name in SERVICES:
            await self._gateway_sees(name)
        if self.options.supervise:
            self._watch(name)

    async def stop_nats(self) -> None:
        """NATS away, as in an outage; its store stays."""
        await self._unwatch("nats")
        await self._children["nats"].stop()

    async def start_nats(self) -> None:
        """NATS back on the same port with the same store."""
        await self._children["nats"].start()
        if self.options.supervise:
            self._watch("nats")

    # --- what the demo does to it ---------------------------------------------------------------------------

    async def make_platform_user(self, email: str, password: str) -> None:
        """The platform's first user, who may make tenants; nothing to do when it is there."""
        file = keys.folder(self._state) / "platform"
        file.touch(mode=0o600)
        file.write_text(password)
        await self._run("identity", "bootstrap-platform", "--email", email, "--password-file", str(file))

    # --- steps ----------------------------------------------------------------------------------------------

    def _take_folder(self) -> None:
        try:
            self._state.mkdir(parents=True, exist_ok=True)
            (self._state / "logs").mkdir(exist_ok=True)
            lock = (self._state / "lock").open("a+")
        except PermissionError as refused:
            advice = f"Start as the user who owns {self._state}, or remove that folder as that user."
            raise StartFailed("state folder", f"{refused}.", advice) from refused
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as held:
            lock.seek(0)
            why = f"Another run (process {lock.read().strip() or 'unknown'}) serves from {self._state}."
            lock.close()
            raise StartFailed("state folder", why, "Stop it (Ctrl-C there) and start again.") from held
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock
        for old in (self._state / "logs").glob("*.log"):
            if old.name != "setup.log":
                old.unlink()

    async def _await_ports(self) -> None:
        """What a killed run left behind is told to end by the kernel; it gets a moment to do so."""
        unused = {"pg"} if self.options.admin_database_url else set()
        unused |= {"nats", "nats_monitor"} if self.options.nats_url else set()
        needed = tuple(name for name in ports.NAMES if name not in unused)
        deadline = time.monotonic() + PORT_PATIENCE_SECONDS
        while time.monotonic() < deadline and any(
            ports.occupied(getattr(self.options.ports, n)) for n in needed
        ):
            await asyncio.sleep(0.2)
        ports.require_free(self.options.ports, needed)

    async def _start_servers(self) -> Installation:
        database, broker = await _together(self._start_postgres(), self._start_nats())
        made = keys.load(self._state)
        where = urls.build(
            self.options.ports, made, server=database, nats=broker, sandbox=self.options.sandbox
        )
        return Installation(self.options.ports, made, where, self.options.roads)

    async def _start_postgres(self) -> str:
        given = self.options.admin_database_url
        with self._progress.step("PostgreSQL with PostGIS") as step:
            if given:
                await require_existing(given)
                step.result("using GIRO_DATABASE_URL")
                return given
            cluster = PrivateCluster(self._state, self.options.ports.pg, durable=self.options.durable)
            self._children["postgres"] = cluster
            await cluster.start()
            step.result(f"port {self.options.ports.pg}")
            return cluster.url

    async def _start_nats(self) -> str:
        with self._progress.step("NATS with JetStream") as step:
            if self.options.nats_url:
                step.result("using GIRO_NATS_URL")
                return self.options.nats_url
            server = NatsServer(self._state, self.options.ports.nats, self.options.ports.nats_monitor)
            self._children["nats"] = server
            await server.start()
            step.result(f"port {self.options.ports.nats}")
            return server.url

    async def _prepare_databases(self, made: Installation) -> None:
        with self._progress.step("roles, schemas and migrations"):
            await asyncio.to_thread(databases.prepare, made.urls, made.keys.passwords)

    async def _make_keys(self) -> None:
        if self._made.urls.jwks_file.exists():
            return
        with self._progress.step("signing keys"):
            await self._run("identity", "keys", "--dir", str(keys.folder(self._state)))

    async def _run(self, name: str, *words: str) -> None:
        command = [sys.executable, "-m", name, *words]
        title = f"{name} {words[0]}"
        await run_once(
            title, command, log=self.log(f"{name}-{words[0]}"), environment=self._environment(name)
        )

    def _environment(self, name: str) -> dict[str, str]:
        return {
            **environment.of_process(name, os.environ, self._made),
            **self.options.overrides.get(name, {}),
        }

    async def _start_service(self, name: str, overrides: Mapping[str, str] | None = None) -> None:
        target = self.urls.targets["edge" if name == "gateway" else name]
        with self._progress.step(name) as step:
            process = Process(
                name,
                [sys.executable, "-m", name, "serve"],
                log=self.log(name),
                environment={**self._environment(name), **(overrides or {})},
            )
            serves = f"giro.{name}.v1.{name.title()}Service" if name in SERVICES else ""
            self._children[name] = Served(process, grpc_health(target, serves))
            await self._children[name].start()
            step.result(target)

    async def _start_envoy(self) -> None:
        config = self._state / "envoy.yaml"
        with self._progress.step("Envoy, the gateway") as step:
            await self._run("gateway", "envoy-config", "--out", str(config))
            process = Process(
                "envoy",
                [
                    program("envoy"),
                    "-c",
                    str(config),
                    "--disable-hot-restart",
                    "--concurrency",
                    "1",
                    "-l",
                    "warning",
                ],
                log=self.log("envoy"),
            )
            self._children["envoy"] = Served(process, http_ok(self.options.ports.gateway_admin, "/ready"))
            await self._children["envoy"].start()
            step.result(self.urls.gateway)

    async def _gateway_sees(self, *services: str) -> None:
        """Waits until Envoy's own health checks found these services: it sends them nothing before."""
        process = self._children["envoy"].process
        if process is not None:
            admin = self.options.ports.gateway_admin
            probe = routed(admin, await passed_checks(admin, services))
            await until_ready(process, probe, seconds=ROUTED_SECONDS)

    # --- supervision ----------------------------------------------------------------------------------------

    def _watch(self, name: str) -> None:
        self._guards[name] = asyncio.create_task(guard(name, self._children[name], self._progress.note))

    async def _unwatch(self, *names: str) -> None:
        tasks = [self._guards.pop(name) for name in names if name in self._guards]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _together(*steps: Coroutine[Any, Any, Any]) -> list[Any]:
    """All at once; the first failure cancels the others and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(step) for step in steps]
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return [task.result() for task in tasks]
