"""What reminders is told by its environment; the only place that names it."""

from typing import ClassVar, Literal

from pydantic import Field

from kit.settings import ServiceSettings


class Settings(ServiceSettings):
    """GIRO_<FIELD>, or GIRO_REMINDERS_<FIELD> where reminders differs from the other services."""

    service: ClassVar[str] = "reminders"

    booking_target: str = "127.0.0.1:8412"
    """host:port of booking."""
    voice_provider: Literal["", "simulated"] = ""
    """Who places calls; empty: the simulated carrier in the sandbox, and nothing starts outside of it."""
    make_every: float = Field(0.25, gt=0, le=60)
    """Seconds between two looks for reminders that are due, when the last one found none."""
    look_up_every: float = Field(2.0, gt=0, le=600)
    """Seconds between two looks for calls that are in doubt."""
    lease: float = Field(30.0, ge=1, le=600)
    """Seconds from a claim to its attempt's row, after which another worker may claim the same."""
    give_up: float = Field(20.0, ge=1, le=600)
    """Seconds from an attempt's row after which its call must not begin to ring any more."""
    at_once: int = Field(32, ge=1, le=1000)
    """Reminders that one process has in hand at a time."""
    pool_size: int = Field(16, ge=2, le=200)
    """Connections to PostgreSQL."""
