"""Giving a kept slot back."""

from typing import Annotated

import typer

from cli import remembered
from cli.commands.calling import Output, calling, noun
from cli.errors import BadArgument
from cli.show import output
from cli.show.output import Format

app = noun("Slots kept for a customer on the line.")


@app.command()
def release(
    hold: Annotated[str, typer.Argument(help="id; default: the last hold")] = "",
    form: Output = Format.TABLE,
) -> None:
    """Give a kept slot back; one that is gone already is no error.

    \b
    giro holds release
    """
    with calling(form) as gateway:
        url = gateway.settings.gateway_url
        hold_id = hold or remembered.hold_id(url)
        if not hold_id:
            raise BadArgument("no hold is remembered", "name it: giro holds release hld_...")
        answer = gateway.delete(f"/v1/holds/{hold_id}")
        if hold_id == remembered.hold_id(url):
            remembered.forget_hold(url)
        if form is Format.JSON:
            output.as_json(answer)
            return
        output.say(f"{hold_id} is free again", "green")
