"""A service of the stack that is to die at a failpoint: armed while it runs, so that it starts only once."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from allinone.stack import Stack

FILE = "GIRO_FAILPOINTS_FILE"
"""The variable by which the stack's services look for what is armed; see tests/conftest.py."""


@contextmanager
def armed(stack: Stack, service: str, failpoint: str) -> Iterator[None]:
    """Inside, what is asked for in the words of GIRO_FAILPOINTS happens in the service that runs."""
    file = Path(stack.options.overrides[service][FILE])
    half = file.with_suffix(".half")
    half.write_text(failpoint)
    half.rename(file)  # read at any moment: all of it is there or nothing
    try:
        yield
    finally:
        file.unlink()


@asynccontextmanager
async def doomed(stack: Stack, service: str, failpoint: str) -> AsyncIterator[None]:
    """Inside, the service kills itself at the failpoint; afterwards it is up again, and whole."""
    try:
        with armed(stack, service, f"{failpoint}=kill"):
            yield
    finally:
        await stack.restart(service)
