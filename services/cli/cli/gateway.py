"""The gateway's JSON, as this program calls it."""

import uuid
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self

import httpx2

from cli import settings
from cli.errors import CommandFailed, Refused
from cli.settings import Session, Settings

Json = dict[str, Any]
Query = str | int | bool | list[str]
"""What a query parameter may be; a list is sent as the parameter repeated."""
SECONDS = 15.0
PAGE_SIZE = 200
PAGE_SIZES = {"/v1/zones": 100}
"""Lists whose pages are smaller: their rows may be large."""

DEFAULT_DEMO_USER = "administrator"


class Gateway:
    """One signed-in caller. `note` gets a sentence when somebody is signed in on the way."""

    def __init__(self, configured: Settings) -> None:
        self.settings = configured
        self.note = ""
        self._token = configured.token
        self._http = httpx2.Client(base_url=configured.gateway_url, timeout=SECONDS, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    # --- calls ----------------------------------------------------------------------------------------------

    def get(self, path: str, **query: Query) -> Json:
        """Raises Refused or CommandFailed."""
        wanted = {name: _text(value) for name, value in query.items() if value not in ("", None, [])}
        return self._signed_in("GET", path, query=wanted)

    def post(self, path: str, body: Mapping[str, Any]) -> Json:
        """Raises Refused or CommandFailed."""
        return self._signed_in("POST", path, body=body)

    def put(self, path: str, body: Mapping[str, Any]) -> Json:
        """Raises Refused or CommandFailed."""
        return self._signed_in("PUT", path, body=body)

    def delete(self, path: str) -> Json:
        """Raises Refused or CommandFailed."""
        return self._signed_in("DELETE", path)

    def pages(self, path: str, field: str, limit: int, **query: Query) -> Iterator[Json]:
        """The rows of a list, at most `limit`, page by page."""
        token, left, most = "", limit, PAGE_SIZES.get(path, PAGE_SIZE)
        while left > 0:
            page = self.get(path, pageSize=min(left, most), pageToken=token, **query)
            rows = page.get(field, [])
            yield from rows[:left]
            token, left = page.get("nextPageToken", ""), left - len(rows)
            if not token:
                return

    def raw(self, path: str) -> httpx2.Response:
        """An answer as it is, without a token. Raises CommandFailed when there is none."""
        return self._send("GET", path)

    # --- signing in -----------------------------------------------------------------------------------------

    def sign_in(self, email: str, password: str) -> Json:
        """Signs in and keeps the token for the next commands. Raises Refused (BAD_CREDENTIALS)."""
        answer = _answer(self._send("POST", "/v1/sessions", body={"email": email, "password": password}))
        self._token = answer["accessToken"]
        Session(self.settings.gateway_url, email, self._token, answer["expiresAt"]).write()
        return answer

    def token(self) -> str:
        """The caller's token, of a sign-in that is made where nobody is signed in. Raises CommandFailed."""
        self.get("/v1/me")  # an old token is renewed on the way
        return self._token

    def _signed_in(
        self, method: str, path: str, *, query: Mapping[str, str | list[str]] | None = None, body: Any = None
    ) -> Json:
        if not self._token:
            self._sign_in_from_demo()
        try:
            return _answer(self._send(method, path, query=query, body=body))
        except Refused as refused:
            if refused.status != 401 or self.settings.token_is_given:
                raise
            self._sign_in_from_demo()
        return _answer(self._send(method, path, query=query, body=body))

    def _sign_in_from_demo(self) -> None:
        """As the demo user of the last time, or its administrator. Raises CommandFailed without a demo."""
        users = settings.demo_users(self.settings.demo)
        same = [user for user in users.values() if user["email"] == self.settings.email]
        user = same[0] if same else users.get(DEFAULT_DEMO_USER)
        if user is None:
            advice = "sign in first: giro sign-in; or start the demo: make run"
            raise CommandFailed(f"nobody is signed in at {self.settings.gateway_url}", advice)
        self.sign_in(user["email"], user["password"])
        if not same:
            self.note = f"signed in as {user['email']} of the demo; another role: giro sign-in --as operator"

    # --- plumbing -------------------------------------------------------------------------------------------

    def _send(
        self, method: str, path: str, *, query: Mapping[str, str | list[str]] | None = None, body: Any = None
    ) -> httpx2.Response:
        headers = {"authorization": f"Bearer {self._token}"} if self._token else {}
        try:
            return self._http.request(method, path, params=query, json=body, headers=headers)
        except httpx2.HTTPError as failed:
            advice = "start it with make run, set GIRO_GATEWAY_URL, or look with giro doctor"
            message = f"no answer from {self.settings.gateway_url} ({type(failed).__name__})"
            raise CommandFailed(message, advice) from failed


def request_id() -> str:
    """A fresh idempotency key."""
    return str(uuid.uuid4())


def _text(value: Query) -> str | list[str]:
    if isinstance(value, list):
        return value
    return str(value).lower() if isinstance(value, bool) else str(value)


def _answer(response: httpx2.Response) -> Json:
    body = _object(response)
    if response.is_success:
        return body
    info: Json = {}
    violations: list[tuple[str, str]] = []
    for detail in body.get("details", []):
        kind = str(detail.get("@type", ""))
        if kind.endswith("ErrorInfo"):
            info = detail
        if kind.endswith("BadRequest"):
            violations += [(each["field"], each["description"]) for each in detail["fieldViolations"]]
    raise Refused(
        status=response.status_code,
        reason=info.get("reason", ""),
        message=str(body.get("message", "")) or f"HTTP {response.status_code}",
        metadata=info.get("metadata", {}),
        violations=tuple(violations),
        body=body,
    )


def _object(response: httpx2.Response) -> Json:
    try:
        body = response.json()
    except ValueError:
        body = None
    if isinstance(body, dict):
        return body
    if response.is_success:
        raise CommandFailed(f"{response.url} answers, but not as a gateway of Giro", "check GIRO_GATEWAY_URL")
    return {"message": f"HTTP {response.status_code} from {response.url}"}
