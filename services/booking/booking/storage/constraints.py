"""For each constraint of the schema, the error that its violation stands for.

The rules are checked before; these fire only when two callers race, or when a path forgot its check.
"""

from collections.abc import Callable, Mapping

from booking.domain import errors
from kit.errors import GiroError, Reason, RuleViolated

CONSTRAINTS: Mapping[str, Callable[[], GiroError]] = {
    "campaigns_package": lambda: RuleViolated(Reason.PACKAGE_FULL, "the campaign's package is used up"),
    "moves_one_pending": errors.change_in_progress,
    "appointments_one_a_request": errors.request_id_reused,
    "annulment_claims_one_standing": errors.claim_exists,
    "offers_one_standing_opening_id": errors.change_in_progress,
    "offers_one_standing_entry_id": errors.change_in_progress,
    "offers_once": errors.change_in_progress,
    "waitlist_entries_one_a_person": errors.waits_already,
    "parameters_campaign": lambda: errors.not_found("campaign", "campaign_id"),
}
