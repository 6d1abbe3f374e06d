"""What booking is told by its environment; the only place that names it."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field, model_validator

from kit.settings import ServiceSettings


class Settings(ServiceSettings):
    """GIRO_<FIELD>, or GIRO_BOOKING_<FIELD> where booking differs from the other services."""

    service: ClassVar[str] = "booking"

    slot_token_key: str = Field("", repr=False)
    """Secret of at least 32 characters that slot tokens and page tokens are sealed with."""
    geo_target: str = "127.0.0.1:8413"
    """host:port of geo."""
    ledger_timeout: float = Field(5.0, gt=0, le=30)
    """Seconds to wait for one answer of geo; longer means that its outcome is unknown."""
    settle_after: float = Field(15.0, gt=0)
    """Seconds, by the database's clock, after which a change that nobody finished is settled.

    Longer than `ledger_timeout`, so that a change still under way is left alone.
    """

    @property
    def series_within(self) -> float:
        """Seconds that all stops of a series together may take, so that it is not settled meanwhile."""
        return self.settle_after * 0.8

    settle_every: float = Field(2.0, gt=0)
    """Seconds between two looks for changes to settle."""
    moves_at_once: int = Field(100, ge=1, le=100)
    """Appointments that a scheduled procedure begins to move, and follows, in one transaction; their rows are
    locked meanwhile."""
    recover_every: float = Field(60.0, gt=0)
    """Seconds between two looks for cancelled appointments that may be made up (R-138)."""
    documents_folder: Path = Path(".run/documents")
    """Where the bytes of documents lie; a volume of its own, kept with the database's backups. Several
    instances need one folder in common, or a bucket."""
    s3_bucket: str = ""
    """Bucket of an S3-compatible service that they lie in instead; empty for the folder. It must be there."""
    s3_endpoint: str = ""
    """Address of that service, as in https://s3.example.org; empty for AWS itself."""
    s3_region: str = ""
    """Its region; empty where the service has none, and for AWS's own settings."""
    s3_access_key_id: str = Field("", repr=False)
    """The key for it; empty where AWS's own tools would find one (their variables, the machine's role)."""
    s3_secret_access_key: str = Field("", repr=False)
    """The key's secret."""
    clamd: str = Field("", pattern=r"^$|^[^\s:]+:[0-9]{1,5}$")
    """host:port of ClamAV's daemon, which looks at documents before they are kept; empty: nobody does."""
    clamd_within: float = Field(60.0, gt=0)
    """Seconds that it may take for one."""
    upload_grace: float = Field(3600.0, ge=60)
    """Seconds after which bytes that no document names are dropped; storing one document takes less."""
    sweep_every: float = Field(600.0, gt=0)
    """Seconds between two looks for such bytes."""
    offer_every: float = Field(5.0, gt=0)
    """Seconds between two looks for offers of the waiting list that have expired."""
    feed_port: int = Field(0, ge=0, le=65535)
    """Port of the HTTP server that calendar programs read agents' feeds from; 0 takes any free one."""
    feed_url: str = ""
    """Where it is reached from outside, as in https://calendars.example.org; empty: where it listens."""
    run_every: float = Field(1.0, gt=0)
    """Seconds between two looks for scheduled procedures and recalls that are due."""
    pool_size: int = Field(16, ge=2, le=200)
    """Connections to PostgreSQL."""

    @model_validator(mode="after")
    def _keys_come_in_pairs(self) -> "Settings":
        if bool(self.s3_access_key_id) != bool(self.s3_secret_access_key):
            raise ValueError("GIRO_S3_ACCESS_KEY_ID and GIRO_S3_SECRET_ACCESS_KEY go together")
        return self
