"""A server that behaves by Twilio's published contract for calls and messages, and is strict about ours.

It checks every field that it is sent, keeps calls, fetches and plays our TwiML, presses keys, and signs what
it sends, by its own hand and not the SDK's. What it finds wrong with us is in `faults`.
"""

import asyncio
import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import parse_qs
from xml.etree import ElementTree

import aiohttp
from aiohttp import web
from rigs import Clock, Phone

E164 = re.compile(r"\+[1-9][0-9]{6,14}")
EVENTS_AFTER = timedelta(minutes=15)
EVENTS = ["initiated", "ringing", "answered", "completed"]
CALL_FIELDS = {
    "To", "From", "Url", "Method", "StatusCallback", "StatusCallbackEvent", "StatusCallbackMethod", "Timeout",
    "TimeLimit",
}  # fmt: skip
GATHER = {"input", "numDigits", "timeout", "finishOnKey", "action", "method", "actionOnEmptyResult"}
LANGUAGES = {"lv-LV", "ru-RU", "it-IT", "es-ES", "en-GB"}


@dataclass
class PeerCall:
    """A call as the far side sees it."""

    sid: str
    fields: dict[str, list[str]]
    created: datetime
    status: str = "queued"
    answered_by: str = ""
    started: datetime | None = None
    ended: datetime | None = None
    heard: list[str] = field(default_factory=list)
    sent: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    replies: list[int] = field(default_factory=list)
    task: asyncio.Task[None] | None = None

    def one(self, name: str) -> str:
        (value,) = self.fields[name]
        return value


