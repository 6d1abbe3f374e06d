"""Texts turned into sound by espeak-ng, a process for each text."""

import asyncio
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Final

_VOICES: Final = {"lv": "lv", "ru": "ru", "it": "it", "es": "es", "en": "en-gb"}
_WORDS_A_MINUTE: Final = "140"
_TIMEOUT: Final = 20.0


class Mute(Exception):
    """A text could not be turned into sound."""


def available() -> bool:
    """Whether espeak-ng is installed."""
    return shutil.which("espeak-ng") is not None


async def speak(text: str, language: str, wav: Path) -> None:
    """Writes a text as 16-bit mono WAV. Raises Mute. The text goes by standard input: it is no option."""
    voice = _VOICES.get(language.partition("-")[0])
    if voice is None:
        raise Mute(f"no voice for {language}")
    words = ["espeak-ng", "-v", voice, "-s", _WORDS_A_MINUTE, "-b", "1", "-w", str(wav), "--stdin"]
    try:
        process = await asyncio.create_subprocess_exec(
            *words, stdin=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
    except OSError as missing:
        raise Mute(f"espeak-ng does not start: {missing.strerror}") from None
    try:
        async with asyncio.timeout(_TIMEOUT):
            await process.communicate(text.replace("[[", "((").encode())
    except TimeoutError:
        with suppress(ProcessLookupError):  # it ended by itself meanwhile
            process.kill()
        await process.wait()
        raise Mute("espeak-ng takes too long") from None
    if process.returncode != 0:
        raise Mute(f"espeak-ng ended with {process.returncode}")
