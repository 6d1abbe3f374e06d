"""The verb `make run`: the stack, the demo, the played transcript, where everything listens, then serve."""

import asyncio
import os
import signal
from dataclasses import dataclass
from pathlib import Path

from allinone import demo, listing, ports, roads, transcript
from allinone.clean import WORLDS
from allinone.progress import Progress
from allinone.stack import Stack, StackOptions


@dataclass(frozen=True)
class RunOptions:
    """`state` is the folder of everything made; `extract` an OpenStreetMap file for real roads, or None."""

    state: Path
    extract: Path | None


async def run(options: RunOptions, progress: Progress) -> None:
    """Serves until SIGINT or SIGTERM, then stops all that it started. Raises StartFailed."""
    work = asyncio.ensure_future(_serve(options, progress))
    _on_signals(work, progress)
    try:
        await work
    except asyncio.CancelledError:
        progress.note("stopped")


def _on_signals(work: "asyncio.Future[None]", progress: Progress) -> None:
    stopping = False

    def stop() -> None:
        nonlocal stopping
        if stopping:
            progress.note("still stopping; what does not end by itself is killed after some seconds")
            return
        stopping = True
        progress.note("\nstopping")
        work.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop)


async def _serve(options: RunOptions, progress: Progress) -> None:
    published = options.state / demo.FILE_NAME
    published.unlink(missing_ok=True)  # who waits for it is not to read an earlier run's
    graph = await roads.prepare(options.extract, options.state, progress) if options.extract else ""
    world = _world(options.state, graph)
    async with Stack(_stack_options(world, graph), progress) as stack:
        loaded = await _load(stack, world / "loaded.json", options.extract, progress)
        loaded.write(published)
        await transcript.play(stack.urls.gateway, loaded)
        progress.note(listing.where(stack.urls, world, published))
        progress.note(listing.who(loaded))
        progress.note("\nserving; Ctrl-C stops everything that was started here")
        await asyncio.Event().wait()


def _world(state: Path, graph: str) -> Path:
    """The folder of this run's data. A demo booked in one region is of no use on another's roads, so each map
    has a world of its own beside the one of the estimate."""
    return state / WORLDS / Path(graph).parent.name if graph else state


async def _load(stack: Stack, file: Path, extract: Path | None, progress: Progress) -> demo.DemoIds:
    with progress.step("demo tenants") as step:
        if not file.exists() or stack.options.admin_database_url:
            platform = demo.platform_user()
            await stack.make_platform_user(platform.email, platform.password)
        loaded = await demo.load(stack, file=file, extract=extract, roads=stack.options.roads, say=step.say)
        step.result(f"{loaded.booked} visits booked in {loaded.region}")
        return loaded


def _stack_options(state: Path, graph: str) -> StackOptions:
    return StackOptions(
        state=state,
        ports=ports.from_environment(os.environ),
        sandbox=os.environ.get("GIRO_SANDBOX", "true").lower() in ("1", "true", "yes", "on"),
        roads=graph,
        admin_database_url=os.environ.get("GIRO_DATABASE_URL", ""),
        nats_url=os.environ.get("GIRO_NATS_URL", ""),
    )
