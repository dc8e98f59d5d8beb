"""Checks of single fields of the objects that the registry's operator reads.

A value with a placeholder such as `<bucket-name>` is not refused, because the documentation prints
it. It causes a warning.
"""

import json
from collections.abc import Iterator, Sequence
from difflib import get_close_matches

from app.model.base import KubeModel, KubeObject
from app.policy.names import placeholders
from app.policy.verdict import Verdict

LOG_LEVELS = ("Normal", "Debug", "Trace", "TraceAll")
_SINGLETON = "cluster"
_MAX_SHOWN = 80


def shown(value: str) -> str:
    """A value as messages quote it: on one line and bounded."""
    if len(value) > _MAX_SHOWN:
        value = value[: _MAX_SHOWN - 1] + "…"
    return json.dumps(value, ensure_ascii=False)


def close_to(value: str, known: Sequence[str], similar: float = 0.6) -> str | None:
    """The known value that is at least so `similar` (0 to 1), and was probably meant."""
    by_lower = {name.lower(): name for name in known}
    matches = get_close_matches(value.lower()[:_MAX_SHOWN], by_lower, n=1, cutoff=similar)
    return by_lower[matches[0]] if matches else None


def check_name(verdict: Verdict, obj: KubeObject) -> None:
    """The operator reads one object of each kind, and ignores all others."""
    if obj.metadata.name != _SINGLETON:
        verdict.deny(
            "WrongName",
            f"metadata.name is {shown(obj.metadata.name)}, "
            f"and the operator reads only {obj.kind} {_SINGLETON}",
            f"set metadata.name to {_SINGLETON}",
        )


def check_placeholders(verdict: Verdict, spec: KubeModel) -> None:
    for path, text in _texts(spec.model_dump(by_alias=True), "spec"):
        for placeholder in placeholders(text):
            verdict.warn(f"replace the placeholder {placeholder} in {path}")


def check_choice(
    verdict: Verdict, reason: str, path: str, value: str, known: Sequence[str]
) -> None:
    """Refuse a value that is set and not known."""
    if not value or value in known or placeholders(value):
        return
    choices = ", ".join(known)
    close = close_to(value, known)
    next_step = f"did you mean {close}?" if close else "set it to one of them"
    verdict.deny(reason, f"{path} is {shown(value)}, not one of {choices}", next_step)


def check_at_least_zero(verdict: Verdict, reason: str, path: str, value: int | None) -> None:
    if value is not None and value < 0:
        verdict.deny(reason, f"{path} is {value}, below 0", f"set {path} to 0 or more")


def _texts(value: object, path: str) -> Iterator[tuple[str, str]]:
    """All texts inside a JSON value, with their paths."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, f"{path}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, f"{path}[{index}]")
