"""Settings from the environment, typed, complete at start or not started at all.

A service subclasses `ServiceSettings` with its own `service` name and fields. A field `lead` of service
"booking" is read from GIRO_BOOKING_LEAD, or else from GIRO_LEAD, which all services share.
"""

import os
from typing import Any, ClassVar

from pydantic import Field, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)


class SettingsError(Exception):
    """Settings that a service cannot start with; each line names one environment variable."""


class _ServiceEnvironment(EnvSettingsSource):
    """Looks a field up as GIRO_<SERVICE>_<FIELD> first and as GIRO_<FIELD> second."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        value, key, is_complex = super().get_field_value(field, field_name)
        service: str = getattr(self.settings_cls, "service", "")
        own = self.env_vars.get(f"giro_{service}_{field_name}".lower())
        return (value if own is None else own), key, is_complex


class ServiceSettings(BaseSettings):
    """What every service is told. Raises SettingsError, naming the variables, for missing or wrong ones."""

    model_config = SettingsConfigDict(env_prefix="GIRO_", extra="forbid", frozen=True)

    service: ClassVar[str] = ""
    """Name of the service: its schema, its subject token and the middle of its variables' names."""

    host: str = "127.0.0.1"
    """Address that the gRPC server and the metrics page listen on."""
    port: int = Field(0, ge=0, le=65535)
    """Port of the gRPC server; 0 takes any free one."""
    metrics_port: int = Field(0, ge=0, le=65535)
    """Port of the Prometheus page; 0 serves none."""

    database_url: str = Field("", repr=False)
    """PostgreSQL as the service's application role."""
    worker_database_url: str = Field("", repr=False)
    """PostgreSQL as the service's worker role, which finds work across tenants."""
    migrate_database_url: str = Field("", repr=False)
    """PostgreSQL as the owner of the service's schema; only `migrate` needs it."""
    nats_url: str = Field("", repr=False)
    """NATS with JetStream."""
    stream_replicas: int = Field(1, ge=1, le=5)
    """Copies of each stream: 1 on a laptop, 3 in production."""

    jwks_file: str = ""
    """File with the public keys that user tokens are verified with (a JWK set)."""
    service_key: str = Field("", repr=False)
    """Secret of at least 32 characters that services sign their tokens to each other with."""

    sandbox: bool = False
    """Whether tenants have test clocks; refused in production."""
    production: bool = False
    """Whether this is a production installation."""
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")
    """Least level that is logged."""

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as refused:
            raise SettingsError(_readable(type(self), refused)) from None

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, *_: Any, **__: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, _ServiceEnvironment(settings_cls)

    @model_validator(mode="after")
    def _sandbox_stays_out_of_production(self) -> "ServiceSettings":
        if self.sandbox and self.production:
            raise ValueError("GIRO_SANDBOX is refused in production (GIRO_PRODUCTION)")
        if self.service_key and len(self.service_key) < 32:
            raise ValueError("GIRO_SERVICE_KEY is shorter than 32 characters")
        return self

    def require(self, *fields: str) -> None:
        """Raises SettingsError unless each of these fields is set; for what only some services need."""
        missing = [f"{variable(type(self), name)} is not set" for name in fields if not getattr(self, name)]
        if missing:
            raise SettingsError("\n".join(missing))


def variable(settings: type[ServiceSettings], field: str) -> str:
    """Name of the environment variable that a message about this field should give."""
    own = f"GIRO_{settings.service}_{field}".upper()
    shared = f"GIRO_{field}".upper()
    per_service = {"port", "metrics_port", "database_url", "worker_database_url", "migrate_database_url"}
    if not settings.service or (field not in per_service and own not in os.environ):
        return shared
    return own


def _readable(settings: type[ServiceSettings], refused: ValidationError) -> str:
    return "\n".join(_line(settings, error) for error in refused.errors(include_input=False))


def _line(settings: type[ServiceSettings], error: ErrorDetails) -> str:
    if not error["loc"]:
        return error["msg"].removeprefix("Value error, ")
    name = variable(settings, str(error["loc"][0]))
    return f"{name} is not set" if error["type"] == "missing" else f"{name}: {error['msg']}"
