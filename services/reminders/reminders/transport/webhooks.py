"""Webhooks of a voice provider: signed, fresh and ours, or refused with nothing changed and nothing told.

Served by a small HTTP server of its own. Its log lines name the step and why it was refused; never a number,
a key or a text.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final, Protocol

from aiohttp import web
from prometheus_client import Counter
from twilio.request_validator import RequestValidator

from kit import telemetry
from kit.errors import GiroError

refused_total: Final = Counter("giro_webhooks_refused_total", "Webhooks that were refused", ["reason"])

_LARGEST: Final = 16 * 1024
_KEYS: Final = frozenset("0123456789*#")
_TURNS: Final = {"1": 1, "2": 2}

_log = telemetry.logger(__name__)


class Dialogue(Protocol):
    """A provider's side of a call; None or False means that it knows no such call."""

    async def answered(self, tenant: str, reference: str, sid: str, told: Mapping[str, str]) -> str | None:
        """What is said to whoever took the call, a person or a machine."""

    async def pressed(self, tenant: str, reference: str, sid: str, key: str, turn: int) -> str | None:
        """What is said after a key, or after none."""

    async def status(self, tenant: str, reference: str, sid: str, told: Mapping[str, str]) -> bool:
        """Takes note of how far the call is."""


class Signer(Protocol):
    """An account of the provider."""

    @property
    def sid(self) -> str:
        """Its public name, which every webhook carries."""

    @property
    def token(self) -> str:
        """The secret that its webhooks are signed with."""


class _Refused(Exception):
    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


class TwilioWebhooks:
    """Twilio's questions and reports about our calls.

    `signer` gives a tenant's account, `now` the wall clock (Twilio knows no test clock); a report older than
    `oldest`, or an address that has expired, is refused, however well it is signed: it may be a recording.
    """

    def __init__(
        self,
        dialogue: Dialogue,
        signer: Callable[[str], Signer],
        public_url: str,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        oldest: timedelta = timedelta(minutes=15),
    ) -> None:
        self._dialogue, self._signer, self._public = dialogue, signer, public_url.rstrip("/")
        self._now, self._oldest = now, oldest

    def application(self) -> web.Application:
        """The routes, for an HTTP server."""
        app = web.Application(client_max_size=_LARGEST)
        path = "/voice/twilio/{tenant}/{reference}"
        app.router.add_post(f"{path}/answer", self._handled(self._answer))
        app.router.add_post(f"{path}/key", self._handled(self._key))
        app.router.add_post(f"{path}/status", self._handled(self._status))
        return app

    def _handled(
        self, step: Callable[[web.Request, Mapping[str, str]], Awaitable[web.Response]]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            try:
                return await step(request, await self._verified(request))
            except _Refused as refused:
                refused_total.labels(refused.reason).inc()
                _log.warning("webhook_refused", step=request.path.rpartition("/")[2], reason=refused.reason)
                return web.Response(status=refused.status, text=refused.reason)
            except GiroError as error:
                # nothing was kept: the provider is to tell it again, or we look it up
                _log.warning("webhook_not_kept", reason=error.reason)
                return web.Response(status=503, text=error.reason)

        return handle

    async def _verified(self, request: web.Request) -> dict[str, str]:
        """The form, once its signature, account and age are right. Raises _Refused."""
        form = await _form(request)
        account = self._signer(request.match_info["tenant"])
        signature = request.headers.get("X-Twilio-Signature", "")
        url = self._public + request.path_qs
        if not RequestValidator(account.token).validate(url, form, signature):
            raise _Refused(403, "SIGNATURE")
        if form.get("AccountSid") != account.sid:
            raise _Refused(403, "ACCOUNT")
        self._fresh(request, form)
        return form

    def _fresh(self, request: web.Request, form: Mapping[str, str]) -> None:
        now = self._now()
        until = request.query.get("until", "")
        if not (until.isascii() and until.isdigit()) or int(until) <= now.timestamp():
            raise _Refused(403, "EXPIRED")
        told = form.get("Timestamp")
        if told is not None and abs(now - _instant(told)) > self._oldest:
            raise _Refused(403, "OLD")

    async def _answer(self, request: web.Request, form: Mapping[str, str]) -> web.Response:
        return _twiml(await self._dialogue.answered(*_names(request), form.get("CallSid", ""), form))

    async def _key(self, request: web.Request, form: Mapping[str, str]) -> web.Response:
        key = form.get("Digits", "")
        if key and key not in _KEYS:
            raise _Refused(400, "NOT_A_KEY")
        turn = _TURNS.get(request.query.get("turn", ""))
        if turn is None:
            raise _Refused(400, "TURN")
        return _twiml(await self._dialogue.pressed(*_names(request), form.get("CallSid", ""), key, turn))

    async def _status(self, request: web.Request, form: Mapping[str, str]) -> web.Response:
        if not await self._dialogue.status(*_names(request), form.get("CallSid", ""), form):
            raise _Refused(404, "UNKNOWN_CALL")
        return web.Response(status=204)


class WebhookServer:
    """Serves webhooks on a port of their own; the way in from outside ends at a proxy with TLS."""

    def __init__(self, application: web.Application, host: str, port: int) -> None:
        self._runner = web.AppRunner(application, access_log=None)
        self._host, self._port = host, port

    async def start(self) -> int:
        """Begins to listen; answers the port, which port 0 leaves to the system."""
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()
        port: int = self._runner.addresses[0][1]
        return port

    async def stop(self) -> None:
        """Lets the requests in hand end, and stops."""
        await self._runner.cleanup()


def _names(request: web.Request) -> tuple[str, str]:
    return request.match_info["tenant"], request.match_info["reference"]


def _twiml(said: str | None) -> web.Response:
    if said is None:
        raise _Refused(404, "UNKNOWN_CALL")
    return web.Response(text=said, content_type="application/xml")


def _instant(told: str) -> datetime:
    try:
        instant = parsedate_to_datetime(told)
    except ValueError:
        raise _Refused(400, "TIMESTAMP") from None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


async def _form(request: web.Request) -> dict[str, str]:
    """The fields of a form, each once. Raises _Refused."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise _Refused(415, "NOT_A_FORM")
    try:
        posted = await request.post()
    except web.HTTPRequestEntityTooLarge:
        raise _Refused(413, "TOO_LARGE") from None
    except (ValueError, LookupError):
        raise _Refused(400, "NOT_A_FORM") from None
    form = {name: value for name, value in posted.items() if isinstance(value, str)}
    if len(form) != len(posted):
        raise _Refused(400, "REPEATED_FIELD")
    return form
