"""Rate, errors and duration of each RPC, under the names that public dashboards expect."""

from dataclasses import dataclass
from typing import Any

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram

_LABELS = ["grpc_type", "grpc_service", "grpc_method"]
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class RpcMetrics:
    """The three metrics of a process's gRPC servers; `shared()` gives the ones on its Prometheus page."""

    _shared: "RpcMetrics | None" = None

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        where = registry or CollectorRegistry()
        self.started = Counter("grpc_server_started_total", "RPCs begun", _LABELS, registry=where)
        self.handled = Counter(
            "grpc_server_handled_total", "RPCs ended, by code", [*_LABELS, "grpc_code"], registry=where
        )
        self.seconds = Histogram(
            "grpc_server_handling_seconds", "Duration of RPCs", _LABELS, buckets=_BUCKETS, registry=where
        )

    @classmethod
    def shared(cls) -> "RpcMetrics":
        """The metrics on the process's page; several servers in one process share them."""
        if cls._shared is None:
            cls._shared = cls(REGISTRY)
        return cls._shared

    def of(self, kind: str, service: str, method: str) -> "MethodMetrics":
        """The metrics of one method, looked up once; kind is `unary` or `server_stream` and the like."""
        labels = (kind, service, method)
        return MethodMetrics(self, labels, self.started.labels(*labels), self.seconds.labels(*labels), {})


@dataclass(frozen=True, slots=True)
class MethodMetrics:
    """Counts one method's calls without looking labels up each time."""

    metrics: RpcMetrics
    labels: tuple[str, str, str]
    started: Any
    seconds: Any
    handled: dict[str, Any]

    def begin(self) -> None:
        """Counts a call that begins."""
        self.started.inc()

    def end(self, code: str, seconds: float) -> None:
        """Counts a call that ended with this status code's name, as in `FAILED_PRECONDITION`."""
        counter = self.handled.get(code)
        if counter is None:
            spoken = code.replace("_", " ").title().replace(" ", "") if code != "OK" else code
            counter = self.handled[code] = self.metrics.handled.labels(*self.labels, spoken)
        counter.inc()
        self.seconds.observe(seconds)