class TwilioPeer:
    """See the module. `refuse` makes it answer questions with a status and one of Twilio's codes."""

    def __init__(self, clock: Clock, sid: str, token: str) -> None:
        self.clock, self.sid, self.token = clock, sid, token
        self.phones: dict[str, Phone] = {}
        self.calls: list[PeerCall] = []
        self.messages: list[dict[str, str]] = []
        self.faults: list[str] = []
        self.refuse: tuple[int, int] | None = None
        self.silent = False
        self.holds_back = False
        self._ended = False
        self.before_reply: Callable[[object], Awaitable[None]] | None = None
        self._runner: web.AppRunner | None = None
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> str:
        app = web.Application()
        root = f"/2010-04-01/Accounts/{self.sid}"
        app.router.add_post(f"{root}/Calls.json", self._create)
        app.router.add_get(f"{root}/Calls.json", self._list)
        app.router.add_get(f"{root}/Calls/{{sid}}.json", self._fetch)
        app.router.add_post(f"{root}/Calls/{{sid}}.json", self._update)
        app.router.add_get(f"{root}/Calls/{{sid}}/Events.json", self._events)
        app.router.add_post(f"{root}/Messages.json", self._message)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        self._session = aiohttp.ClientSession()
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        assert self._runner
        assert self._session
        self._ended = True  # no call begins from here on, whose posts nobody would wait for
        await self._runner.cleanup()
        tasks = [call.task for call in self.calls if call.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._session.close()

    def of(self, reference: str) -> list[PeerCall]:
        return [call for call in self.calls if f"/{reference}/" in call.one("Url")]

    # --- the REST side ---

    async def _create(self, request: web.Request) -> web.StreamResponse:
        fields = await self._form(request)
        refusal = await self._trouble(request)
        if refusal:
            return refusal
        phone = self.phones.get(fields["To"][0], Phone())
        if phone.dead or self._ended:
            return _cut(request)
        self._check_call(fields)
        call = PeerCall(f"CA{secrets.token_hex(16)}", fields, self.clock.now)
        self.calls.append(call)
        if not self.holds_back:
            call.task = asyncio.create_task(self._run(call, phone))
        if phone.reply_lost:
            return _cut(request)
        if self.before_reply:
            await self.before_reply(fields)
        return web.json_response(self._shown(call), status=201)

    async def _list(self, request: web.Request) -> web.StreamResponse:
        refusal = await self._trouble(request)
        if refusal:
            return refusal
        if unknown := set(request.query) - {"To", "From", "PageSize"}:
            self.faults.append(f"unknown filters {unknown}")
        found = [
            call
            for call in reversed(self.calls)
            if (call.one("To"), call.one("From")) == (request.query["To"], request.query["From"])
        ]
        return web.json_response({"calls": [self._shown(call) for call in found], "next_page_uri": None})

    async def _fetch(self, request: web.Request) -> web.StreamResponse:
        return await self._trouble(request) or web.json_response(self._shown(self._named(request)))

    async def _update(self, request: web.Request) -> web.StreamResponse:
        refusal = await self._trouble(request)
        if refusal:
            return refusal
        call = self._named(request)
        (how,) = (await self._form(request))["Status"]
        before = {"canceled": {"queued", "initiated", "ringing"}, "completed": {"in-progress"}}
        if call.status not in before.get(how, ()):
            self.faults.append(f"a call that is {call.status} is not ended by Status={how}")
        call.status, call.ended = how, self.clock.now
        return web.json_response(self._shown(call))

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """What was asked at our addresses: to be seen a quarter of an hour after the call."""
        call = self._named(request)
        shown = call.ended is not None and self.clock.now >= call.ended + EVENTS_AFTER
        sent = call.sent if shown else []
        events = [{"request": {"url": url, "method": "POST", "parameters": told}} for url, told in sent]
        return web.json_response({"events": events, "next_page_uri": None})

    async def _message(self, request: web.Request) -> web.StreamResponse:
        fields = await self._form(request)
        refusal = await self._trouble(request)
        if refusal:
            return refusal
        message = {name: value for name, (value,) in fields.items()}
        if set(message) != {"To", "From", "Body"} or not E164.fullmatch(message["To"]):
            self.faults.append(f"a message with {sorted(message)}")
        self.messages.append(message)
        return web.json_response({"sid": f"SM{secrets.token_hex(16)}", "status": "queued"}, status=201)

    async def _trouble(self, request: web.Request) -> web.StreamResponse | None:
        expected = base64.b64encode(f"{self.sid}:{self.token}".encode()).decode()
        if request.headers.get("Authorization") != f"Basic {expected}":
            return web.json_response({"code": 20003, "message": "Authenticate", "status": 401}, status=401)
        if self.silent:
            await asyncio.sleep(60)
        if self.refuse:
            status, code = self.refuse
            body = {"code": code, "message": "The number +371 is not valid", "status": status}
            return web.json_response(body, status=status)
        return None

    async def _form(self, request: web.Request) -> dict[str, list[str]]:
        if request.content_type != "application/x-www-form-urlencoded":
            self.faults.append(f"content type {request.content_type}")
        return parse_qs(await request.text(), keep_blank_values=True, strict_parsing=True)

    def _check_call(self, fields: dict[str, list[str]]) -> None:
        wrong = []
        if set(fields) - {"MachineDetection"} != CALL_FIELDS:
            wrong.append(f"fields {set(fields) ^ CALL_FIELDS}")
        if fields.get("MachineDetection", ["Enable"]) != ["Enable"]:
            wrong.append("MachineDetection is Enable")
        if not E164.fullmatch(fields["To"][0]) or not E164.fullmatch(fields["From"][0]):
            wrong.append("To and From are E.164")
        if (
            fields["StatusCallbackEvent"] != EVENTS
            or fields["Method"] + fields["StatusCallbackMethod"] != ["POST"] * 2
        ):
            wrong.append("events and methods")
        if not 1 <= int(fields["Timeout"][0]) <= 600:
            wrong.append("Timeout is 1 to 600 seconds")
        if not fields["Url"][0].startswith("http") or "_" in fields["Url"][0].split("/")[2]:
            wrong.append("Url")
        self.faults += wrong

    def _named(self, request: web.Request) -> PeerCall:
        (call,) = [call for call in self.calls if call.sid == request.match_info["sid"]]
        return call

    def _shown(self, call: PeerCall) -> dict[str, str | None]:
        return {
            "sid": call.sid,
            "account_sid": self.sid,
            "to": call.one("To"),
            "from": call.one("From"),
            "status": call.status,
            "answered_by": call.answered_by or None,
            "date_created": _rfc2822(call.created),
            "start_time": _rfc2822(call.started),
            "end_time": _rfc2822(call.ended),
        }

    # --- the call itself ---

    async def _run(self, call: PeerCall, phone: Phone) -> None:
        await self._progress(call, "initiated")
        if phone.unknown:
            await self._end(call, "failed", SipResponseCode="404")
            return
        await self._progress(call, "ringing")
        if phone.busy:
            await self._end(call, "busy", SipResponseCode="486")
            return
        if not phone.picks_up:
            await self._end(call, "no-answer", SipResponseCode="487")
            return
        call.started = self.clock.now
        await self._progress(call, "in-progress")
        if "MachineDetection" in call.fields:
            call.answered_by = phone.answered_by or ("machine_start" if phone.machine else "human")
        detected = {"AnsweredBy": call.answered_by} if call.answered_by else {}
        twiml = await self._ask(call, call.one("Url"), {"CallStatus": "in-progress", **detected})
        await self._play(call, phone, twiml)
        await self._end(call, "completed", CallDuration="9", SipResponseCode="200")

    async def _play(self, call: PeerCall, phone: Phone, twiml: str) -> None:
        keys = list(phone.presses)
        for _ in range(5):
            action = self._hear(call, twiml)
            if action is None or phone.hangs_up:
                return
            pressed = {"Digits": keys.pop(0), "FinishedOnKey": ""} if keys else {"Digits": ""}
            twiml = await self._ask(
                call, action, {"CallStatus": "in-progress", "msg": "Gather End", **pressed}
            )
        self.faults.append("a dialogue without an end")

    def _hear(self, call: PeerCall, twiml: str) -> str | None:
        """Plays a document; answers where the key goes, or None where the call ends."""
        response = ElementTree.fromstring(twiml)
        assert response.tag == "Response"
        for verb in response:
            if verb.tag == "Hangup":
                return None
            if verb.tag == "Say":
                self._say(call, verb)
            elif verb.tag == "Gather":
                return self._gather(call, verb)
            else:
                self.faults.append(f"verb {verb.tag}")
        return None

    def _gather(self, call: PeerCall, verb: ElementTree.Element) -> str:
        attributes = verb.attrib
        if set(attributes) != GATHER or (attributes["input"], attributes["numDigits"]) != ("dtmf", "1"):
            self.faults.append(f"Gather with {attributes}")
        if (attributes["finishOnKey"], attributes["actionOnEmptyResult"]) != ("", "true"):
            self.faults.append("a # or a silence would be lost")
        (said,) = verb  # nested, so that a key cuts it short
        self._say(call, said)
        return attributes["action"]

    def _say(self, call: PeerCall, verb: ElementTree.Element) -> None:
        if verb.attrib.get("language") not in LANGUAGES or not verb.attrib.get("voice") or not verb.text:
            self.faults.append(f"Say with {verb.attrib}")
        call.heard.append(verb.text or "")

    async def _progress(self, call: PeerCall, status: str) -> None:
        call.status = status
        await self._tell(call, {"CallStatus": status})

    async def _end(self, call: PeerCall, status: str, **more: str) -> None:
        call.status, call.ended = status, self.clock.now
        await self._tell(call, {"CallStatus": status, **more})

    async def _tell(self, call: PeerCall, told: dict[str, str]) -> None:
        told = {"CallbackSource": "call-progress-events", "Timestamp": _rfc2822(self.clock.now) or "", **told}
        await self._ask(call, call.one("StatusCallback"), told)

    async def _ask(self, call: PeerCall, url: str, told: dict[str, str]) -> str:
        form = {
            "AccountSid": self.sid,
            "ApiVersion": "2010-04-01",
            "CallSid": call.sid,
            "Direction": "outbound-api",
            "From": call.one("From"),
            "To": call.one("To"),
            **told,
        }
        call.sent.append((url, form))
        status, text = await self.post(url, form)
        call.replies.append(status)
        if status >= 300:
            self.faults.append(f"{url.rpartition('/')[2].partition('?')[0]} answered {status} {text}")
        return text

    async def post(self, url: str, form: dict[str, str], signature: str | None = None) -> tuple[int, str]:
        """Sends a signed webhook, or one with the given signature."""
        assert self._session
        headers = {"X-Twilio-Signature": self.sign(url, form) if signature is None else signature}
        async with self._session.post(url, data=form, headers=headers) as reply:
            return reply.status, await reply.text()

    async def again(self, call: PeerCall) -> None:
        """Sends every webhook of a call once more, the last first."""
        for url, form in reversed(call.sent):
            await self.post(url, form)

    def sign(self, url: str, form: dict[str, str]) -> str:
        """As Twilio documents it: the address, then names and values by name, HMAC-SHA1, base64."""
        text = url + "".join(name + form[name] for name in sorted(form))
        return base64.b64encode(hmac.new(self.token.encode(), text.encode(), hashlib.sha1).digest()).decode()


def _cut(request: web.Request) -> web.StreamResponse:
    assert request.transport
    request.transport.abort()
    return web.Response()


def _rfc2822(moment: datetime | None) -> str | None:
    return None if moment is None else format_datetime(moment.astimezone(UTC))
