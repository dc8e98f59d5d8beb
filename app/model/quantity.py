"""Exact Kubernetes `resource.Quantity`.

The rules are those of k8s.io/apimachinery/pkg/api/resource: a decimal number with a binary (`Ki` …
`Ei`), decimal (`n u m k M G T P E`) or exponent (`e3`) suffix, rounded to a billionth. A value is a
whole number of billionths. Arithmetic and comparison never use floats.
"""

import re
from decimal import Decimal
from enum import Enum
from functools import total_ordering
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

_NANO = 10**9
_NUMBER = re.compile(r"([+-]?)0*(\d*)(?:\.(\d*))?(.*)", re.DOTALL | re.ASCII)
_EXPONENT = re.compile(r"[eE]([+-]?)0*(\d{0,19})", re.ASCII)
_DECIMAL_SUFFIXES = {
    "n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18,
}  # fmt: skip
_BINARY_SUFFIXES = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_DECIMAL_NAMES = {power: name for name, power in _DECIMAL_SUFFIXES.items()}
_BINARY_NAMES = {0: "", **{power: name for name, power in _BINARY_SUFFIXES.items()}}
_MAX_STEPS = 6
"""Steps from bytes to E or Ei."""
_MAX_BINARY = (2**63 - 1) * _NANO
_MAX_POWER = 1000
"""All amounts of 10^1000 and more are equal. No real count comes near."""
_LARGEST: int = 10 ** (_MAX_POWER + 9)
"""In billionths."""
_MAX_THOUSANDS = (_MAX_POWER + 9) // 3
"""Of billionths. It keeps printed amounts readable for this parser."""
_PLACES = 9
_BINARY_PLACES = 69
"""Decimal places that can change an amount: a binary suffix of k bits moves 9 + k places into a
billionth, and `Ei` has 60 bits."""
_MAX_SHOWN = 80
"""Length at which a message cuts quoted text, in characters."""


class Format(Enum):
    """The family of suffixes with which a quantity is printed."""

    BINARY = "BinarySI"
    DECIMAL = "DecimalSI"
    EXPONENT = "DecimalExponent"


@total_ordering
class Quantity:
    """An immutable amount: bytes for storage, a count for objects.

    Text is read as by the API server: a suffix without a digit (`Gi`) is zero, and an exponent is a
    number of 32 bits. All amounts of 10^1000 and more are equal, and are printed as they were
    written. Raises ValueError for text that the API server would refuse.
    """

    __slots__ = ("_nanos", "_written", "format")

    _nanos: int
    _written: str
    """The original text if printing the amount would lose something; else ""."""
    format: Format

    def __init__(self, text: str) -> None:
        match = _NUMBER.fullmatch(text)
        sign, whole, fraction, suffix = match.groups() if match else ("", "", "", "")
        if not text:
            raise _malformed(text)
        factor, power, self.format = _scale(text, suffix)
        nanos = _billionths(whole, fraction or "", factor, power)
        has_digits = any(character in "0123456789" for character in text.removesuffix(suffix))
        if self.format is Format.BINARY:
            nanos = min(nanos, _MAX_BINARY)
            if 0 < nanos < _NANO:
                self.format = Format.DECIMAL
        self._nanos = -nanos if sign == "-" else nanos
        self._written = text if nanos == _LARGEST or not has_digits else ""

    @classmethod
    def of_bytes(cls, size: int) -> "Quantity":
        """A number of bytes, printed with binary suffixes where they are exact."""
        return cls._of(size * _NANO, Format.BINARY)

    @classmethod
    def of_count(cls, count: int) -> "Quantity":
        """A number of objects."""
        return cls._of(count * _NANO, Format.DECIMAL)

    @classmethod
    def _of(cls, nanos: int, format: Format) -> "Quantity":
        quantity = cls.__new__(cls)
        quantity._nanos, quantity._written, quantity.format = nanos, "", format
        return quantity

    @property
    def is_integer(self) -> bool:
        return self._nanos % _NANO == 0

    @property
    def has_digits(self) -> bool:
        """Whether the text had a digit. The API server reads a suffix alone as zero."""
        return bool(self._nanos) or not self._written

    @property
    def value(self) -> int:
        """The amount as a whole number, rounded away from zero like the API server does."""
        return self.floor if self._nanos < 0 else -(-self._nanos // _NANO)

    @property
    def floor(self) -> int:
        """The amount as a whole number, rounded down: the number of whole objects that fit."""
        return self._nanos // _NANO

    def __str__(self) -> str:
        """The canonical form: no fraction, and the largest exact suffix of its family."""
        if self._written and self._nanos:
            return self._written
        if self._nanos == 0:
            return "0"
        if self.format is Format.BINARY and self.is_integer and abs(self.value) >= 1024:
            number, power = _strip(self.value, 1024, limit=6)
            return f"{number}{_BINARY_NAMES[power]}"
        exponent = self.format is Format.EXPONENT
        number, thousands = _strip(self._nanos, 1000, limit=_MAX_THOUSANDS if exponent else 9)
        power = thousands * 3 - 9
        if exponent:
            return f"{number}e{power}" if power else str(number)
        return f"{number}{_DECIMAL_NAMES[power]}"

    def __repr__(self) -> str:
        return f"Quantity({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Quantity) and self._nanos == other._nanos

    def __lt__(self, other: "Quantity") -> bool:
        return self._nanos < other._nanos

    def __hash__(self) -> int:
        return hash(self._nanos)

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            _validate, serialization=core_schema.to_string_ser_schema()
        )


