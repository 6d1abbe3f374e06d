"""A stub of the gateway on a real port."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

Json = dict[str, Any]


class StubGateway:
    """Answers by method and path; keeps what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], tuple[int, Json]] = {}
        self.asked: list[tuple[str, str, dict[str, list[str]], Json]] = []
        self.tokens: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def on(self, method: str, path: str, answer: Json, status: int = 200) -> None:
        """Answer this from now on."""
        self.answers[method, path] = (status, answer)

    def refuse(self, method: str, path: str, status: int, *details: Json, message: str = "no") -> None:
        """Refuse this from now on, as the real gateway would."""
        self.on(method, path, {"code": 9, "message": message, "details": list(details)}, status)

    def body_of(self, path: str) -> Json:
        """The body of the last call of this path."""
        return next(body for _, asked, _, body in reversed(self.asked) if asked == path)

    def query_of(self, path: str) -> dict[str, list[str]]:
        """The query of the last call of this path."""
        return next(query for _, asked, query, _ in reversed(self.asked) if asked == path)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                url = urlsplit(self.path)
                length = int(self.headers.get("content-length", 0))
                body = json.loads(self.rfile.read(length)) if length else {}
                stub.asked.append((self.command, url.path, parse_qs(url.query), body))
                stub.tokens.append(self.headers.get("authorization", ""))
                status, answer = stub.answers.get(
                    (self.command, url.path), (404, {"message": "no such path"})
                )
                sent = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(sent)))
                self.end_headers()
                self.wfile.write(sent)

            do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - names of the base class

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                pass

        return Handler
