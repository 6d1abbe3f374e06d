"""The program, run in this process."""

from typer.testing import CliRunner, Result

from cli.__main__ import build


class Giro:
    """Runs `giro` with words."""

    def __init__(self) -> None:
        self._runner = CliRunner()

    def __call__(self, *words: str, typed: str = "") -> Result:
        return self._runner.invoke(build(), list(words), input=typed, catch_exceptions=False)
