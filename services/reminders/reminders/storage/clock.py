"""The business clock as a part of statements: what `tx.now()` reads; `:tenant` is the transaction's."""

from typing import Final

NOW: Final = {
    False: "clock_timestamp()",
    True: """
    (clock_timestamp() + make_interval(secs => coalesce(
        (SELECT offset_seconds FROM sandbox.test_clocks WHERE tenant_id = :tenant), 0)))
    """,
}
"""Without and with sandbox mode."""
