"""One call over SIP, in a process of its own: `python -m reminders.clients.sip_worker`.

PJSIP is C and may crash; then it costs this call alone. The first line of standard input is a `Job` as
JSON, its end means hang up. Each line of standard output is an event: {"event": "progress",
"code": 180, "call": "<Call-ID>"}, {"event": "answered"}, {"event": "digit", "digit": "1"},
{"event": "ended", "code": 200}; {"event": "late"} alone says that nothing was dialled, since it was too late.
"""

import json
import os
import select
import sys
import time
import wave
from typing import Any, Final

import pjsua2 as pj

from reminders.clients.sip_dialogue import PROMPT, Dialogue
from reminders.clients.sip_job import Job

_STEP: Final = 20
"""Milliseconds of one turn of the loop."""
_FAREWELL: Final = 4.0
"""Seconds for the far side to agree to the end."""
_TAIL: Final = 0.3
"""Seconds of the last text that are still under way when the file has been read."""


class _Call(pj.Call):  # type: ignore[misc]  # pjsua2 has no types
    """PJSIP calls these methods from its loop; they only note."""

    def __init__(self, account: Any) -> None:
        super().__init__(account)
        self.heard = self.answered = self.over = False
        self.code = 0
        self.pressed: list[str] = []
        self.sound: Any = None

    def onCallTsxState(self, prm: Any) -> None:  # noqa: N802 - PJSIP's names
        """A step of the signalling, perhaps by a message."""
        self._note(prm)

    def onCallState(self, prm: Any) -> None:  # noqa: N802
        """The call begins to be answered, or ends."""
        self._note(prm)
        info = self.getInfo()
        if info.state == pj.PJSIP_INV_STATE_CONFIRMED and not self.answered:
            self.answered = True
            _tell(event="answered")
        if info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            self.over = True
            self.code = int(info.lastStatusCode)

    def _note(self, prm: Any) -> None:
        """Tells the first message of the far side; PJSIP's own time-outs are none."""
        if not self.heard and prm.e.body.tsxState.type == pj.PJSIP_EVENT_RX_MSG:
            self.heard = True
            info = self.getInfo()
            _tell(event="progress", code=int(info.lastStatusCode), call=info.callIdString)

    def onCallMediaState(self, prm: Any) -> None:  # noqa: N802
        """There is a way for sound."""
        info = self.getInfo()  # kept while its list is read: PJSIP frees it with its owner
        for at, media in enumerate(info.media):
            if media.type == pj.PJMEDIA_TYPE_AUDIO and media.status == pj.PJSUA_CALL_MEDIA_ACTIVE:
                self.sound = self.getAudioMedia(at)

    def onDtmfDigit(self, prm: Any) -> None:  # noqa: N802
        """A key, as RFC 4733 tells it."""
        self.pressed.append(prm.digit)


class _Player:
    """Plays one text at a time; a new one cuts the old one short."""

    def __init__(self, texts: dict[str, str]) -> None:
        self._texts = texts
        self._playing: Any = None
        self._ends_at: float | None = None

    def play(self, name: str, sound: Any) -> None:
        """Begins a text."""
        path = self._texts[name]
        if self._playing is not None:
            self._playing.stopTransmit(sound)
        self._playing = pj.AudioMediaPlayer()
        self._playing.createPlayer(path, pj.PJMEDIA_FILE_NO_LOOP)
        self._playing.startTransmit(sound)
        self._ends_at = time.monotonic() + _seconds(path) + _TAIL

    def has_ended(self) -> bool:
        """True once, when the text has been played to its end."""
        ended = self._ends_at is not None and time.monotonic() >= self._ends_at
        if ended:
            self._ends_at = None
        return ended


def run(job: Job) -> None:
    """Makes the call and returns when it is over."""
    endpoint = _endpoint(job)
    account = _account(job)
    call = _Call(account)
    if time.monotonic() >= job.dial_by:  # frozen since it was started
        _tell(event="late")
        return
    call.makeCall(job.to, pj.CallOpParam(True))  # noqa: FBT003 - PJSIP's signature
    dialogue, player = Dialogue(job.keys, job.key_wait_seconds), _Player(job.texts)
    limit = time.monotonic() + job.ring_seconds
    speaking = False
    while not call.over:
        endpoint.libHandleEvents(_STEP)
        if call.answered and call.sound is not None and not speaking:
            speaking, limit = True, time.monotonic() + job.talk_seconds
            player.play(PROMPT, call.sound)
        following = _next(call, dialogue, player) if speaking else None
        if following:
            player.play(following, call.sound)
        elif following == "" or time.monotonic() >= limit or _abandoned():
            _hang_up(endpoint, call)
            break
    _tell(event="ended", code=call.code)


def _next(call: _Call, dialogue: Dialogue, player: _Player) -> str | None:
    """What follows in the dialogue, if anything; a key that answers is told at once (R-114)."""
    while call.pressed:
        following = dialogue.key(call.pressed.pop(0))
        if following is not None:
            if dialogue.digit is not None:
                _tell(event="digit", digit=dialogue.digit)
            return following
    now = time.monotonic()
    return dialogue.played(now) if player.has_ended() else dialogue.tick(now)


def _hang_up(endpoint: Any, call: _Call) -> None:
    call.hangup(pj.CallOpParam())
    until = time.monotonic() + _FAREWELL
    while not call.over and time.monotonic() < until:
        endpoint.libHandleEvents(_STEP)


def _endpoint(job: Job) -> Any:
    config = pj.EpConfig()
    config.uaConfig.threadCnt = 0
    config.uaConfig.mainThreadOnly = True
    config.logConfig.level = config.logConfig.consoleLevel = 0  # its lines would repeat the numbers
    endpoint = pj.Endpoint()
    endpoint.libCreate()
    endpoint.libInit(config)
    endpoint.audDevManager().setNullDev()
    transport = pj.TransportConfig()
    transport.boundAddress = job.address
    endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
    endpoint.libStart()
    return endpoint


def _account(job: Job) -> Any:
    config = pj.AccountConfig()
    config.idUri = job.caller
    config.mediaConfig.transportConfig.boundAddress = job.address
    if job.proxy:
        config.sipConfig.proxies.append(job.proxy)
    if job.username:
        config.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", job.username, 0, job.password))
    account = pj.Account()
    account.create(config)
    return account


def _abandoned() -> bool:
    """Whether whoever started this is gone, or wants the call to end."""
    ready, _, _ = select.select([sys.stdin], [], [], 0)
    return bool(ready) and not sys.stdin.readline()


def _seconds(path: str) -> float:
    with wave.open(path) as sound:
        return float(sound.getnframes() / sound.getframerate())


def _tell(**event: object) -> None:
    os.write(_OUT, json.dumps(event).encode() + b"\n")


_OUT: Final = os.dup(1)
"""The way out, kept before PJSIP can print on it."""


def main() -> None:
    """Reads the job and runs it; leaves without PJSIP's orderly end, which trips over its own objects."""
    os.dup2(2, 1)
    run(Job(**json.loads(sys.stdin.readline())))
    os._exit(0)


if __name__ == "__main__":
    main()
