"""Claims: a key takes effect once per tenant, and whoever repeats it gets the first answer.

One mechanism for a client's `request_id` and for an event's id. The key is inserted as the transaction's
first statement; an equal key that is under way elsewhere waits for it, at most for the lock timeout.
"""

# ruff: noqa: S608 - what is put in is the schema's name, which Database has checked

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from kit.db.pool import Connection
from kit.errors import InvalidInput, Reason

RETENTION_DAYS = 30
"""Days for which a repeated key is recognised."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A key of at most 255 characters, and the bytes that must be the same when it is repeated.

    For a request: `Claim(request.request_id, request.SerializeToString(deterministic=True))`.
    """

    key: str
    body: bytes

    def __post_init__(self) -> None:
        if not 0 < len(self.key) <= 255:
            raise InvalidInput(Reason.INVALID_FIELD, "must have 1 to 255 characters", field="request_id")


@dataclass(frozen=True, slots=True)
class Earlier:
    """What the committed transaction that claimed the same key left: its answer and its reference."""

    answer: bytes | None
    ref: str | None


class ClaimStatements:
    """The SQL on one schema's claims table."""

    def __init__(self, schema: str) -> None:
        self.take = (
            f"INSERT INTO {schema}.claims (tenant_id, key, body_hash) VALUES (%s, %s, %s)"
            " ON CONFLICT (tenant_id, key) DO NOTHING"
        )
        self.take_all = (
            f"INSERT INTO {schema}.claims (tenant_id, key, body_hash)"
            " SELECT %s, * FROM unnest(%b::text[], %b::bytea[])"
            " ON CONFLICT (tenant_id, key) DO NOTHING RETURNING key"
        )
        self.read_all = f"SELECT key, body_hash FROM {schema}.claims WHERE tenant_id = %s AND key = ANY(%s)"
        self.read = f"SELECT body_hash, answer, ref FROM {schema}.claims WHERE tenant_id = %s AND key = %s"
        self.settle = (
            f"UPDATE {schema}.claims SET answer = coalesce(answer, %s), ref = coalesce(ref, %s)"
            " WHERE tenant_id = %s AND key = %s"
        )


async def take(
    connection: Connection, statements: ClaimStatements, tenant: str, claim: Claim
) -> Earlier | None:
    """Claims the key; None when it is fresh.

    Raises InvalidInput (REQUEST_ID_REUSED) when it was claimed with another body.
    """
    digest = hashlib.sha256(claim.body).digest()
    inserted = await connection.execute(statements.take, (tenant, claim.key, digest))
    if inserted.rowcount:
        return None
    found = await (await connection.execute(statements.read, (tenant, claim.key))).fetchone()
    if found is None or bytes(found[0]) != digest:
        raise _reused()
    return Earlier(found[1], found[2])


async def take_all(
    connection: Connection, statements: ClaimStatements, tenant: str, claimed: Sequence[Claim]
) -> frozenset[str]:
    """Claims several keys; those that are fresh.

    Raises InvalidInput (REQUEST_ID_REUSED) when one was claimed with another body.
    """
    # in one order, so that two who take the same keys wait for each other and do not lock each other out
    digests = {claim.key: hashlib.sha256(claim.body).digest() for claim in sorted(claimed, key=_key)}
    cursor = await connection.execute(statements.take_all, (tenant, list(digests), list(digests.values())))
    fresh = frozenset(row[0] for row in await cursor.fetchall())
    known = [key for key in digests if key not in fresh]
    if known:
        found = await (await connection.execute(statements.read_all, (tenant, known))).fetchall()
        if {key: bytes(digest) for key, digest in found} != {key: digests[key] for key in known}:
            raise _reused()
    return fresh


def _key(claim: Claim) -> str:
    return claim.key


def _reused() -> InvalidInput:
    message = "this request_id was used before, with another body"
    return InvalidInput(Reason.REQUEST_ID_REUSED, message, field="request_id")
