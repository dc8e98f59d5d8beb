"""Quantities are read, compared and printed as k8s.io/apimachinery/pkg/api/resource does."""

import pytest

from app.model.quantity import Format, Quantity

BINARY, DECIMAL, EXPONENT = Format.BINARY, Format.DECIMAL, Format.EXPONENT
MAX_BINARY = 2**63 - 1


@pytest.mark.parametrize(
    ("text", "amount", "format"),
    [
        # whole numbers
        ("0", "0", DECIMAL),
        ("1", "1", DECIMAL),
        ("+12", "12", DECIMAL),
        ("-12", "-12", DECIMAL),
        ("007", "7", DECIMAL),
        # binary suffixes
        ("0Ki", "0", BINARY),
        ("1Ki", "1024", BINARY),
        ("7Mi", str(7 * 2**20), BINARY),
        ("6Gi", str(6 * 2**30), BINARY),
        ("5Ti", str(5 * 2**40), BINARY),
        ("4Pi", str(4 * 2**50), BINARY),
        ("3Ei", str(3 * 2**60), BINARY),
        # decimal suffixes
        ("5n", "0.000000005", DECIMAL),
        ("4u", "0.000004", DECIMAL),
        ("3m", "0.003", DECIMAL),
        ("8k", "8000", DECIMAL),
        ("7M", "7000000", DECIMAL),
        ("6G", "6000000000", DECIMAL),
        ("5T", "5000000000000", DECIMAL),
        ("2P", "2000000000000000", DECIMAL),
        ("1E", "1000000000000000000", DECIMAL),
        ("12E", "12000000000000000000", DECIMAL),
        # exponents
        ("1e3", "1000", EXPONENT),
        ("1E-3", "0.001", EXPONENT),
        ("1.3E+6", "1300000", EXPONENT),
        ("1.7E18", "1700000000000000000", EXPONENT),
        ("0.5e0", "0.5", EXPONENT),
        # fractions
        ("0.5", "0.5", DECIMAL),
        (".001", "0.001", DECIMAL),
        ("1.", "1", DECIMAL),
        ("1.G", "1000000000", DECIMAL),
        ("100.035k", "100035", DECIMAL),
        ("1.5Gi", str(3 * 2**29), BINARY),
        ("100.035Ki", "102435.84", BINARY),
        ("0.05Gi", "53687091.2", BINARY),
        # too fine for a billionth: rounded up, away from zero
        ("3.001n", "0.000000004", DECIMAL),
        ("0.0000000001", "0.000000001", DECIMAL),
        ("1.1E-9", "0.000000002", EXPONENT),
        ("0.00000012345", "0.000000124", DECIMAL),
        ("-0.9n", "-0.000000001", DECIMAL),
        # a binary amount below one byte is a decimal one
        ("0.000000000001Ki", "0.000000002", DECIMAL),
        ("0.0009765625Ki", "1", BINARY),
        ("-0.5Ki", "-512", BINARY),
        ("0.0001Ki", "0.1024", DECIMAL),
        ("-0.0001Ki", "-0.1024", DECIMAL),
        # binary amounts are capped, decimal ones are not
        ("9Ei", str(MAX_BINARY), BINARY),
        ("-9Ei", str(-MAX_BINARY), BINARY),
        ("9223372036854775807Ki", str(MAX_BINARY), BINARY),
    ],
)
def test_quantity_is_read(text: str, amount: str, format: Format) -> None:
    quantity = Quantity(text)
    assert quantity == Quantity(amount)
    assert quantity.format is format


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Non-Numeric",
        "1.1.M",
        "1+1.0M",
        "0.1mi",
        "0.1am",
        ".5i",
        "1i",
        "1gi",
        "1GiB",
        "1GB",
        "1K",
        "-3.01e-",
        "1e",
        "1e1.5",
        "1e0x",
        " 1",
        "1 ",
        "1 Gi",
        "1\n",
        "--1",
        "1,5",
        "1_000",
        "0x10",
        "٣",
        "inf",
        "nan",
        "<size>",
        # beyond 64 bits
        "1e9223372036854775808",
        "1e-9223372036854775809",
        "1e" + "9" * 5000,
    ],
)
def test_invalid_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a quantity such as"):
        Quantity(text)


def test_error_quotes_the_beginning_of_long_text() -> None:
    with pytest.raises(ValueError, match=r"^'x{79}…' is not a quantity"):
        Quantity("x" * 5000)


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        pytest.param("0" * 5000 + "1Gi", "1Gi", id="leading zeros"),
        pytest.param("1." + "0" * 5000 + "Gi", "1Gi", id="trailing zeros"),
        pytest.param("0." + "0" * 5000 + "1", "1n", id="fraction below a billionth"),
        pytest.param("1" * 300, "1" * 300, id="300 digits"),
        pytest.param(f"0.{'9' * 100}Gi", "1Gi", id="binary fraction just below a whole"),
        pytest.param("1e-5000", "1n", id="exponent far below a billionth"),
        pytest.param("1" * 5000 + "Ki", "9Ei", id="binary amount beyond the cap"),
        pytest.param("1" * 2000 + "e-1999", "1.111111112", id="digits and exponent cancel out"),
        pytest.param("1e4294967299", "1e3", id="exponent of more than 32 bits"),
        pytest.param("1e00000000000000000000000000003", "1e3", id="exponent with zeros"),
    ],
)
def test_reads_long_text_exactly(text: str, amount: str) -> None:
    assert Quantity(text) == Quantity(amount)


