"""For each constraint of the schema, the error that its violation stands for.

`ARBITERS` decide which of two callers at once was first, or whether what a caller names is there: they are
expected to fire. What the others guard is checked before under a lock: one that fires tells of a path
that forgot.
"""

from collections.abc import Callable, Mapping
from typing import Final

from booking.domain import errors
from kit.errors import GiroError, Reason, RuleViolated

ARBITERS: Final[Mapping[str, Callable[[], GiroError]]] = {
    "waitlist_entries_one_a_person": errors.waits_already,
    "parameters_campaign": lambda: errors.not_found("campaign", "campaign_id"),
}

CONSTRAINTS: Final[Mapping[str, Callable[[], GiroError]]] = {
    **ARBITERS,
    "campaigns_package": lambda: RuleViolated(Reason.PACKAGE_FULL, "the campaign's package is used up"),
    "moves_one_pending": errors.change_in_progress,
    "appointments_one_a_request": errors.request_id_reused,
    "annulment_claims_one_standing": errors.claim_exists,
    "offers_one_standing_opening_id": errors.change_in_progress,
    "offers_one_standing_entry_id": errors.change_in_progress,
    "offers_once": errors.change_in_progress,
}
"""For `Database(constraints=...)`."""
