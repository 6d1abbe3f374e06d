"""What a tenant decides about its own people."""

from typing import Annotated

import typer

from cli.commands.calling import Output, calling, noun
from cli.commands.checks import show_parameter
from cli.show.output import Format

app = noun("What the whole tenant decides about its people's roles.")

Name = Annotated[str, typer.Argument(help="for example agents_enabled")]


@app.command()
def get(name: Name, form: Output = Format.TABLE) -> None:
    """The value that holds, where it comes from, and what it means.

    \b
    giro tenant get agents_enabled
    """
    with calling(form) as gateway:
        show_parameter(gateway.get(f"/v1/tenantParameters/{name}"), form)


@app.command("set")
def set_(
    name: Name,
    value: Annotated[str, typer.Argument(help='"true", "false"; "" goes back to the system\'s')],
    form: Output = Format.TABLE,
) -> None:
    """Set a parameter of the whole tenant.

    \b
    giro tenant set agents_enabled false
    """
    with calling(form) as gateway:
        show_parameter(gateway.post("/v1/tenantParameters", {"name": name, "value": value}), form)