LARGE = ["1e1000", "1e1002", "1e2147483647", "9" * 1001, "1" * 5000]


@pytest.mark.parametrize("text", LARGE)
def test_amounts_beyond_the_maximum_are_compared(text: str) -> None:
    quantity = Quantity(text)
    assert quantity > Quantity("9" * 1000)
    assert Quantity(f"-{text}") < Quantity("-" + "9" * 1000)
    assert quantity == Quantity(LARGE[0])
    assert quantity.is_integer
    assert quantity.floor == quantity.value == 10**1000
    assert str(quantity) == text


@pytest.mark.parametrize("text", ["Gi", "M", "e3", ".", "-", "+", "-.Ki"])
def test_suffix_without_digits_is_zero(text: str) -> None:
    quantity = Quantity(text)
    assert quantity == Quantity("0")
    assert str(quantity) == "0"
    assert not quantity.has_digits


@pytest.mark.parametrize("text", ["0", "0Gi", "-0", ".0", "0e3", "1", "1e2000"])
def test_other_quantities_need_digits(text: str) -> None:
    assert Quantity(text).has_digits


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("0", "0"),
        ("0Gi", "0"),
        ("-0", "0"),
        ("1000m", "1"),
        ("500m", "500m"),
        ("0.5", "500m"),
        ("1.08", "1080m"),
        ("1080000000n", "1080m"),
        ("1000u", "1m"),
        ("80n", "80n"),
        ("1000M", "1G"),
        ("0.001T", "1G"),
        ("1000000000", "1G"),
        ("1234567M", "1234567M"),
        ("1000E", "1000E"),
        ("1025", "1025"),
        ("1024", "1024"),
        ("1024Mi", "1Gi"),
        ("307200Ki", "300Mi"),
        ("1025024Mi", "1001Gi"),
        ("1.5Gi", "1536Mi"),
        ("1024Pi", "1Ei"),
        ("0.5Ki", "512"),
        # a binary amount that is not whole bytes keeps its precision
        ("1.1Gi", "1181116006400m"),
        (".001Ki", "1024m"),
        (".000000000001Ki", "2n"),
        ("9Ei", "9223372036854775807"),
        (".001e12", "1e9"),
        ("0.001e0", "1e-3"),
        ("1000e-12", "1e-9"),
        ("80e-3", "80e-3"),
        ("1e0", "1"),
        ("1e14", "100e12"),
        ("1e999", "1e999"),
    ],
)
@pytest.mark.parametrize("sign", ["", "-"])
def test_prints_the_canonical_form(text: str, canonical: str, sign: str) -> None:
    negative = sign and canonical != "0" and not text.startswith("-")
    assert str(Quantity(text if text.startswith("-") else sign + text)) == (
        f"-{canonical}" if negative else canonical
    )


@pytest.mark.parametrize(
    ("lower", "higher"),
    [
        ("1G", "1Gi"),
        ("100Gi", "10000T"),
        ("50m", "100m"),
        ("1023Mi", "1Gi"),
        ("-1", "0"),
        ("-2", "-1"),
        ("0", "1n"),
        ("9007199254740992", "9007199254740993"),
        ("9Ei", "12E"),
    ],
)
def test_compares_amounts_exactly(lower: str, higher: str) -> None:
    assert Quantity(lower) < Quantity(higher)
    assert Quantity(higher) >= Quantity(lower)
    assert Quantity(lower) != Quantity(higher)


def test_spelling_does_not_change_equality() -> None:
    spellings = ["1000", "1k", "1e3", "1000000m", "+1.0k"]
    assert len({Quantity(text) for text in spellings}) == 1
    assert not Quantity("1k") < Quantity("1000")
    assert Quantity("1") != 1


@pytest.mark.parametrize(
    ("text", "value", "floor", "whole"),
    [
        ("9", 9, 9, True),
        ("9.01", 10, 9, False),
        ("1n", 1, 0, False),
        ("1.5Ki", 1536, 1536, True),
        ("-9", -9, -9, True),
        ("-9.01", -10, -10, False),
        ("12E", 12 * 10**18, 12 * 10**18, True),
    ],
)
def test_whole_numbers_are_recognised(text: str, value: int, floor: int, whole: bool) -> None:
    quantity = Quantity(text)
    assert (quantity.value, quantity.floor, quantity.is_integer) == (value, floor, whole)


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0"), (1, "1"), (1024, "1Ki"), (1000, "1k"), (1258291200, "1200Mi")]
)
def test_a_number_of_bytes_is_printed_in_binary(size: int, text: str) -> None:
    assert str(Quantity.of_bytes(size)) == text
    assert Quantity.of_bytes(size).value == size


@pytest.mark.parametrize(("count", "text"), [(0, "0"), (20, "20"), (1000, "1k"), (1024, "1024")])
def test_a_count_is_printed_in_decimal(count: int, text: str) -> None:
    assert str(Quantity.of_count(count)) == text
    assert Quantity.of_count(count).value == count
