"""Paper documents of appointments: their versions, up and down."""

from pathlib import Path
from typing import Annotated

import typer

from cli.commands.calling import Output, calling, noun, streaming
from cli.commands.writing import moving, written
from cli.show import output
from cli.show.columns import Columns, count, field, listed, shown, utc, without
from cli.show.output import Format

app = noun("Documents of appointments: up, down, all versions.")

DOCUMENT: Columns = {
    "document": field("documentId"),
    ">version": count("version"),
    "name": field("fileName"),
    "type": field("mediaType"),
    ">bytes": count("sizeBytes"),
    "uploaded (UTC)": utc("uploadedAt"),
    "by": field("uploadedBy"),
    "sha256": lambda row: str(row["sha256"])[:12],
}


@app.command()
def upload(
    appointment: Annotated[str, typer.Argument(help="id, apt_...")],
    file: Annotated[Path, typer.Argument(help="a PDF, a picture, a DOCX", exists=True, dir_okay=False)],
    document: Annotated[str, typer.Option("--as", help="a new version of this document: doc_...")] = "",
    form: Output = Format.TABLE,
) -> None:
    """Keep a document with an appointment, or a new version of one.

    \b
    giro documents upload apt_... contract.pdf
    giro documents upload apt_... contract.pdf --as doc_...
    """
    with calling(form) as gateway, streaming(gateway) as streams:
        with moving(file.name, file.stat().st_size) as moved:
            made = streams.upload(file, appointment, document, moved)
        shown(form, made, DOCUMENT)


@app.command("list")
def list_(
    appointment: Annotated[str, typer.Argument(help="id, apt_...")], form: Output = Format.TABLE
) -> None:
    """The documents of an appointment, every version.

    \b
    giro documents list apt_...
    """
    with calling(form) as gateway:
        found = gateway.get(f"/v1/appointments/{appointment}/documents")["documents"]
        listed(form, found, without(DOCUMENT, "by", "sha256"))


@app.command()
def download(
    document: Annotated[str, typer.Argument(help="id, doc_...")],
    file: Annotated[Path, typer.Argument(help="where to write it", dir_okay=False)],
    version: Annotated[int, typer.Option("--version", help="0: the newest", min=0)] = 0,
) -> None:
    """Fetch a document's bytes into a file.

    \b
    giro documents download doc_... contract.pdf
    giro documents download doc_... first.pdf --version 1
    """
    size = 0
    with calling(Format.TABLE) as gateway, streaming(gateway) as streams:
        with moving(file.name) as moved, written(file) as opened:
            for chunk in streams.download(document, version):
                size += opened.write(chunk)
                moved(len(chunk))
        output.say(f"{file}: {size} bytes")
