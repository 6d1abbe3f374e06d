"""Twilio's REST interface: whose account, over which connection, and what its refusals mean."""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

import aiohttp
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http import AsyncHttpClient
from twilio.http.response import Response
from twilio.rest import Client
from yarl import URL

from reminders.usecases.ports import CallEnding, Declined, Doubtful

_HOST: Final = "https://api.twilio.com"
_NO_SUCH_NUMBER: Final = frozenset({21211, 21214, 21217, 21401, 21421, 21614, 13223, 13224})
"""Twilio's codes for a number that is none, or that cannot be reached by any call or message."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Account:
    """An account of Twilio. The token signs its webhooks too."""

    sid: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Accounts:
    """Giro's account, and those of tenants that brought their own."""

    own: Account
    of_tenants: Mapping[str, Account] = field(default_factory=dict)

    def of(self, tenant: str) -> Account:
        """The account that a tenant's calls run on."""
        return self.of_tenants.get(tenant, self.own)


class Http(AsyncHttpClient):  # type: ignore[misc]  # the SDK has no types
    """The SDK's requests over aiohttp, each with a limit of `timeout` seconds and none repeated.

    The SDK's own asynchronous client knows no such limit and encodes no lists.
    """

    def __init__(self, timeout: float, host: str = _HOST) -> None:
        """`host` stands for https://api.twilio.com, as a test's own server does."""
        super().__init__(logger=None, is_async=True, timeout=None)
        self._host = host.rstrip("/")
        self._limit = aiohttp.ClientTimeout(total=timeout)
        self._session: aiohttp.ClientSession | None = None

    async def request(  # noqa: PLR0913, PLR0917 - the SDK's signature
        self,
        method: str,
        url: str,
        params: Mapping[str, object] | None = None,
        data: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Response:
        """One request, as the SDK asks for it."""
        headers = dict(headers or {})
        if auth is not None:
            headers["Authorization"] = aiohttp.encode_basic_auth(*auth)
        async with self._open().request(
            method,
            self._address(url, params),
            data=None if data is None else urlencode(data, doseq=True),
            headers=headers,
            allow_redirects=allow_redirects,
        ) as answer:
            return Response(answer.status, await answer.text(), answer.headers)

    async def close(self) -> None:
        """Closes the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _address(self, url: str, params: Mapping[str, object] | None) -> URL:
        """Encoded here and once: a + of a number is %2B and nothing else."""
        asked = f"?{urlencode(params, doseq=True)}" if params else ""
        return URL(self._host + url.removeprefix(_HOST) + asked, encoded=True)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._limit)
        return self._session


class Api:
    """The SDK's clients by tenant, over one pool of connections."""

    def __init__(self, accounts: Accounts, *, timeout: float = 10.0, host: str = _HOST) -> None:
        """`timeout` seconds after a question its outcome is unknown."""
        self.accounts = accounts
        self._http = Http(timeout, host)
        self._clients: dict[Account, Any] = {}

    def of(self, tenant: str) -> Any:
        """The SDK's client on a tenant's account; the SDK has no types."""
        account = self.accounts.of(tenant)
        if account not in self._clients:
            self._clients[account] = Client(account.sid, account.token, http_client=self._http)
        return self._clients[account]

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.close()


async def asked(question: Awaitable[T]) -> T:
    """An answer of Twilio's. Raises Declined where it says no, and Doubtful where nobody knows."""
    try:
        return await question
    except TwilioRestException as refused:
        raise _meaning(refused) from None
    except (TimeoutError, TwilioException, aiohttp.ClientError, OSError, ValueError) as lost:
        raise Doubtful(f"no answer from Twilio: {type(lost).__name__}") from None


def _meaning(refused: Any) -> Exception:
    """A refusal names Twilio's code alone: its text repeats the number."""
    if refused.status >= 500 or refused.status == 408:
        return Doubtful(f"Twilio answered {refused.status}")
    ending = CallEnding.WRONG_NUMBER if refused.code in _NO_SUCH_NUMBER else CallEnding.FAILED
    return Declined(ending, f"Twilio refused: {refused.status}, code {refused.code}")
