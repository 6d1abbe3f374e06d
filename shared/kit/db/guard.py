"""Keeps remote calls out of open transactions: they would hold locks for as long as somebody else takes."""

from contextvars import ContextVar
from typing import Protocol


class RemoteCallInTransaction(RuntimeError):
    """A remote call was tried while a transaction was open; a defect of the calling use case."""


class Open(Protocol):
    """Something that knows whether its transaction is still open."""

    @property
    def is_open(self) -> bool:
        """False once committed or rolled back."""
        ...


transaction: ContextVar[Open | None] = ContextVar("giro_transaction", default=None)
"""The innermost transaction of this task, open or ended."""


def refuse_remote_call(what: str) -> None:
    """Raises RemoteCallInTransaction while this task has an open transaction."""
    found = transaction.get()
    if found is not None and found.is_open:
        raise RemoteCallInTransaction(f"{what} was called while a transaction is open")
