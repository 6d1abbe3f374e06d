"""What a called person hears through Twilio, as TwiML, and where Twilio is to ask next."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from urllib.parse import quote

from twilio.twiml.voice_response import Gather, Say, VoiceResponse

from reminders.usecases.ports import Call

VOICES: Final = {
    "lv": ("lv-LV", "Google.lv-LV-Standard-B"),
    "ru": ("ru-RU", "Polly.Tatyana"),
    "it": ("it-IT", "Polly.Bianca"),
    "es": ("es-ES", "Polly.Lucia"),
    "en": ("en-GB", "Polly.Amy"),
}
"""Language and voice as Twilio's <Say> names them."""

_TALK: Final = timedelta(minutes=3)
"""No call lasts longer."""
_LATE: Final = timedelta(minutes=15)
"""How long after its call a webhook may still be under way."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses that Twilio is given for one call: they name tenant and reference, and when they expire.

    They lie below `public`, as in https://voice.example.org/hooks; Twilio signs them as a whole.
    """

    public: str
    tenant: str
    reference: str
    until: int
    """Unix seconds."""

    @classmethod
    def of(cls, public: str, call: Call) -> "Addresses":
        """Those of a call: they expire some time after its latest end."""
        until = call.give_up_at + timedelta(seconds=call.ring_seconds) + _TALK + _LATE
        return cls(public.rstrip("/"), call.tenant, call.reference, int(until.timestamp()))

    def to(self, step: str, turn: int | None = None) -> str:
        """The address of one step: `answer`, `key` or `status`."""
        path = "/".join(quote(part, safe="") for part in (self.tenant, self.reference, step))
        asked = "" if turn is None else f"&turn={turn}"
        return f"{self.public}/voice/twilio/{path}?until={self.until}{asked}"


def talk_seconds() -> int:
    """The longest that a call may last once it is answered."""
    return int(_TALK.total_seconds())


def asks(text: str, call: Call, addresses: Addresses, turn: int, wait: int) -> str:
    """A text that a key may cut short, then a wait of so many seconds; Twilio tells the key, or its lack."""
    said = VoiceResponse()
    gather = Gather(
        input="dtmf",
        num_digits=1,
        timeout=wait,
        finish_on_key="",
        action=addresses.to("key", turn),
        method="POST",
        action_on_empty_result=True,
    )
    gather.append(_say(text, call.script.language))
    said.append(gather)
    return str(said)


def closes(text: str, call: Call) -> str:
    """A last text, if any, and the end."""
    said = VoiceResponse()
    if text:
        said.append(_say(text, call.script.language))
    said.hangup()
    return str(said)


def _say(text: str, language: str) -> Say:
    spoken, voice = VOICES[language.partition("-")[0]]
    return Say(text, language=spoken, voice=voice)
