"""Serves agents' calendars to calendar programs, over HTTP: whoever has the address reads the calendar.

An address that was never given out, was rotated away or revoked, or is another tenant's is the same 404. What
is refused says why as RPCs do: the first word of the text is the reason, as in `NOT_FOUND: no such calendar`.
A program that asks again with the mark of what it has (`If-None-Match`) gets 304 while nothing changed.
"""

import asyncio
import hashlib
import re
from http import HTTPStatus
from typing import Final

from aiohttp import web
from prometheus_client import Counter

from booking.transport.ics import CONTENT_TYPE, to_ics
from booking.usecases.agent_calendar import read_feed
from booking.usecases.desk import Desk
from kit import telemetry
from kit.errors import GiroError, Reason

feeds_read: Final = Counter("giro_booking_feeds_total", "Calendars that programs asked for", ["answer"])

_TENANT: Final = re.compile(r"^ten_[0-9a-f]{32}$")
_SECRET: Final = re.compile(r"^[A-Za-z0-9_-]{43}\.ics$")

_log = telemetry.logger(__name__)


def feed_path(tenant: str, secret: str) -> str:
    """The path of an address."""
    return f"/calendars/{tenant}/{secret}.ics"


class Feeds:
    """The one page."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def application(self) -> web.Application:
        """The route, for an HTTP server."""
        app = web.Application(client_max_size=1024)
        app.router.add_get("/calendars/{tenant}/{name}", self._get)
        return app

    async def _get(self, request: web.Request) -> web.Response:
        tenant, name = request.match_info["tenant"], request.match_info["name"]
        if not (_TENANT.match(tenant) and _SECRET.match(name)):
            return _nothing()
        with_travel = request.query.get("travel") == "1"
        try:
            secret = name.removesuffix(".ics")
            found = await read_feed(self._desk, tenant, secret, with_travel=with_travel)
        except GiroError as error:
            _log.warning("feed_not_read", reason=error.reason)
            return _refused(HTTPStatus.SERVICE_UNAVAILABLE, error.reason, "try again")
        if found is None:
            return _nothing()
        return _answer(request, await asyncio.to_thread(to_ics, found))


class FeedServer:
    """Serves feeds on a port of their own; the way in from outside ends at a proxy with TLS."""

    def __init__(self, application: web.Application, host: str, port: int) -> None:
        self._runner = web.AppRunner(application, access_log=None)
        self._host, self._port = host, port

    async def start(self) -> str:
        """Begins to serve; gives the address, as in `http://127.0.0.1:8490`."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}"

    async def stop(self) -> None:
        """Serves no more."""
        await self._runner.cleanup()


def _answer(request: web.Request, ics: bytes) -> web.Response:
    """The calendar, or 304 for a program that has it already; its mark is a digest of all of it."""
    mark = hashlib.sha256(ics).hexdigest()
    headers = {"cache-control": "private, max-age=300", "etag": f'"{mark}"', "x-robots-tag": "noindex"}
    known = request.if_none_match or ()
    if any(each.value in (mark, "*") for each in known):
        feeds_read.labels("304").inc()
        return web.Response(status=304, headers=headers)
    feeds_read.labels("200").inc()
    return web.Response(body=ics, content_type=CONTENT_TYPE, charset="utf-8", headers=headers)


def _nothing() -> web.Response:
    return _refused(HTTPStatus.NOT_FOUND, Reason.NOT_FOUND, "no such calendar")


def _refused(status: int, reason: Reason, text: str) -> web.Response:
    feeds_read.labels(str(int(status))).inc()
    headers = {"cache-control": "no-store", "x-robots-tag": "noindex"}
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["retry-after"] = "60"
    return web.Response(status=status, text=f"{reason.value}: {text}\n", headers=headers)
