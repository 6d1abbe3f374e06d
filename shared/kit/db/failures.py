"""What PostgreSQL and its driver complain about, said in the words of `kit.errors`."""

from collections.abc import Callable, Mapping
from typing import Final

import psycopg
from prometheus_client import Counter
from psycopg import errors as pg
from sqlalchemy import exc as sa

from kit.errors import Conflict, GiroError, InvalidInput, Reason, Unavailable

Constraints = Mapping[str, Callable[[], GiroError]]
"""For each named constraint of a service, the error that its violation stands for."""

constraint_fired: Final = Counter(
    "giro_db_constraint_fired_total", "Writes that a database constraint refused", ["constraint"]
)

_CONTENTION: Final = (pg.LockNotAvailable, pg.DeadlockDetected, pg.SerializationFailure)

_UNAVAILABLE: Final = (
    pg.QueryCanceled,
    pg.IdleInTransactionSessionTimeout,
    pg.ReadOnlySqlTransaction,
    psycopg.OperationalError,
    psycopg.InterfaceError,
    OSError,
)
"""OperationalError covers lost and refused connections, shutdown, recovery, too many clients and full
disks."""

DRIVER_ERRORS: Final = (psycopg.Error, sa.SQLAlchemyError, OSError)
"""Everything that talking to the database may raise."""


def translate(error: BaseException, constraints: Constraints) -> GiroError | None:
    """The error a caller may see, or None when it is a defect of ours and must stay as it is."""
    cause = root(error)
    if isinstance(cause, _CONTENTION):
        return Conflict(Reason.CONTENTION, "others are changing the same data; try again")
    if isinstance(cause, psycopg.IntegrityError):
        return _violation(cause, constraints)
    if isinstance(cause, psycopg.DataError) and "NUL" in str(cause):
        return InvalidInput(Reason.INVALID_FIELD, "text must not contain the NUL character")
    if isinstance(cause, sa.TimeoutError):
        return Unavailable(Reason.DATABASE_UNAVAILABLE, "all connections to the database are in use")
    if isinstance(cause, _UNAVAILABLE):
        return Unavailable(Reason.DATABASE_UNAVAILABLE, "the database did not answer in time")
    return None


def outcome_unknown() -> Unavailable:
    """For a connection that broke while it was committing: the caller repeats with the same request id."""
    message = "the database did not confirm the change; repeat it with the same request_id"
    return Unavailable(Reason.DATABASE_UNAVAILABLE, message)


def broke_connection(error: BaseException) -> bool:
    """Whether the connection that raised this cannot be used again."""
    cause = root(error)
    if isinstance(cause, pg.FeatureNotSupported | pg.InvalidSqlStatementName):
        return True  # a statement prepared before a migration, or on another server behind a pooler
    if isinstance(cause, psycopg.InterfaceError | OSError | pg.ReadOnlySqlTransaction):
        return True  # read-only: this server was the primary once
    return isinstance(cause, psycopg.OperationalError) and (
        cause.sqlstate is None
        or (cause.sqlstate[:2] in {"08", "57"} and not isinstance(cause, pg.QueryCanceled))
    )


def root(error: BaseException) -> BaseException:
    """The driver's own error under SQLAlchemy's wrapper."""
    return error.orig if isinstance(error, sa.DBAPIError) and error.orig is not None else error


def _violation(cause: psycopg.IntegrityError, constraints: Constraints) -> GiroError | None:
    name = cause.diag.constraint_name or ""
    constraint_fired.labels(constraint=name).inc()
    make = constraints.get(name)
    return None if make is None else make()
