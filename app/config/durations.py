"""Durations as Kubernetes writes them: `5s`, `1m30s`, `500ms`. A plain number is seconds."""

import re
from decimal import Decimal

_UNITS = {"h": Decimal(3600), "m": Decimal(60), "s": Decimal(1), "ms": Decimal("0.001")}
_NUMBER = r"[0-9]{1,12}(?:\.[0-9]{1,9})?"
_PART = re.compile(rf"({_NUMBER})(ms|h|m|s)")
_WHOLE = re.compile(rf"(?:{_PART.pattern})+|{_NUMBER}")
_MICRO = 1_000_000


def seconds(text: str) -> float:
    """The seconds of a duration. Raises ValueError for any other text."""
    if _WHOLE.fullmatch(text) is None:
        raise ValueError(f"{text!r} is not a duration such as 5s, 1m30s or 500ms")
    parts = _PART.findall(text) or [(text, "s")]
    return float(sum(Decimal(number) * _UNITS[unit] for number, unit in parts))


def text(length: float) -> str:
    """The shortest way to write so many seconds, to the microsecond."""
    micros = round(length * _MICRO)
    if 0 < micros < _MICRO:
        return f"{_decimal(micros, 1000)}ms"
    minutes, rest = divmod(micros, 60 * _MICRO)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{hours}h" if hours else "", f"{minutes}m" if minutes else ""]
    if rest or not micros:
        parts.append(f"{_decimal(rest, _MICRO)}s")
    return "".join(parts)


def _decimal(number: int, scale: int) -> str:
    """The quotient without zeros at its end."""
    whole, rest = divmod(number, scale)
    places = f"{rest:0{len(str(scale)) - 1}}".rstrip("0")
    return f"{whole}.{places}" if places else str(whole)
