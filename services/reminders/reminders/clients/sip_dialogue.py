"""The dialogue of a call as a machine of its own: what is played next, and what was answered."""

from collections.abc import Collection
from typing import Final

PROMPT: Final = "prompt"
MENU: Final = "menu"
_TURNS: Final = 2


def thanks(key: str) -> str:
    """Name of the text that follows a key."""
    return f"thanks_{key}"


class Dialogue:
    """Prompt, key or silence, menu once more, key or silence, end (R-112, R-113).

    Each method answers the name of the text to play now, "" for the end of the call, or None for no change.
    Instants are seconds of any clock.
    """

    def __init__(self, keys: Collection[str], wait: float) -> None:
        """`keys` are understood; `wait` seconds of silence after a text count as no key."""
        self._keys, self._wait = keys, wait
        self._turn = 1
        self._silent_since: float | None = None
        self.digit: str | None = None

    def key(self, pressed: str) -> str | None:
        """A key, which cuts short what is being played; after the answer none counts."""
        if self.digit is not None:
            return None
        if pressed in self._keys:
            self.digit = pressed
            self._silent_since = None
            return thanks(pressed)
        return self._again()

    def played(self, now: float) -> str | None:
        """The text has been played to its end."""
        if self.digit is not None:
            return ""
        self._silent_since = now
        return None

    def tick(self, now: float) -> str | None:
        """Time has passed."""
        if self._silent_since is None or now < self._silent_since + self._wait:
            return None
        return self._again()

    def _again(self) -> str:
        self._silent_since = None
        self._turn += 1
        return MENU if self._turn <= _TURNS else ""
