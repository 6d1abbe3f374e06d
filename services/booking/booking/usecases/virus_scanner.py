"""Who says that a document carries no virus: one port, whatever is behind it (R-082)."""

from typing import IO, Protocol

from kit.errors import Reason, Unavailable


class VirusScanner(Protocol):
    """Looks at documents before they are kept."""

    async def virus_in(self, content: IO[bytes]) -> str:
        """The name of what was found in a whole file, empty for nothing; the file is read from where it is.

        Raises Unavailable when it cannot say.
        """
        ...


class NoScanner:
    """What an installation has that has told of none: nothing is looked at."""

    async def virus_in(self, content: IO[bytes]) -> str:
        """Nothing."""
        return ""


def unavailable(why: str) -> Unavailable:
    """The scanner does not say."""
    message = f"the virus scanner cannot be asked: {why}"
    return Unavailable(Reason.SERVICE_UNAVAILABLE, message, metadata={"service": "virus scanner"})
