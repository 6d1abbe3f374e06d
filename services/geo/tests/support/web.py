"""A web server of the tests' own, for engines and geocoders that are asked over HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """`body` may be anything: bytes as they are, everything else as JSON."""

    status: int
    body: Any

    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


Handler = Callable[[Request], Awaitable[Reply] | Reply]


@dataclass
class Web:
    """One server; `handler` may be replaced while it runs, `requests` is what came."""

    url: str
    handler: Handler
    requests: list[Request]

    async def answer(self, request: Request) -> Reply:
        self.requests.append(request)
        reply = self.handler(request)
        return reply if isinstance(reply, Reply) else await reply


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[Web]:
    web = Web("", handler, [])
    open_ones: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_ones.add(task)
        try:
            while (request := await _request(reader)) is not None:
                writer.write(_wire(await web.answer(request)))
                await writer.drain()
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            open_ones.discard(task)
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, limit=2**20)
    web.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield web
    server.close()
    for task in list(open_ones):
        task.cancel()
    await asyncio.gather(*open_ones, return_exceptions=True)
    await server.wait_closed()


async def _request(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.rstrip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    parts = urlsplit(target)
    query = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
    return Request(method, unquote(parts.path), query, headers, body)


def _wire(reply: Reply) -> bytes:
    content = reply.content()
    head = f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content
