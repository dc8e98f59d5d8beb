"""The answer of a policy."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from app.model.mode import Mode
from app.policy.new_limit import NewLimit

MAX_WARNING = 256
"""Characters of one warning; the API server cuts longer ones."""
MAX_VIOLATIONS = 32
"""Violations that are told; more are counted. One request can have thousands."""
WOULD_BE_REFUSED = "would be refused: "
"""The start of a text about a violation that is tolerated."""


def shortened(text: str, length: int) -> str:
    """A text of at most so many characters."""
    return text if len(text) <= length else text[: length - 1] + "…"


@dataclass(frozen=True)
class Violation:
    """One reason to refuse, and the next step for the user."""

    message: str
    next_step: str
    reason: str
    """A short stable name for metrics and audit, such as `ImageTooLarge`."""
    exact: str = ""
    """The numbers that the message rounds, such as `1258291200 > 1073741824 bytes`."""
    passes_limit: bool = False
    """Whether it passes a limit, whose mode says what becomes of it."""
    mode: Mode | None = None
    """That of the limit; None: the mode of limits that name none."""
    remedy: NewLimit | None = None
    """The limit that would allow the request; None if no limit alone would."""

    def __str__(self) -> str:
        return f"{self.message}; {self.next_step}"

    def as_warnings(self, prefix: str = "") -> list[str]:
        """One warning, or two if it is too long for one."""
        text = f"{prefix}{self}"
        return [text] if len(text) <= MAX_WARNING else [f"{prefix}{self.message}", self.next_step]


@dataclass
class Verdict:
    """Every violation, not only the first; empty means allowed."""

    violations: list[Violation] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)
    """Names and texts of audit annotations, for allowed and refused requests."""
    more: int = 0
    """Violations beyond those that are told."""
    tolerated: list[Violation] = field(default_factory=list)
    """What passes a limit and is allowed all the same; each has the mode that allows it."""
    exemption: str = ""
    """Who or what is exempt from limits, if that is why something is tolerated."""

    @property
    def allowed(self) -> bool:
        return not self.violations

    def deny(self, reason: str, message: str, next_step: str, exact: str = "") -> None:
        self.violations.append(Violation(message, next_step, reason, exact))

    @property
    def exact(self) -> list[str]:
        """The numbers that messages round, once each."""
        told = self.violations[:MAX_VIOLATIONS]
        return list(dict.fromkeys(found.exact for found in told if found.exact))

    def exceed(
        self,
        reason: str,
        message: str,
        next_step: str,
        mode: Mode | None,
        exact: str = "",
        remedy: NewLimit | None = None,
    ) -> None:
        """A limit of that mode is passed."""
        self.violations.append(Violation(message, next_step, reason, exact, True, mode, remedy))

    def under(self, mode_of: Callable[[Violation], Mode], exemption: str = "") -> "Verdict":
        """The same findings; what passes a limit that is not enforced is tolerated."""
        if not (self.violations or self.tolerated):
            return self
        enforced, tolerated = [], list(self.tolerated)
        for found in self.violations:
            mode = mode_of(found)
            if mode == "enforce":
                enforced.append(found)
            else:
                tolerated.append(replace(found, mode=mode))
        return replace(
            self,
            violations=enforced,
            tolerated=tolerated,
            exemption=self.exemption or (exemption if tolerated else ""),
        )

    @property
    def told_anyway(self) -> list[str]:
        """Warnings for what a limit of mode `warn` would refuse."""
        return [
            text
            for found in self.tolerated[:MAX_VIOLATIONS]
            if found.mode == "warn"
            for text in found.as_warnings(WOULD_BE_REFUSED)
        ]

    @property
    def would_refuse(self) -> str:
        """Some dozens of tolerated violations, each in a line of its own."""
        return "\n".join(f"{WOULD_BE_REFUSED}{found}" for found in self.tolerated[:MAX_VIOLATIONS])

    def warn(self, message: str) -> None:
        self.warnings.append(message)

    def tolerant(self) -> "Verdict":
        """The same findings as warnings, without a refusal.

        A finding that is too long for one warning becomes two.
        """
        told = [text for found in self.violations for text in found.as_warnings()]
        return Verdict(warnings=[*told, *self.warnings], notes=dict(self.notes))

    @property
    def explanation(self) -> str:
        """Some dozens of violations, each in a line of its own, and how many more there are."""
        lines = [str(violation) for violation in self.violations[:MAX_VIOLATIONS]]
        more = self.more + len(self.violations[MAX_VIOLATIONS:])
        return "\n".join([*lines, f"… and {more} more"] if more else lines)

    @property
    def reasons(self) -> tuple[str, ...]:
        """The different reasons to refuse."""
        return tuple(dict.fromkeys(violation.reason for violation in self.violations))

    def note(self, name: str, text: str) -> None:
        self.notes[name] = text

    def include(self, other: "Verdict") -> None:
        self.violations += other.violations
        self.more += other.more
        self.tolerated += other.tolerated
        self.exemption = self.exemption or other.exemption
        self.warnings += other.warnings
        self.notes |= other.notes
