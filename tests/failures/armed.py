"""A service of the stack that is to die at a failpoint: armed while it runs, so that it starts only once."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from allinone.stack import Stack

FILE = "GIRO_FAILPOINTS_FILE"
"""The variable by which the stack's services look for what is armed; see tests/conftest.py."""


@asynccontextmanager
async def doomed(stack: Stack, service: str, failpoint: str) -> AsyncIterator[None]:
    """Inside, the service kills itself at the failpoint; afterwards it is up again, and whole."""
    file = Path(stack.options.overrides[service][FILE])
    half = file.with_suffix(".half")
    half.write_text(f"{failpoint}=kill")
    half.rename(file)  # read at any moment: all of it is there or nothing
    try:
        yield
    finally:
        file.unlink()
        await stack.restart(service)
