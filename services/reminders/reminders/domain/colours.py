"""The four colours of an appointment with reminders (R-123 to R-127)."""

from enum import StrEnum

from reminders.domain.reminder import Answer


class Colour(StrEnum):
    """What the calendar shows; an appointment without reminders has none (R-127)."""

    GREY = "GREY"
    """Not reminded yet (R-123)."""
    GREEN = "GREEN"
    """Will come (R-124)."""
    RED = "RED"
    """Will not come (R-125)."""
    ORANGE = "ORANGE"
    """No answer was obtained (R-126)."""


def after_answer(answer: Answer) -> Colour:
    """An answer decides, whatever the colour was; the latest counts."""
    return Colour.GREEN if answer is Answer.COMING else Colour.RED


def after_silence(colour: Colour | None) -> Colour | None:
    """A call without answer, or no attempt left: only grey turns orange; what was answered stays."""
    return Colour.ORANGE if colour is Colour.GREY else colour
