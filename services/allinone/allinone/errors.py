"""What a person is told when something does not start: which step, why, and what to do."""

from dataclasses import dataclass


@dataclass(eq=False)  # not frozen: the interpreter writes its traceback into it
class StartFailed(Exception):
    """A step that failed. `why` is what was seen, `advice` what to do about it; both are whole sentences."""

    step: str
    why: str
    advice: str

    def __str__(self) -> str:
        return f"{self.step}: {self.why}\nwhat to do: {self.advice}"
