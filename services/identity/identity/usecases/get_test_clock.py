"""The tenant's clock."""

from dataclasses import dataclass
from datetime import timedelta

from identity.domain.testclock import TestClock
from identity.storage import testclocks
from kit.db.engine import Database


@dataclass(frozen=True, slots=True)
class GetTestClock:
    """The database's clock, plus the test clock's offset in sandbox mode."""

    db: Database
    sandbox: bool

    async def run(self, tenant_id: str) -> TestClock:
        """The tenant's present instant, and its offset, zero outside sandbox mode."""
        async with self.db.uow(tenant_id) as tx:
            offset = await testclocks.offset(tx) if self.sandbox else timedelta(0)
            return TestClock(await tx.now(), offset)
