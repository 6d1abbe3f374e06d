"""What every command shares: the gateway, how failures end, the options that all have."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from cli import reading, settings
from cli.errors import CommandFailed
from cli.gateway import Gateway
from cli.show import output
from cli.show.output import Format

if TYPE_CHECKING:
    from cli.streams import Streams

Output = Annotated[Format, typer.Option("--output", "-o", help="table for people, json for programs")]
States = Annotated[
    list[reading.State] | None, typer.Option("--state", help="only in this state; may be repeated")
]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, help="most rows")]


def noun(help_: str) -> typer.Typer:
    """A group of commands about one noun."""
    return typer.Typer(no_args_is_help=True, help=help_, rich_markup_mode="rich")


@contextmanager
def calling(form: Format) -> Iterator[Gateway]:
    """The gateway for one command; a failure is told and ends the command with its exit code."""
    try:
        with Gateway(settings.load()) as gateway:
            yield gateway
            output.note(gateway.note)
    except CommandFailed as failed:
        output.failure(failed, form)
        raise typer.Exit(failed.exit_code) from failed


def streaming(gateway: Gateway) -> "Streams":
    """The calls that go over gRPC alone."""
    from cli.streams import Streams  # gRPC takes 0.3 s to import: only who streams waits for it

    return Streams(gateway)
