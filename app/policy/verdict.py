"""The verdict of a policy: violations, warnings and notes."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace

from app.model.mode import Mode
from app.policy.new_limit import NewLimit

MAX_WARNING = 256
"""Characters of one warning; the API server cuts longer ones."""
MAX_VIOLATIONS = 32
"""The number of violations in a text. Further ones are only counted: a request can have
thousands."""
WOULD_BE_REFUSED = "would be refused: "
"""The start of a text about a violation that is tolerated."""


def shortened(text: str, length: int) -> str:
    """The text, cut to at most `length` characters."""
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
    concerns_limit: bool = False
    """Whether it is about a limit. Then the limit's mode decides whether it refuses."""
    mode: Mode | None = None
    """The mode of the limit; None: the default mode."""
    remedy: NewLimit | None = None
    """The limit that would allow the request; None if no single limit would."""

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
    """The number of further violations."""
    tolerated: list[Violation] = field(default_factory=list)
    """Violations of limits that are not enforced. Each has the mode that allows it."""
    exemption: str = ""
    """Why the request is exempt from limits, such as `user admin`; "" if it is not exempt."""

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
        """Add a violation of a limit of this mode."""
        self.violations.append(Violation(message, next_step, reason, exact, True, mode, remedy))

    def under(self, mode_of: Callable[[Violation], Mode], exemption: str = "") -> "Verdict":
        """The same verdict, in which violations whose mode is not `enforce` are tolerated."""
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
        """The first tolerated violations, one a line."""
        return "\n".join(f"{WOULD_BE_REFUSED}{found}" for found in self.tolerated[:MAX_VIOLATIONS])

    def warn(self, message: str) -> None:
        self.warnings.append(message)

    def tolerant(self, but_not: Collection[str] = ()) -> "Verdict":
        """The same findings as warnings. Only violations with a reason in `but_not` still refuse.

        A finding that is too long for one warning becomes two.
        """
        refused = [found for found in self.violations if found.reason in but_not]
        told = [
            text
            for found in self.violations
            if found.reason not in but_not
            for text in found.as_warnings()
        ]
        return Verdict(refused, [*told, *self.warnings], dict(self.notes))

    @property
    def explanation(self) -> str:
        """The first violations, one a line, and the number of further ones."""
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
