"""Moves the tenant's test clock forward."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from identity.domain.roles import Granted
from identity.domain.testclock import TestClock, advanced, check_may_move, check_sandbox
from identity.storage import testclocks
from identity.usecases.answers import keep_clock, kept_clock
from kit.db.claims import Claim
from kit.db.engine import Database


@dataclass(frozen=True, slots=True)
class AdvanceTestClock:
    """Every time rule of the tenant follows at once: all services read the offset in their transactions."""

    db: Database
    sandbox: bool

    async def run(self, tenant_id: str, by: timedelta, claim: Claim, mover: Sequence[Granted]) -> TestClock:
        """Raises RuleViolated (SANDBOX_OFF), InvalidInput (by), NotAllowed for a mover of one campaign."""
        check_sandbox(sandbox=self.sandbox)
        check_may_move(mover)
        async with self.db.uow(tenant_id, claim) as tx:
            if tx.duplicate:
                return kept_clock(tx.first_answer)
            ahead = advanced(await testclocks.lock(tx), by)
            await testclocks.move(tx, ahead)
            clock = TestClock(await tx.now(), ahead)
            tx.answer(keep_clock(clock))
        return clock
