"""The business clock as a part of statements that read it together with what they judge by."""

from typing import Final

NOW: Final = {
    False: "clock_timestamp()",
    True: """
    (clock_timestamp() + make_interval(secs => coalesce(
        (SELECT offset_seconds FROM sandbox.test_clocks WHERE tenant_id = :tenant), 0)))
    """,
}
"""What `tx.now()` reads, without and with sandbox mode; `:tenant` is the transaction's."""
