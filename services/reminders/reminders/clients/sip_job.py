"""What the process of a SIP call is told; apart from it, so that nobody else loads PJSIP."""

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker is told."""

    to: str
    """SIP URI, as in sip:+37120000000@trunk.example.org."""
    caller: str
    """SIP URI of the caller's number."""
    texts: dict[str, str]
    """WAV files by name: prompt, menu, thanks_1, ..."""
    keys: list[str]
    ring_seconds: float
    talk_seconds: float
    key_wait_seconds: float
    dial_by: float
    """By the machine's monotonic clock: after it the call must not begin to ring any more."""
    address: str = ""
    """Local address for signalling and sound; any when empty."""
    proxy: str = ""
    username: str = ""
    password: str = ""

    def line(self) -> str:
        """As the worker reads it."""
        return json.dumps(asdict(self)) + "\n"