def in_one_unit(amount: Quantity, limit: Quantity) -> tuple[str, str]:
    """Both amounts as text in the limit's unit, rounded to two digits: `1.17Gi` and `1Gi`.

    If both would look equal, a smaller unit is used. `limit` is not negative. If it is 0, the unit
    is that of the amount.
    """
    binary = limit.format is Format.BINARY
    base, names = (1024, _BINARY_NAMES) if binary else (1000, _DECIMAL_NAMES)
    digits = (limit if limit.value else amount).value
    power = 0
    while power < _MAX_STEPS and base ** (power + 1) <= digits:
        power += 1
    texts = ["", ""]
    while texts[0] == texts[1] and power >= 0:
        unit, name = Decimal(base**power * _NANO), names[power if binary else power * 3]
        texts = [f"{_rounded(one._nanos / unit)}{name}" for one in (amount, limit)]
        power -= 1
    return texts[0], texts[1]


def _rounded(number: Decimal) -> str:
    text = f"{number:.2f}"
    return text.rstrip("0").rstrip(".")


def _validate(value: object) -> Quantity:
    """Accept text and numbers, as the API server does in JSON."""
    if isinstance(value, Quantity):
        return value
    if isinstance(value, float):
        value = format(Decimal(repr(value)), "f")
    elif isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise PydanticCustomError("quantity", "a quantity must be text or a number")
    try:
        return Quantity(value.strip())
    except ValueError as error:
        raise PydanticCustomError("quantity", "{reason}", {"reason": str(error)}) from None


def _malformed(text: str) -> ValueError:
    shown = text if len(text) <= _MAX_SHOWN else f"{text[: _MAX_SHOWN - 1]}…"
    return ValueError(f"{shown!r} is not a quantity such as 200, 500m, 1Gi or 1.5G")


def _scale(text: str, suffix: str) -> tuple[int, int, Format]:
    """The factor, power of ten and family of a suffix."""
    if suffix in _BINARY_SUFFIXES:
        return 1024 ** _BINARY_SUFFIXES[suffix], 0, Format.BINARY
    if suffix in _DECIMAL_SUFFIXES:
        return 1, _DECIMAL_SUFFIXES[suffix], Format.DECIMAL
    exponent = _EXPONENT.fullmatch(suffix)
    if exponent is None or not suffix[-1].isdigit():
        raise _malformed(text)
    power = int(exponent[1] + (exponent[2] or "0"))
    if not -(2**63) <= power < 2**63:
        raise _malformed(text)
    return 1, (power + 2**31) % 2**32 - 2**31, Format.EXPONENT


def _billionths(whole: str, fraction: str, factor: int, power: int) -> int:
    """`whole.fraction` times `factor` times 10^`power` in billionths, rounded up so that a small
    amount is never zero. At most `_LARGEST`, whatever the length of the texts and the power."""
    digits = whole + fraction
    exponent = power - len(fraction)
    significant = digits.lstrip("0")
    if not significant:
        return 0
    if len(significant) + exponent > _MAX_POWER:
        return _LARGEST
    beyond = -exponent - (_PLACES if factor == 1 else _BINARY_PLACES)
    number = _rounded_up(significant, beyond)
    if beyond > 0:
        exponent += beyond
    shift = exponent + 9
    number *= factor
    if shift >= 0:
        return number * int(10**shift)
    return -(-number // int(10**-shift))


def _rounded_up(digits: str, places: int) -> int:
    """The number without its last `places` digits, plus one if any of these is not zero."""
    if places <= 0:
        return int(digits)
    return int(digits[:-places] or "0") + bool(digits[-places:].strip("0"))


def _strip(number: int, base: int, limit: int) -> tuple[int, int]:
    """Divide `number` by `base` as long as there is no rest, at most `limit` times."""
    power = 0
    while power < limit and number % base == 0:
        number //= base
        power += 1
    return number, power
