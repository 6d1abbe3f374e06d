"""What the gateway is told by its environment."""

from typing import ClassVar

from pydantic import Field, field_validator

from kit.settings import ServiceSettings

TARGET_PATTERN = r"^[A-Za-z0-9._-]+:[0-9]{1,5}$"


class GatewaySettings(ServiceSettings):
    """Ports of Envoy and of the JSON edge, where the services are, and how much the outside may ask for."""

    service: ClassVar[str] = "gateway"

    port: int = Field(8480, ge=1, le=65535)
    """Port of Envoy: gRPC, gRPC-Web and JSON for everybody outside."""
    admin_port: int = Field(8481, ge=1, le=65535)
    """Port of Envoy's own pages (statistics, readiness); always on loopback."""
    edge_port: int = Field(8414, ge=0, le=65535)
    """Port of the JSON edge, which Envoy asks about every JSON request; 0 takes any free one."""

    identity_target: str = Field("127.0.0.1:8411", pattern=TARGET_PATTERN)
    """Where identity's gRPC server is, as host:port."""
    booking_target: str = Field("127.0.0.1:8412", pattern=TARGET_PATTERN)
    """Where booking's gRPC server is, as host:port."""
    geo_target: str = Field("127.0.0.1:8413", pattern=TARGET_PATTERN)
    """Where geo's gRPC server is, as host:port."""
    reminders_target: str = Field("127.0.0.1:8415", pattern=TARGET_PATTERN)
    """Where reminders' gRPC server is, as host:port."""
    edge_target: str = ""
    """Where Envoy finds the JSON edge, as host:port; empty: on this machine, at `edge_port`."""

    token_filter_file: str = ""
    """Where Envoy discovers the keys of tokens: written with its configuration, and by `serve` while Envoy
    runs, whenever `jwks_file` changes. Empty: beside Envoy's configuration, and `serve` leaves it alone."""

    max_body_bytes: int = Field(1 << 20, ge=1 << 10, le=16 << 20)
    """Longest request body that is taken, in bytes."""
    max_response_bytes: int = Field(8 << 20, ge=1 << 10, le=64 << 20)
    """Longest JSON answer that is passed on, in bytes."""
    timeout_seconds: int = Field(30, ge=1, le=300)
    """How long a service may work on one call."""
    rate_limit_per_second: int = Field(5000, ge=1)
    """Requests a second, all callers together, above which Envoy answers 429; bursts of twice that pass."""
    max_connections: int = Field(10_000, ge=1)
    """Connections from outside at one time."""
    max_heap_mib: int = Field(512, ge=64)
    """Memory that Envoy may use, in MiB; near it requests are refused instead of the process being killed."""
    cors_origins: str = ""
    """Web origins that a browser may call from, separated by commas; empty: none (no CORS at all)."""

    @field_validator("edge_target")
    @classmethod
    def _edge_is_a_target(cls, value: str) -> str:
        if value and ":" not in value:
            raise ValueError("must be host:port")
        return value

    @property
    def edge(self) -> str:
        """Where Envoy finds the JSON edge."""
        return self.edge_target or f"127.0.0.1:{self.edge_port}"

    @property
    def origins(self) -> list[str]:
        """The web origins, one by one."""
        return [origin.strip() for origin in self.cors_origins.split(",") if origin.strip()]
