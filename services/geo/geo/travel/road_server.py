"""One road server over HTTP: time-outs, a bound on what it may send, and a circuit breaker.

Whatever goes wrong is `Unavailable` (TRAVEL_UNAVAILABLE) to the caller: nothing is guessed in its place here.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeVar

import httpx2
from prometheus_client import Counter, Gauge

from geo.travel import failures
from geo.travel.answers import Nonsense
from geo.travel.breaker import Breaker
from kit.db import guard

T = TypeVar("T")

_CONNECT_S: Final = 1.0
_TRIES: Final = 2

failed: Final = Counter(
    "giro_geo_road_server_failures_total", "Questions that a road server did not answer usably", ["why"]
)
is_open: Final = Gauge("giro_geo_road_server_open", "1 while the road server is left alone after failures")


@dataclass(frozen=True, slots=True)
class Question:
    """A request; with a `body` it is a POST. `most_bytes` is the longest answer that makes sense."""

    path: str
    most_bytes: int
    params: Mapping[str, str] | None = None
    body: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came: the status and the JSON document."""

    status: int
    document: Any


class RoadServer:
    """Asks one server. `timeout` bounds each question as a whole, in seconds."""

    def __init__(self, url: str, *, timeout: float = 3.0, breaker: Breaker | None = None) -> None:
        self._url, self._timeout = url.rstrip("/"), timeout
        self.breaker = breaker or Breaker()
        self._client: httpx2.AsyncClient | None = None

    async def ask(self, question: Question, read: Callable[[Answer], T]) -> T:
        """What `read` makes of the answer; `read` raises Nonsense for one that cannot be used.

        Raises Unavailable.
        """
        guard.refuse_remote_call(question.path)
        if not self.breaker.admits():
            raise failures.unavailable("the road server failed and is left alone for now", self._url)
        try:
            async with asyncio.timeout(self._timeout):
                answer = read(await self._answer(question))
        except (TimeoutError, httpx2.HTTPError, httpx2.InvalidURL, Nonsense, ValueError) as failure:
            self._failed(failure)
        except BaseException:
            self.breaker.abandoned()
            raise
        self.breaker.succeeded()
        is_open.set(0)
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
            method, f"{self._url}{question.path}", params=question.params, json=question.body
        ) as response:
            return Answer(response.status_code, _document(await _content(response, question.most_bytes)))

    def _connected(self) -> httpx2.AsyncClient:
        if self._client is None:
            waits = httpx2.Timeout(self._timeout, connect=min(_CONNECT_S, self._timeout))
            self._client = httpx2.AsyncClient(timeout=waits, follow_redirects=False, trust_env=False)
        return self._client

    def _failed(self, failure: Exception) -> NoReturn:
        self.breaker.failed()
        is_open.set(int(self.breaker.is_open))
        why = _why(failure)
        failed.labels(why).inc()
        detail = str(failure) or type(failure).__name__
        raise failures.unavailable(f"the road server {why}: {detail}", self._url) from failure


async def _content(response: httpx2.Response, most: int) -> bytes:
    content = bytearray()
    async for part in response.aiter_bytes():
        content += part
        if len(content) > most:
            raise Nonsense(f"more than {most} bytes")
    return bytes(content)


def _document(content: bytes) -> Any:
    return json.loads(content, parse_constant=_no_constant)


def _no_constant(name: str) -> NoReturn:
    raise Nonsense(f"{name} is no number")


def _why(failure: Exception) -> str:
    if isinstance(failure, TimeoutError | httpx2.TimeoutException):
        return "took too long"
    if isinstance(failure, httpx2.HTTPError):
        return "cannot be reached"
    return "answered nonsense"
