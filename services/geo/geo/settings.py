"""What geo is told by its environment; the only place that names it."""

from typing import ClassVar

from pydantic import Field

from kit.settings import ServiceSettings


class GeoSettings(ServiceSettings):
    """Settings of the geo service; a field `x` is GIRO_GEO_X or GIRO_X."""

    service: ClassVar[str] = "geo"

    roads: str = ""
    """The engine of cars' travel times: a prepared graph's path without suffixes (OSRM in process),
    osrm+http://HOST:PORT, valhalla+http://HOST:PORT, matrix:FILE.csv; empty: the flagged straight-line
    estimate. Options of servers are in `geo.travel.factory`."""
    roads_bicycle: str = ""
    """The same for agents who go by bicycle; empty: nobody does, or by the estimate where cars have no roads
    either. `estimate` takes the flagged straight-line estimate."""
    roads_foot: str = ""
    """The same for agents on foot."""
    geocoder: str = ""
    """Who finds the places of addresses: table:FILE.csv, nominatim+http://HOST, photon+http://HOST; empty:
    the towns of a packaged gazetteer."""
    roads_check_seconds: float = Field(60.0, gt=0, le=86_400)
    """How often it is looked whether the roads have a new version."""
    snap_limit_m: float = Field(1000.0, gt=0, le=50_000)
    """Metres to the nearest road of the graph beyond which a place counts as unreachable."""
    database_pool: int = Field(20, ge=2, le=200)
    """Connections to the database at most."""
    sweep_seconds: float = Field(1.0, gt=0, le=60)
    """How often holds whose time is up are looked for."""
    solver_workers: int = Field(1, ge=0, le=64)
    """Processes that plan rounds, each on one core; 0: planning is refused, all else works."""
    solver_memory_mb: int = Field(1024, ge=128, le=65_536)
    """Memory that one of them may take."""
    verify_seconds: float = Field(60.0, gt=0, le=86_400)
    """How often the travel guarantee is recomputed for the gauge."""
