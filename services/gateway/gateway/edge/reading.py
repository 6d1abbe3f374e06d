"""Strict reading of a body as JSON, and of a query string."""

import json
from typing import Any, Final, NoReturn
from urllib.parse import unquote_to_bytes

_PERCENT: Final = "%"
_HEX: Final = frozenset("0123456789abcdefABCDEF")


class MalformedError(Exception):
    """No JSON, or no query: what is wrong, and the `field` where one can be named."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.field = field


def read_json(body: bytes) -> Any:
    """The JSON value in `body`. Raises MalformedError: no UTF-8, no JSON, a key twice, NaN, too deep."""
    try:
        return json.loads(body.decode(), object_pairs_hook=_object, parse_constant=_no_constant)
    except UnicodeDecodeError as wrong:
        raise MalformedError(f"the body is not UTF-8 text (byte {wrong.start})") from None
    except json.JSONDecodeError as wrong:
        where = f"line {wrong.lineno}, column {wrong.colno}"
        raise MalformedError(f"the body is no JSON: {wrong.msg} ({where})") from None
    except RecursionError:
        raise MalformedError("the body is nested too deeply") from None
    except ValueError:
        # Python refuses to read integers of thousands of digits
        raise MalformedError("the body holds a number that is too long") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise MalformedError(f"{twice[:100]!r} is given twice", twice[:100])
    return found


def _no_constant(constant: str) -> NoReturn:
    raise MalformedError(f"{constant} is no JSON number")


def read_query(query: str) -> list[tuple[str, str]]:
    """Names and values of a query string, in order. A plus sign is itself, so instants need no escaping.

    Raises MalformedError for a broken percent escape or bytes that are no UTF-8.
    """
    pairs = [part.partition("=") for part in query.split("&") if part]
    return [(unescape(name), unescape(value)) for name, _, value in pairs]


def unescape(text: str) -> str:
    """`text` with its percent escapes undone. Raises MalformedError."""
    if _PERCENT not in text:
        return text
    for escape in text.split(_PERCENT)[1:]:
        if len(escape) < 2 or not _HEX.issuperset(escape[:2]):
            raise MalformedError("the address holds a broken percent escape")
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        raise MalformedError("the address holds percent escapes that are not UTF-8 text") from None
