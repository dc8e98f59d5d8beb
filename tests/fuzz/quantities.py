"""Quantities, compared with exact fractions and with a second, independent grammar."""

from fractions import Fraction
from math import ceil, floor

from app.model.quantity import Quantity

from .target import Target

_DECIMAL = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"]
_BINARY = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"]
_NANO = Fraction(1, 10**9)
_DIGITS = "0123456789"
_FAR = 10_000
"""An exponent larger than the length of every tried text."""


def check(data: bytes) -> None:
    text = data.decode(errors="replace")
    expected = _amount(text)
    try:
        quantity = Quantity(text)
    except ValueError:
        assert expected is None, text[:300]
        return
    assert expected is not None, text
    assert quantity.value == (floor(expected) if expected < 0 else ceil(expected))
    assert quantity.floor == floor(expected)
    assert quantity.is_integer is (expected.denominator == 1)
    canonical = str(quantity)
    assert _amount(canonical) == expected, canonical
    assert Quantity(canonical) == quantity
    if abs(expected) < 10**1000:
        assert str(Quantity(canonical)) == canonical
    for other in (Fraction(0), Fraction(1), Fraction(2**30), Fraction(-2)):
        bound = Quantity(str(other))
        assert (quantity < bound, quantity == bound) == (expected < other, expected == other)


def _amount(text: str) -> Fraction | None:
    """The value of a text in billionths, rounded away from zero; None for an invalid text."""
    if not text:
        return None
    sign = -1 if text[:1] == "-" else 1
    rest = text[1:] if text[:1] in ("+", "-") else text
    number = rest[: next((i for i, c in enumerate(rest) if c not in _DIGITS + "."), len(rest))]
    whole, _, fraction = number.partition(".")
    factor = _factor(rest[len(number) :])
    if "." in fraction or factor is None:
        return None
    exact = Fraction(int(whole + fraction or "0"), 10 ** len(fraction)) * factor
    nanos = Fraction(ceil(exact / _NANO)) * _NANO
    if rest.endswith("i"):
        nanos = min(nanos, Fraction(2**63 - 1))
    return sign * min(nanos, Fraction(10) ** 1000)


def _factor(suffix: str) -> Fraction | None:
    if suffix in _DECIMAL:
        return Fraction(1000) ** (_DECIMAL.index(suffix) - 3)
    if suffix in _BINARY:
        return Fraction(1024) ** (_BINARY.index(suffix) + 1)
    exponent = suffix[1:]
    digits = exponent[1:] if exponent[:1] in ("+", "-") else exponent
    if suffix[0] not in "eE" or not digits or any(digit not in _DIGITS for digit in digits):
        return None
    power = int(exponent)
    if not -(2**63) <= power < 2**63:
        return None
    wrapped = int.from_bytes((power % 2**32).to_bytes(4), signed=True)
    return Fraction(10) ** max(-_FAR, min(_FAR, wrapped))


TARGET = Target(
    "quantities",
    check,
    tuple(
        text.encode()
        for text in (
            "0", "1", "200", "1Gi", "1.5G", "500m", "-1", "+1.", ".5Ki", "1e3", "1E-3", "100n",
            "9223372036854775807", "9223372036854775808Ei", "0.0000000001", "1e1000", "Gi", "1 Gi",
            "1e1002", "1e-1002", "1e4294967299", "0" * 300, "9" * 300,
        )
    ),
)  # fmt: skip
