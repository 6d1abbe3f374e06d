"""The played flow on paper: what is asked of the gateway, what it answers, in few words."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar

import httpx2
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from allinone.errors import StartFailed
from cli import reading
from cli.show import output

Json = dict[str, Any]
Seen = TypeVar("Seen")
LEAD = timedelta(hours=36)
_MARGIN = timedelta(hours=1)
_LOOKED_AT = timedelta(days=14)
LONGEST_TEXT = 44
LONGEST_LIST = 2
INDENT = 14
SECONDS = 60.0
WELL = range(200, 300)
PATIENCE_SECONDS = 60.0
"""How long what events bring is waited for; a moment on a quiet machine."""

_MOVED_MEANWHILE = frozenset({"SLOT_TAKEN", "SLOT_TOKEN_STALE"})
_SUGGESTED_ANEW = 10
_PASSES_BY_ITSELF = frozenset({503, 504})
_ATTEMPTS = 4


class Caller:
    """Somebody at the JSON gateway; each call is told."""

    def __init__(self, gateway_url: str, name: str) -> None:
        self.name = name
        self.token = ""
        self._http = httpx2.AsyncClient(base_url=gateway_url, timeout=SECONDS, trust_env=False)
        self._console = output.console()
        self._status = 0

    async def close(self) -> None:
        """No more calls."""
        await self._http.aclose()

    def sign(self, token: str) -> None:
        """Every later call carries the token."""
        self.token = token
        self._http.headers["authorization"] = f"Bearer {token}"

    async def asks(self, path: str, *, told: bool = True) -> Json:
        """GET; the answer has to be a good one."""
        return await self.calls("GET", path, None, told=told)

    async def tries(self, path: str) -> Json:
        """GET of what may not be there yet, untold; empty when it is refused."""
        found = await self._send("GET", path, None, told=False)
        return found if self._status in WELL else {}

    async def bookable(self, ahead: timedelta = LEAD) -> list[Json]:
        """Windows whose slots are still over `ahead` away when they are booked, however slow the machine.

        A start at the very edge of the lead time (R-009) is too near a moment later.
        """
        clock = await self.asks("/v1/testClock", told=False)
        begin = reading.instant(clock["now"]).replace(minute=0, second=0, microsecond=0) + ahead + _MARGIN * 2
        return [{"start": reading.rfc3339(begin), "end": reading.rfc3339(begin + _LOOKED_AT)}]

    async def posts(self, path: str, body: Json, *, told: bool = True) -> Json:
        """POST; the answer has to be a good one."""
        return await self.calls("POST", path, body, told=told)

    async def takes(self, path: str, ask: Callable[[], Awaitable[Json]], *, told: bool = False) -> Json:
        """POST of what `ask` makes of a suggestion; asked anew where the agenda has changed, as operators do.

        What was cancelled before leaves the agendas a moment later.
        """
        for _ in range(_SUGGESTED_ANEW):
            answer = await self._send("POST", path, await ask(), told=told)
            if reason_of(answer).get("reason") not in _MOVED_MEANWHILE:
                break
        return self._gone_well("POST", path, answer)

    async def calls(self, method: str, path: str, body: Json | None, *, told: bool = True) -> Json:
        """Any call that has to go well. Raises StartFailed for a refusal."""
        return self._gone_well(method, path, await self._send(method, path, body, told=told))

    def _gone_well(self, method: str, path: str, answer: Json) -> Json:
        if self._status in WELL:
            return answer
        refused(self._console, self._status, answer)
        raise StartFailed(
            "the played flow",
            f"{method} {path} as {self.name} was refused: {answer.get('message', self._status)}.",
            "Read .run/logs; `make clean` starts from an empty database.",
        )

    async def is_refused(self, method: str, path: str, body: Json | None = None) -> Json:
        """A call that has to be refused; the refusal is told. Raises StartFailed when it goes through."""
        answer = await self._send(method, path, body, told=True)
        if self._status in WELL:
            why = f"{method} {path} as {self.name} went through and should have been refused."
            raise StartFailed("the played flow", why, "This is a fault of Giro: please report it.")
        refused(self._console, self._status, answer)
        return answer

    async def _send(self, method: str, path: str, body: Json | None, *, told: bool) -> Json:
        if told:
            self._tell_request(method, path, body)
        for attempt in range(1, _ATTEMPTS + 1):
            answer = await self._answer(method, path, body)
            if self._status not in _PASSES_BY_ITSELF or attempt == _ATTEMPTS:
                break
            await asyncio.sleep(0.2 * 2**attempt)  # a busy machine; every call may be repeated
        return answer

    async def _answer(self, method: str, path: str, body: Json | None) -> Json:
        try:
            response = await self._http.request(method, path, json=body)
            answer: Json = response.json()
        except (httpx2.HTTPError, ValueError) as failed:
            why = f"{method} {path} got no answer ({type(failed).__name__})."
            raise StartFailed("the played flow", why, "Read .run/logs/envoy.log.") from failed
        self._status = response.status_code
        return answer

    def _tell_request(self, method: str, path: str, body: Json | None) -> None:
        line = Text.assemble((f"  {self.name:<12}", "dim"), (f"{method} ", "bold cyan"), (path, "cyan"))
        self._console.print(line)
        if body is not None:
            written = Text(json.dumps(shortened(body), ensure_ascii=False), style="dim")
            self._console.print(Padding(written, (0, 0, 0, INDENT), expand=False))


async def until(look: Callable[[], Awaitable[Seen]], good: Callable[[Seen], bool]) -> Seen:
    """What `look` sees, as soon as it is good or patience ends: events arrive a moment later."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        found = await look()
        if good(found) or time.monotonic() > deadline:
            return found
        await asyncio.sleep(0.1)


def heading(number: int, words: str) -> None:
    """Begins a step."""
    output.say("")
    output.say(f"{number}. {words}", "bold")


def answer(words: str) -> None:
    """What came back, in a sentence."""
    output.console().print(Text.assemble(("              => ", "green"), words))


def refused(console: Console, status: int, body: Json) -> None:
    """A refusal: status, reason, its data, the message."""
    info = reason_of(body)
    data = " ".join(f"{key}={value}" for key, value in sorted(info.get("metadata", {}).items()))
    said = f"{info.get('reason', '')} {data}".strip()
    console.print(Text.assemble((f"              => {status} ", "yellow"), (said, "bold yellow")))
    console.print(Text(f"                 {body.get('message', '')}", style="dim"))


def reason_of(body: Json) -> Json:
    """The ErrorInfo of an error body; empty when it has none."""
    details: list[Json] = body.get("details", [])
    return next((each for each in details if each.get("reason")), {})


def shortened(value: Any) -> Any:
    """Long texts (tokens, passwords) cut, so that a line stays a line."""
    if isinstance(value, dict):
        return {key: "..." if key == "password" else shortened(each) for key, each in value.items()}
    if isinstance(value, list):
        shown = [shortened(each) for each in value[:LONGEST_LIST]]
        return [*shown, f"... {len(value)} in all"] if len(value) > LONGEST_LIST else shown
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        return f"{value[:18]}...({len(value)} characters)"
    return value
