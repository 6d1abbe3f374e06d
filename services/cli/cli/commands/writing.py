"""Files that commands write and read: whole or not at all, with progress where it takes a while."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from cli.errors import BadArgument
from cli.show import output

Moved = Callable[[int], None]


@contextmanager
def written(file: Path) -> Iterator[IO[bytes]]:
    """A file that is there once all of it is. Raises BadArgument where it cannot be written."""
    fresh = file.with_name(f".{file.name}.part")
    try:
        with fresh.open("wb") as opened:
            yield opened
        fresh.replace(file)
    except OSError as wrong:
        advice = "name a file in a folder that you may write to"
        raise BadArgument(f"{file} cannot be written ({wrong.strerror})", advice) from wrong
    finally:
        fresh.unlink(missing_ok=True)


@contextmanager
def moving(words: str, total: int | None = None) -> Iterator[Moved]:
    """Progress in bytes on standard error, on a terminal alone; tell it what went."""
    console = output.console(to_stderr=True)
    columns = (TextColumn(words), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(words, total=total)
        yield lambda count: progress.advance(task, count)
