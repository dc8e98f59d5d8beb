"""Kubernetes `resource.Quantity`, exact.

The rules are those of k8s.io/apimachinery/pkg/api/resource: a decimal number with a binary
(`Ki` … `Ei`), decimal (`n u m k M G T P E`) or exponent (`e3`) suffix, held to a billionth.
A value is a whole number of billionths, so arithmetic and comparison never touch a float.
"""

import re
from decimal import Decimal
from enum import Enum
from functools import total_ordering
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

_NANO = 10**9
_NUMBER = re.compile(r"([+-]?)(\d*)(?:\.(\d*))?(.*)", re.DOTALL | re.ASCII)
_EXPONENT = re.compile(r"[eE]([+-]?\d+)", re.ASCII)
_DECIMAL_SUFFIXES = {
    "n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18,
}  # fmt: skip
_BINARY_SUFFIXES = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_DECIMAL_NAMES = {power: name for name, power in _DECIMAL_SUFFIXES.items()}
_BINARY_NAMES = {0: "", **{power: name for name, power in _BINARY_SUFFIXES.items()}}
_MAX_BINARY = (2**63 - 1) * _NANO
_MAX_TEXT = 256
_MAX_EXPONENT = 1000
_MAX_THOUSANDS = (_MAX_EXPONENT + 9) // 3
"""Of nanos, so that what is printed can be read again."""


class Format(Enum):
    """The family of suffixes that a quantity is printed with."""

    BINARY = "BinarySI"
    DECIMAL = "DecimalSI"
    EXPONENT = "DecimalExponent"


@total_ordering
class Quantity:
    """An immutable amount: bytes for storage, a count for objects.

    Raises ValueError for text that the API server would refuse, and for text without a digit
    (`Gi`), which it reads as zero.
    """

    __slots__ = ("_nanos", "format")

    _nanos: int
    format: Format

    def __init__(self, text: str) -> None:
        if len(text) > _MAX_TEXT:
            raise ValueError(f"quantity is longer than {_MAX_TEXT} characters")
        match = _NUMBER.fullmatch(text)
        sign, whole, fraction, suffix = match.groups() if match else ("", "", "", "")
        fraction = fraction or ""
        digits = whole + fraction
        if not digits:
            raise _malformed(text)
        numerator, power, self.format = _scale(text, suffix)
        numerator *= int(digits)
        nanos = _shift(numerator, power + 9 - len(fraction))
        if self.format is Format.BINARY:
            nanos = min(nanos, _MAX_BINARY)
            if 0 < nanos < _NANO:
                self.format = Format.DECIMAL
        self._nanos = -nanos if sign == "-" else nanos

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
        quantity._nanos, quantity.format = nanos, format
        return quantity

    @property
    def is_integer(self) -> bool:
        return self._nanos % _NANO == 0

    @property
    def value(self) -> int:
        """The amount as a whole number, rounded away from zero as the API server does."""
        return self.floor if self._nanos < 0 else -(-self._nanos // _NANO)

    @property
    def floor(self) -> int:
        """The amount as a whole number, rounded down: how many whole objects fit into it."""
        return self._nanos // _NANO

    def __str__(self) -> str:
        """The canonical form: no fraction, the largest suffix of its family that is exact."""
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


def _validate(value: object) -> Quantity:
    """Accept what the API server accepts in JSON: text or a number."""
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
    return ValueError(f"{text!r} is not a quantity such as 200, 500m, 1Gi or 1.5G")


def _scale(text: str, suffix: str) -> tuple[int, int, Format]:
    """The factor, power of ten and family that a suffix stands for."""
    if suffix in _BINARY_SUFFIXES:
        return 1024 ** _BINARY_SUFFIXES[suffix], 0, Format.BINARY
    if suffix in _DECIMAL_SUFFIXES:
        return 1, _DECIMAL_SUFFIXES[suffix], Format.DECIMAL
    exponent = _EXPONENT.fullmatch(suffix)
    if exponent is None:
        raise _malformed(text)
    power = int(exponent[1])
    if abs(power) > _MAX_EXPONENT:
        raise ValueError(f"{text!r} has an exponent beyond {_MAX_EXPONENT}")
    return 1, power, Format.EXPONENT


def _shift(number: int, power: int) -> int:
    """`number` times 10^`power`, rounded up: asking for a little never means nothing."""
    if power >= 0:
        return int(number * 10**power)
    return int(-(-number // 10**-power))


def _strip(number: int, base: int, limit: int) -> tuple[int, int]:
    """Take `base` out of `number` as often as it divides, at most `limit` times."""
    power = 0
    while power < limit and number % base == 0:
        number //= base
        power += 1
    return number, power
