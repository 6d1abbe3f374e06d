"""Recomputes the guarantee for all tenants, for the gauge that is alerted on."""

from typing import Final

from prometheus_client import Gauge

from geo.storage import watch
from geo.usecases.ledger import Ledger
from geo.usecases.slices import Slices
from geo.usecases.verify_invariants import verify_invariants
from kit import telemetry

violations: Final = Gauge(
    "giro_geo_invariant_violations", "Broken promises of the travel guarantee at the last check"
)
checked: Final = Gauge("giro_geo_invariant_pairs", "Consecutive stops looked at by the last check")

_log = telemetry.logger("geo.watch_invariants")

_SHARE: Final = 0.1
"""Of the time, for the check: it runs in the process that answers searches."""


async def watch_invariants(ledger: Ledger) -> int:
    """How many promises are broken, over all tenants; each one is logged."""
    async with ledger.db.worker() as tx:
        tenants = await watch.tenants(tx)
    pairs = broken = 0
    slices = Slices(_SHARE)
    for tenant in tenants:
        report = await verify_invariants(ledger, tenant, slices=slices)
        pairs, broken = pairs + report.pairs, broken + len(report.violations)
        for violation in report.violations:
            _log.error("promise broken", tenant=tenant, violation=violation)
    violations.set(broken)
    checked.set(pairs)
    return broken
