"""For each constraint of the schema, the error that its violation stands for.

The rules are checked before; these fire only when two callers race, or when a path forgot its check.
"""

from collections.abc import Callable, Mapping

from kit.errors import GiroError
from reminders.domain import errors

CONSTRAINTS: Mapping[str, Callable[[], GiroError]] = {
    "numbers_one_a_phone": lambda: errors.already_there("number", "phone"),
    "numbers_one_active": lambda: errors.already_there("active number", "number_id"),
}
