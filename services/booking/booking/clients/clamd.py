"""ClamAV's daemon over TCP, by its INSTREAM command (clamd(8)); implements `usecases.virus_scanner`.

The protocol is a few lines, and what PyPI has for it is either blocking or long without a release.
"""

import asyncio
from typing import IO, Final

from booking.usecases.virus_scanner import unavailable

_PIECE: Final = 256 * 1024
_MOST_ANSWER: Final = 4096
_CLEAN: Final = "stream: OK"
_FOUND: Final = " FOUND"


class Clamd:
    """`within` seconds for all of one document."""

    def __init__(self, address: str, within: float) -> None:
        self._host, _, port = address.rpartition(":")
        self._port, self._within = int(port), within

    async def virus_in(self, content: IO[bytes]) -> str:
        """The name of its signature; empty for nothing."""
        try:
            async with asyncio.timeout(self._within):
                answer = await self._ask(content)
        except (OSError, ValueError) as failure:  # a TimeoutError is an OSError
            raise unavailable(str(failure) or f"no answer within {self._within:g} s") from failure
        if answer == _CLEAN:
            return ""
        if answer.startswith("stream: ") and answer.endswith(_FOUND):
            return answer.removeprefix("stream: ").removesuffix(_FOUND)
        raise unavailable(f"it said {answer[:100]!r}")  # its size limit, for example

    async def _ask(self, content: IO[bytes]) -> str:
        reader, writer = await asyncio.open_connection(self._host, self._port)
        try:
            writer.write(b"zINSTREAM\0")
            while piece := await asyncio.to_thread(content.read, _PIECE):
                writer.write(len(piece).to_bytes(4, "big") + piece)
                await writer.drain()
            writer.write((0).to_bytes(4, "big"))
            await writer.drain()
            answer = await reader.read(_MOST_ANSWER)
        finally:
            writer.transport.abort()
        return answer.rstrip(b"\0").decode(errors="replace")
