"""The unit of work: the only way to change anything.

`async with db.uow(tenant, claim) as tx:` is one READ COMMITTED transaction. Its first round trip begins it
and sets the tenant that row-level security goes by, and the timeouts that keep a frozen client from holding
others up.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Final, cast

from google.protobuf.message import Message
from sqlalchemy import Executable

from kit import subjects, telemetry
from kit.db import claims, failures, guard, outbox
from kit.db.claims import Claim, ClaimStatements
from kit.db.execution import Rows, execute
from kit.db.outbox import OutboxStatements, Outgoing
from kit.db.pool import Connection, Pool
from kit.deadline import time_left
from kit.errors import Conflict, Reason
from kit.values.ids import new_id

_log = telemetry.logger("kit.db")

_TENANT: Final = re.compile(r"^[A-Za-z0-9_-]{1,64}$")
NOW: Final = {
    False: "clock_timestamp()",
    True: "(clock_timestamp() + make_interval(secs => coalesce("
    "(SELECT offset_seconds FROM sandbox.test_clocks WHERE tenant_id = current_setting('giro.tenant')), 0)))",
}
"""What `tx.now()` reads, without and with sandbox mode, for statements that read the clock along the way."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds after which the database gives up: on a lock, on a statement, on a client that has gone
    quiet."""

    lock: float = 2.0
    statement: float = 5.0
    idle: float = 5.0


@dataclass(frozen=True, slots=True)
class Source:
    """Where units of work come from; made by `Database`."""

    pool: Pool
    service: str
    constraints: failures.Constraints
    claims: ClaimStatements
    outbox: OutboxStatements
    sandbox: bool
    events_committed: Callable[[], None]


class Tx:
    """An open transaction of one tenant."""

    def __init__(self, source: Source, tenant: str, connection: Connection) -> None:
        self.tenant = tenant
        self.sandbox = source.sandbox
        """Whether the tenant's clock may be a test clock."""
        self.duplicate = False
        """True when a committed transaction took effect under this claim before: do nothing again."""
        self.first_answer: bytes | None = None
        """What that transaction answered, if it did."""
        self.claim_ref: str | None = None
        """What that transaction referred to, if it did: the id of what it made."""
        self.is_open = True
        self.failure: BaseException | None = None
        self.lost = False
        self.events: list[Outgoing] = []
        self.callbacks: list[Callable[[], None]] = []
        self.connection = connection
        self.claim: Claim | None = None
        self._source = source
        self._answer: bytes | None = None
        self._ref: str | None = None

    async def run(self, statement: Executable, params: Mapping[str, Any] | None = None) -> Rows:
        """Runs one SQLAlchemy Core statement or `text()`. Statements built once, at import, run fastest.

        Raises Conflict (CONTENTION) for a lock not had in time or a deadlock, Unavailable for a database that
        does not answer, and the error that the service's constraints name for a violation.
        """
        try:
            return await execute(self.connection, statement, params)
        except failures.DRIVER_ERRORS as error:
            raise self.failed(error) from error

    async def now(self) -> datetime:
        """The database's clock at this moment, with the tenant's test clock on top in sandbox mode.

        Each call reads it anew, so call it after the lock that the decision depends on.
        """
        query = f"SELECT {NOW[self.sandbox]}"
        try:
            found = await (await self.connection.execute(query)).fetchone()
        except failures.DRIVER_ERRORS as error:
            raise self.failed(error) from error
        moment: datetime = cast(tuple[datetime], found)[0]
        return moment

    def emit(self, subject_tail: str, entity_id: str, message: Message) -> str:
        """Tells an event, as in `tx.emit("appointment.booked", appointment_id, event)`; gives the event's id.

        It is sent once this transaction is committed, after earlier events of the same entity. Raises
        ValueError for a payload over 512 KiB.
        """
        payload = message.SerializeToString()
        if len(payload) > outbox.MAX_EVENT_BYTES:
            raise ValueError(f"event {subject_tail} has {len(payload)} bytes: too many")
        event_id = new_id("evt")
        subject = subjects.evt(self.tenant, self._source.service, subject_tail)
        headers = {"traceparent": telemetry.traceparent(), "x-request-id": telemetry.request_id()}
        self.events.append(Outgoing(event_id, subject, entity_id, headers, payload))
        return event_id

    def on_commit(self, callback: Callable[[], None]) -> None:
        """Calls `callback()` once this transaction is committed; not at all when it is not."""
        self.callbacks.append(callback)

    def answer(self, response: bytes) -> None:
        """Keeps the answer that whoever repeats this transaction's claim will get."""
        self._require_claim()
        self._answer = response

    def refer(self, ref: str) -> None:
        """Keeps what this transaction's claim is about, for a repetition before there is an answer."""
        self._require_claim()
        self._ref = ref

    async def answer_claim(self, key: str, response: bytes) -> None:
        """Keeps the answer to a claim that an earlier transaction of the same saga took."""
        settled = await self._settle(key, response, None)
        if not settled:
            raise LookupError(f"claim {key} was never taken")

    async def claim_all(self, claimed: Sequence[Claim]) -> frozenset[str]:
        """Claims several keys, as the first statement of a transaction without a claim of its own; those that
        are fresh. Who has many events to handle claims each.

        Raises InvalidInput (REQUEST_ID_REUSED) when one was claimed with another body.
        """
        try:
            return await claims.take_all(self.connection, self._source.claims, self.tenant, claimed)
        except failures.DRIVER_ERRORS as error:
            raise self.failed(error) from error

    async def begin(self, claim: Claim | None) -> None:
        """Takes the claim, if any. For the unit of work."""
        if claim is None:
            return
        self.claim = claim
        try:
            earlier = await claims.take(self.connection, self._source.claims, self.tenant, claim)
        except failures.DRIVER_ERRORS as error:
            if isinstance(self.failed(error), Conflict):  # the same key is under way elsewhere
                message = "this request_id is being worked on; ask again with the same one"
                self.failure = Conflict(Reason.REQUEST_IN_FLIGHT, message, field="request_id")
            raise cast(BaseException, self.failure) from error
        if earlier is not None:
            self.duplicate, self.first_answer, self.claim_ref = True, earlier.answer, earlier.ref

    async def flush(self) -> None:
        """Writes the events and the claim's answer. For the unit of work."""
        try:
            await self._flush()
        except failures.DRIVER_ERRORS as error:
            raise self.failed(error) from error

    async def _flush(self) -> None:
        settles = self.claim is not None and (self._answer is not None or self._ref is not None)
        if self.claim is not None and settles and len(self.events) == 1:
            settling = (self._answer, self._ref, self.tenant, self.claim.key)
            told = outbox.values(self.tenant, self.events[0])
            await self.connection.execute(self._source.outbox.settle_and_one, (*settling, *told))
            return
        if self.claim is not None and settles:
            await self._settle(self.claim.key, self._answer, self._ref)
        if self.events:
            await outbox.write(self.connection, self._source.outbox, self.tenant, self.events)

    def failed(self, error: BaseException) -> BaseException:
        """Notes that the transaction cannot be committed any more; gives the error to raise."""
        self.failure = failures.translate(error, self._source.constraints) or error
        self.lost = failures.broke_connection(error)
        return self.failure

    async def _settle(self, key: str, answer: bytes | None, ref: str | None) -> int:
        try:
            cursor = await self.connection.execute(
                self._source.claims.settle, (answer, ref, self.tenant, key)
            )
        except failures.DRIVER_ERRORS as error:
            raise self.failed(error) from error
        changed: int = cursor.rowcount
        return changed

    def _require_claim(self) -> None:
        if self.claim is None:
            raise RuntimeError("this transaction has no claim to answer")


