"""The ledger's statements on the driver itself: a third of the time that going through SQLAlchemy takes.

Eleven statements make one booking, so it counts. Errors come as `Tx.run` gives them.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from psycopg.rows import namedtuple_row

from kit.db.failures import DRIVER_ERRORS
from kit.db.uow import Tx

_PART: Final = 100
"""Rows made at a time, where there are many: about a millisecond's work."""


async def fetch(tx: Tx, query: str, params: Mapping[str, Any]) -> list[Any]:
    """The rows of a statement with `%(name)s` in it, as named tuples. It is prepared when it comes again."""
    try:
        async with tx.connection.cursor(row_factory=namedtuple_row, binary=True) as cursor:
            await cursor.execute(query, params)
            return await cursor.fetchall()
    except DRIVER_ERRORS as error:
        raise tx.failed(error) from error


async def fetch_parts(tx: Tx, query: str, params: Mapping[str, Any]) -> AsyncIterator[list[Any]]:
    """The same some rows at a time, all of one moment: whoever has many may let others have their turn in
    between."""
    try:
        async with tx.connection.cursor(row_factory=namedtuple_row, binary=True) as cursor:
            await cursor.execute(query, params)
            while rows := await cursor.fetchmany(_PART):
                yield rows
    except DRIVER_ERRORS as error:
        raise tx.failed(error) from error


async def fetch_one(tx: Tx, query: str, params: Mapping[str, Any]) -> Any | None:
    """The first row, or None."""
    rows = await fetch(tx, query, params)
    return rows[0] if rows else None
