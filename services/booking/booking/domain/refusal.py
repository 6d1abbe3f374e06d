"""A refusal as data, so that whoever repeats a request is refused with the same words."""

from dataclasses import dataclass, field

from kit.errors import BY_CODE, FieldViolation, GiroError, Reason


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a GiroError tells its caller."""

    code: str
    reason: str
    message: str
    metadata: dict[str, str] = field(default_factory=dict)
    violations: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, error: GiroError) -> "Refusal":
        """The refusal that an error is."""
        violations = tuple((violation.field, violation.description) for violation in error.violations)
        return cls(error.code, error.reason.value, error.message, dict(error.metadata), violations)

    def error(self) -> GiroError:
        """The error to raise again."""
        violations = [FieldViolation(name, description) for name, description in self.violations]
        kind = BY_CODE[self.code]
        return kind(Reason(self.reason), self.message, metadata=self.metadata, violations=violations)
