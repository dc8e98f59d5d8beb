"""Decides whether a violation refuses a request: by the limit's mode, and by exemptions."""

from dataclasses import dataclass

from app.model.mode import Mode
from app.policy.names import matches
from app.policy.verdict import Verdict, Violation


@dataclass(frozen=True)
class Sender:
    """The user who sends a request."""

    user: str = ""
    groups: tuple[str, ...] = ()


NOBODY = Sender()


@dataclass(frozen=True)
class Enforcement:
    """The default mode of limits, and patterns of users, groups and namespaces that are exempt."""

    default: Mode = "enforce"
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()

    def exemption(self, sender: Sender, namespace: str) -> str:
        """Why a request is exempt, such as `user admin`; "" if it is not."""
        for kind, names, patterns in (
            ("namespace", (namespace,), self.namespaces),
            ("user", (sender.user,), self.users),
            ("group", sender.groups, self.groups),
        ):
            for name in names:
                if name and matches(name, patterns):
                    return f"{kind} {name}"
        return ""

    def applied(self, verdict: Verdict, exemption: str) -> Verdict:
        """The verdict, in which violations of limits that are not enforced are tolerated."""

        def mode(found: Violation) -> Mode:
            if not found.concerns_limit:
                return "enforce"
            return "audit" if exemption else found.mode or self.default

        return verdict.under(mode, exemption)


ENFORCED = Enforcement()
