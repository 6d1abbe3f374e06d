"""Names that people read."""

from kit.errors import InvalidInput, Reason

MAX_LENGTH = 200


def check_name(text: str, field: str = "display_name") -> None:
    """Raises InvalidInput, naming `field`, for a name that is empty, too long or has control characters."""
    if not text.strip() or len(text) > MAX_LENGTH:
        message = f"must have 1 to {MAX_LENGTH} characters, not only spaces"
        raise InvalidInput(Reason.INVALID_FIELD, message, field=field)
    if not text.isprintable():
        message = "must not contain control characters or line breaks"
        raise InvalidInput(Reason.INVALID_FIELD, message, field=field)
