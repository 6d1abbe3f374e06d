"""A document store in a bucket of an S3-compatible service (ADR 0028)."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import IO, Any, Final, TypeVar

import boto3
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from booking.usecases.document_store import checked, unavailable
from kit import telemetry
from kit.db import guard
from kit.errors import Unavailable
from kit.settings import SettingsError

T = TypeVar("T")

_PIECE: Final = 256 * 1024
_PART: Final = 8 * 1024 * 1024
_AT_ONCE: Final = 8
_FAILURES: Final = (BotoCoreError, ClientError, Boto3Error, OSError)

_TRANSFER: Final = TransferConfig(multipart_threshold=_PART, multipart_chunksize=_PART, use_threads=False)
"""A part of a long document is in memory at a time; a short one goes straight from its file."""

_CONFIG: Final = Config(
    connect_timeout=2,
    read_timeout=10,
    retries={"mode": "standard", "total_max_attempts": 3},
    max_pool_connections=_AT_ONCE,
    s3={"addressing_style": "path"},  # names of buckets need no DNS of their own
    # checksums in trailers are unknown to many services that speak S3; the document's own is in its row
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
)

_log = telemetry.logger(__name__)


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where it is: `endpoint` empty for AWS itself, keys empty where AWS's own tools would find them."""

    name: str
    endpoint: str = ""
    region: str = ""
    access_key_id: str = field(default="", repr=False)
    secret_access_key: str = field(default="", repr=False)


class DocumentBucket:
    """Implements `usecases.document_store.DocumentStore`. Its work is done in threads of its own."""

    def __init__(self, bucket: Bucket) -> None:
        """Asks nothing of the service yet. Raises SettingsError for an address that is none."""
        self._name = bucket.name
        self._client = _client(bucket)
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="documents")

    def close(self) -> None:
        """Begins nothing more; what is under way ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._client.close()

    async def put(self, key: str, content: IO[bytes]) -> None:
        """Keeps the whole of a file or nothing: parts of one that fails are dropped."""
        guard.refuse_remote_call("document store")
        checked(key)
        await self._run(lambda: self._client.upload_fileobj(content, self._name, key, Config=_TRANSFER))

    async def read(self, key: str) -> AsyncIterator[bytes]:
        """The bytes in pieces."""
        guard.refuse_remote_call("document store")
        where = {"Bucket": self._name, "Key": checked(key)}
        body = (await self._run(lambda: self._client.get_object(**where)))["Body"]
        try:
            while piece := await self._run(lambda: body.read(_PIECE)):
                yield piece
        finally:
            body.close()

    async def drop(self, key: str) -> None:
        """Forgets a key and the parts of uploads that never ended."""
        guard.refuse_remote_call("document store")
        checked(key)
        await self._run(lambda: self._drop(key))

    def _drop(self, key: str) -> None:
        where = {"Bucket": self._name, "Key": key}
        found = self._client.get_paginator("list_multipart_uploads").paginate(Bucket=self._name, Prefix=key)
        for upload in (upload for page in found for upload in page.get("Uploads", ())):
            if upload["Key"] == key:
                self._client.abort_multipart_upload(**where, UploadId=upload["UploadId"])
        self._client.delete_object(**where)

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except _FAILURES as failure:
            raise _unavailable(failure) from failure


def _client(bucket: Bucket) -> Any:
    try:
        return boto3.session.Session().client(
            "s3",
            endpoint_url=bucket.endpoint or None,
            region_name=bucket.region or None,
            aws_access_key_id=bucket.access_key_id or None,
            aws_secret_access_key=bucket.secret_access_key or None,
            config=_CONFIG,
        )
    except (ValueError, BotoCoreError) as refused:
        raise SettingsError(f"GIRO_S3_ENDPOINT, GIRO_S3_REGION: {refused}") from None


def _unavailable(failure: Exception) -> Unavailable:
    """Says the kind of failure alone; the words of the service are for the log."""
    known = failure.response.get("Error", {}).get("Code") if isinstance(failure, ClientError) else None
    _log.warning("document_store_failed", error=str(failure))
    return unavailable(str(known or type(failure).__name__))
