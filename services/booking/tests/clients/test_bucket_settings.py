"""What the bucket is told, and what it does not tell."""

from typing import Any

import pytest

from booking.app import _SERVES, BookingApp
from booking.clients.document_bucket import Bucket, DocumentBucket
from booking.clients.document_folder import DocumentFolder
from booking.settings import Settings
from kit.settings import SettingsError


@pytest.mark.parametrize("endpoint", ["no address", "s3.example.org", "http://"])
def test_an_address_that_is_none_is_refused_at_start(endpoint: str) -> None:
    with pytest.raises(SettingsError, match="GIRO_S3_ENDPOINT"):
        DocumentBucket(Bucket("documents", endpoint, "us-east-1", "k", "s"))


@pytest.mark.asyncio
async def test_the_settings_choose_the_store() -> None:
    told = dict.fromkeys(_SERVES, "x" * 32)
    assert isinstance(BookingApp(Settings(**told))._documents(), DocumentFolder)
    app = BookingApp(Settings(**told, s3_bucket="documents", s3_region="eu-south-1"))
    assert isinstance(app._documents(), DocumentBucket)
    await app.stop()


def test_keys_are_in_no_text() -> None:
    told = {"s3_access_key_id": "hidden", "s3_secret_access_key": "hidden"}
    assert "hidden" not in repr(Bucket("documents", "", "", "hidden", "hidden"))
    assert "hidden" not in repr(Settings(**told))


@pytest.mark.parametrize("told", [{"s3_access_key_id": "k"}, {"s3_secret_access_key": "s"}])
def test_half_a_key_is_refused(told: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="GIRO_S3_SECRET_ACCESS_KEY"):
        Settings(**told)
