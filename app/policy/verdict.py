"""The answer of a policy."""

from dataclasses import dataclass, field

MAX_WARNING = 256
"""Characters of one warning; the API server cuts longer ones."""


@dataclass(frozen=True)
class Violation:
    """One reason to refuse, and the next step for the user."""

    message: str
    next_step: str
    reason: str
    """A short stable name for metrics and audit, such as `ImageTooLarge`."""
    exact: str = ""
    """The numbers that the message rounds, such as `1258291200 > 1073741824 bytes`."""

    def __str__(self) -> str:
        return f"{self.message}; {self.next_step}"


@dataclass
class Verdict:
    """Every violation, not only the first; empty means allowed."""

    violations: list[Violation] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)
    """Names and texts of audit annotations, for allowed and refused requests."""

    @property
    def allowed(self) -> bool:
        return not self.violations

    def deny(self, reason: str, message: str, next_step: str, exact: str = "") -> None:
        self.violations.append(Violation(message, next_step, reason, exact))

    @property
    def exact(self) -> list[str]:
        """The numbers that messages round, once each."""
        return list(dict.fromkeys(found.exact for found in self.violations if found.exact))

    def warn(self, message: str) -> None:
        self.warnings.append(message)

    def tolerant(self) -> "Verdict":
        """The same findings as warnings, without a refusal.

        A finding that is too long for one warning becomes two.
        """
        told = [
            text
            for found in self.violations
            for text in (
                [str(found)] if len(str(found)) <= MAX_WARNING else [found.message, found.next_step]
            )
        ]
        return Verdict(warnings=[*told, *self.warnings], notes=dict(self.notes))

    def note(self, name: str, text: str) -> None:
        self.notes[name] = text

    def include(self, other: "Verdict") -> None:
        self.violations += other.violations
        self.warnings += other.warnings
        self.notes |= other.notes
