"""Every refusal of reminders, by name."""

from datetime import timedelta

from kit.errors import AlreadyExists, Exhausted, InvalidInput, NotFound, Reason, RuleViolated


def not_found(resource: str, field: str) -> NotFound:
    """Nothing of this id in the tenant; `field` is the request's field that carries the id."""
    return NotFound(Reason.NOT_FOUND, f"no such {resource}", metadata={"resource": resource}, field=field)


def invalid(field: str, message: str) -> InvalidInput:
    """A field that breaks its rule."""
    return InvalidInput(Reason.INVALID_FIELD, message, field=field)


def already_there(resource: str, field: str) -> AlreadyExists:
    """Something of this natural key is there already."""
    message = f"this {resource} is there already"
    return AlreadyExists(Reason.ALREADY_EXISTS, message, metadata={"resource": resource}, field=field)


def wrong_state(what: str, state: str) -> RuleViolated:
    """The state forbids the change."""
    return RuleViolated(Reason.WRONG_STATE, f"the {what} is {state}", metadata={"state": state})


def not_verified() -> RuleViolated:
    """R-109: a number that was not shown to be the organisation's own is not used."""
    message = "the number is not verified: ask for a code and send it back first"
    return RuleViolated(Reason.WRONG_STATE, message, metadata={"state": "PENDING"}, field="number_id")


def too_often(why: str, wait: timedelta) -> Exhausted:
    """Something costs money or patience, and was done often enough for now."""
    seconds = str(max(1, -(-wait // timedelta(seconds=1))))
    metadata = {"retry_after_seconds": seconds}
    return Exhausted(Reason.RATE_LIMITED, f"{why}; try again later", metadata=metadata)


def sandbox_off() -> RuleViolated:
    """Scripted answers and played time exist in sandbox mode alone."""
    return RuleViolated(Reason.SANDBOX_OFF, "this installation has no sandbox")
