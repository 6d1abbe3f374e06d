"""What reminders is told by its environment; the only place that names it."""

from typing import ClassVar

from pydantic import Field

from kit.settings import ServiceSettings


class Settings(ServiceSettings):
    """GIRO_<FIELD>, or GIRO_REMINDERS_<FIELD> where reminders differs from the other services."""

    service: ClassVar[str] = "reminders"

    pool_size: int = Field(16, ge=2, le=200)
    """Connections to PostgreSQL."""
