"""The played flow on paper: what is asked of the gateway, what it answers, in few words."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from allinone.errors import StartFailed
from cli.show import output

Json = dict[str, Any]
LONGEST_TEXT = 44
LONGEST_LIST = 2
INDENT = 14
SECONDS = 20.0
WELL = range(200, 300)
_SUGGESTED_ANEW = 3


class Caller:
    """Somebody at the JSON gateway; each call is told."""

    def __init__(self, gateway_url: str, name: str) -> None:
        self.name = name
        self._http = httpx2.AsyncClient(base_url=gateway_url, timeout=SECONDS, trust_env=False)
        self._console = output.console()
        self._status = 0

    async def close(self) -> None:
        """No more calls."""
        await self._http.aclose()

    def sign(self, token: str) -> None:
        """Every later call carries the token."""
        self._http.headers["authorization"] = f"Bearer {token}"

    async def asks(self, path: str, *, told: bool = True) -> Json:
        """GET; the answer has to be a good one."""
        return await self.calls("GET", path, None, told=told)

    async def tries(self, path: str) -> Json:
        """GET of what may not be there yet, untold; empty when it is refused."""
        found = await self._send("GET", path, None, told=False)
        return found if self._status in WELL else {}

    async def posts(self, path: str, body: Json, *, told: bool = True) -> Json:
        """POST; the answer has to be a good one."""
        return await self.calls("POST", path, body, told=told)

    async def books(self, path: str, ask: Callable[[], Awaitable[Json]]) -> Json:
        """POST of what `ask` makes of a suggestion, untold; as an operator does, it is suggested anew where
        the agenda has changed meanwhile."""
        for _ in range(_SUGGESTED_ANEW):
            answer = await self._send("POST", path, await ask(), told=False)
            if reason_of(answer).get("reason") != "SLOT_TOKEN_STALE":
                break
        if self._status in WELL:
            return answer
        return await self.posts(path, await ask(), told=False)

    async def calls(self, method: str, path: str, body: Json | None, *, told: bool = True) -> Json:
        """Any call that has to go well. Raises StartFailed for a refusal."""
        answer = await self._send(method, path, body, told=told)
        if self._status not in WELL:
            refused(self._console, self._status, answer)
            raise StartFailed(
                "the played flow",
                f"{method} {path} as {self.name} was refused: {answer.get('message', self._status)}.",
                "Read .run/logs; `make clean` starts from an empty database.",
            )
        return answer

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
        try:
            response = await self._http.request(method, path, json=body)
        except httpx2.HTTPError as failed:
            why = f"{method} {path} got no answer ({type(failed).__name__})."
            raise StartFailed("the played flow", why, "Read .run/logs/envoy.log.") from failed
        self._status = response.status_code
        answer: Json = response.json()
        return answer

    def _tell_request(self, method: str, path: str, body: Json | None) -> None:
        line = Text.assemble((f"  {self.name:<12}", "dim"), (f"{method} ", "bold cyan"), (path, "cyan"))
        self._console.print(line)
        if body is not None:
            written = Text(json.dumps(shortened(body), ensure_ascii=False), style="dim")
            self._console.print(Padding(written, (0, 0, 0, INDENT), expand=False))


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
