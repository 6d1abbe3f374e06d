"""Somebody else's JSON server over HTTP: time-outs, a bound on what it may send, and a circuit breaker.

Whatever goes wrong is one named error to the caller: nothing is guessed in its place here.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeVar

import httpx2
from prometheus_client import Counter, Gauge

from kit.db import guard
from kit.errors import Unavailable
from kit.web.breaker import Breaker

T = TypeVar("T")

_CONNECT_S: Final = 1.0
_TRIES: Final = 2
_MOST_DIGITS: Final = 20

failed: Final = Counter(
    "giro_web_failures_total", "Questions that another server did not answer usably", ["server", "why"]
)
is_open: Final = Gauge("giro_web_open", "1 while another server is left alone after failures", ["server"])

Refuse = Callable[[str], Unavailable]
"""The error for what went wrong, said in a few words."""


class Nonsense(Exception):
    """An answer that cannot be true, or is not of the form it should have."""


@dataclass(frozen=True, slots=True)
class Question:
    """A request; with a `body` it is a POST. `most_bytes` is the longest answer that makes sense."""

    path: str
    most_bytes: int
    params: Mapping[str, str] | None = None
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came: the status and the JSON document."""

    status: int
    document: Any


class JsonServer:
    """Asks one server.

    `name` is what messages and metrics call it, `timeout` bounds each question as a whole, in seconds;
    `refuse` makes the error.
    """

    def __init__(
        self, name: str, url: str, refuse: Refuse, *, timeout: float = 3.0, breaker: Breaker | None = None
    ) -> None:
        self.name, self._url, self._refuse, self._timeout = name, url.rstrip("/"), refuse, timeout
        self.breaker = breaker or Breaker()
        self._client: httpx2.AsyncClient | None = None

    async def ask(self, question: Question, read: Callable[[Answer], T]) -> T:
        """What `read` makes of the answer; `read` raises Nonsense for one that cannot be used.

        Raises Unavailable.
        """
        guard.refuse_remote_call(question.path)
        if not self.breaker.admits():
            raise self._refuse(f"the {self.name} failed and is left alone for now")
        try:
            async with asyncio.timeout(self._timeout):
                answer = read(await self._answer(question))
        except (TimeoutError, httpx2.HTTPError, httpx2.InvalidURL, Nonsense, ValueError) as failure:
            self._failed(failure)
        except BaseException:
            self.breaker.abandoned()
            raise
        self.breaker.succeeded()
        is_open.labels(self.name).set(0)
        return answer

    async def close(self) -> None:
        """Ends the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _answer(self, question: Question) -> Answer:
        for _ in range(_TRIES - 1):
            try:
                return await self._exchange(question)
            except (httpx2.RemoteProtocolError, httpx2.ReadError, httpx2.WriteError):
                continue  # the server ended a connection that had been idle; it was not asked anything yet
        return await self._exchange(question)

    async def _exchange(self, question: Question) -> Answer:
        method = "GET" if question.body is None else "POST"
        async with self._connected().stream(
            method,
            f"{self._url}{question.path}",
            params=question.params,
            json=question.body,
            headers=question.headers,
        ) as response:
            return Answer(response.status_code, _document(await _content(response, question.most_bytes)))

    def _connected(self) -> httpx2.AsyncClient:
        if self._client is None:
            waits = httpx2.Timeout(self._timeout, connect=min(_CONNECT_S, self._timeout))
            self._client = httpx2.AsyncClient(timeout=waits, follow_redirects=False, trust_env=False)
        return self._client

    def _failed(self, failure: Exception) -> NoReturn:
        self.breaker.failed()
        is_open.labels(self.name).set(int(self.breaker.is_open))
        why = _why(failure)
        failed.labels(self.name, why).inc()
        detail = str(failure) or type(failure).__name__
        raise self._refuse(f"the {self.name} {why}: {detail}") from failure


async def _content(response: httpx2.Response, most: int) -> bytes:
    content = bytearray()
    async for part in response.aiter_bytes():
        content += part
        if len(content) > most:
            raise Nonsense(f"more than {most} bytes")
    return bytes(content)


def _document(content: bytes) -> Any:
    try:
        return json.loads(content, parse_constant=_no_constant, parse_int=_whole)
    except RecursionError:
        raise Nonsense("nested too deeply") from None


def _no_constant(name: str) -> NoReturn:
    raise Nonsense(f"{name} is no number")


def _whole(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise Nonsense("a number of more digits than any amount has")
    return int(digits)


def _why(failure: Exception) -> str:
    if isinstance(failure, TimeoutError | httpx2.TimeoutException):
        return "took too long"
    if isinstance(failure, httpx2.HTTPError):
        return "cannot be reached"
    return "answered nonsense"