class UnitOfWork:
    """One transaction as an async context manager; see `Database.uow`."""

    def __init__(self, source: Source, tenant: str, claim: Claim | None, timeouts: Timeouts) -> None:
        if not _TENANT.match(tenant):
            raise ValueError(f"{tenant!r} is no id of a tenant")
        self._source, self._tenant, self._claim = source, tenant, claim
        self._timeouts = timeouts
        self._tx: Tx | None = None
        self._outer: guard.Open | None = None

    async def __aenter__(self) -> Tx:
        tx = self._tx = await self._begin()
        self._outer = guard.transaction.get()
        guard.transaction.set(tx)
        try:
            await tx.begin(self._claim)
        except BaseException:
            await self._roll_back(tx)
            raise
        return tx

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        tx = cast(Tx, self._tx)
        if error is not None or tx.failure is not None:
            await self._roll_back(tx)
            if error is None and tx.failure is not None:
                raise tx.failure  # swallowed inside: PostgreSQL would turn the commit into a rollback unseen
            return
        await self._commit(tx)

    async def _begin(self) -> Tx:
        try:
            return await self._begun()
        except failures.DRIVER_ERRORS as error:
            raise self._translated(error) from error

    async def _begun(self) -> Tx:
        first = self._first_statement()
        for last in (False, True):
            connection = await self._source.pool.acquire()
            try:
                await connection.execute(first)
            except BaseException as error:
                broken = failures.broke_connection(error)
                await (self._source.pool.discard if broken else self._source.pool.drop)(connection)
                if last or not broken:
                    raise
                continue  # nothing has been done on it, so another connection may begin instead
            return Tx(self._source, self._tenant, connection)
        raise AssertionError("unreachable")

    def _first_statement(self) -> str:
        left = time_left()
        statement = self._timeouts.statement
        if left is not None:
            statement = max(0.001, min(left, statement))
        lock = min(self._timeouts.lock, statement)
        # the tenant's characters were checked, so all this can be one simple query: one round trip
        return (
            f"BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL giro.tenant = '{self._tenant}'; "
            f"SET LOCAL lock_timeout = {lock * 1000:.0f}; "
            f"SET LOCAL statement_timeout = {statement * 1000:.0f}; "
            f"SET LOCAL idle_in_transaction_session_timeout = {self._timeouts.idle * 1000:.0f}"
        )

    async def _commit(self, tx: Tx) -> None:
        try:
            await tx.flush()
            await self._send_commit(tx)
        except BaseException:
            await self._roll_back(tx)
            raise
        self._close(tx)
        await self._source.pool.release(tx.connection)
        if tx.events:
            self._source.events_committed()
        for callback in tx.callbacks:
            _call(callback)

    async def _send_commit(self, tx: Tx) -> None:
        try:
            await tx.connection.commit()
        except failures.DRIVER_ERRORS as error:
            if failures.broke_connection(error):
                raise failures.outcome_unknown() from error
            raise self._translated(error) from error

    async def _roll_back(self, tx: Tx) -> None:
        self._close(tx)
        if tx.lost:
            await self._source.pool.discard(tx.connection)
            return
        try:
            await self._source.pool.roll_back(tx.connection)
        except failures.DRIVER_ERRORS:
            await self._source.pool.discard(tx.connection)
        except BaseException:
            await self._source.pool.drop(tx.connection)
            raise
        else:
            await self._source.pool.release(tx.connection)

    def _close(self, tx: Tx) -> None:
        tx.is_open = False
        guard.transaction.set(self._outer)

    def _translated(self, error: BaseException) -> BaseException:
        return failures.translate(error, self._source.constraints) or error


def _call(callback: Callable[[], None]) -> None:
    try:
        callback()
    except Exception as error:
        _log.error("callback after a commit failed", exc_info=error)
