"""Properties that hold for every quantity."""

from decimal import ROUND_CEILING, Decimal, localcontext

from hypothesis import given
from hypothesis import strategies as st

from app.model.quantity import Quantity

MAX_BINARY = 2**63 - 1
SUFFIXES = st.sampled_from(
    ["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"]
    + [f"{e}{power}" for e in "eE" for power in (-12, -9, -1, 0, 2, 3, 21)]
)
DIGITS = st.text("0123456789", min_size=1, max_size=25)
TEXTS = st.builds(
    lambda sign, whole, fraction, suffix: f"{sign}{whole}{fraction}{suffix}",
    st.sampled_from(["", "+", "-"]),
    DIGITS,
    st.one_of(st.just(""), DIGITS.map(".{}".format)),
    SUFFIXES,
)
FACTORS = {
    "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "": Decimal(1),
    "k": Decimal(10**3), "M": Decimal(10**6), "G": Decimal(10**9), "T": Decimal(10**12),
    "Ki": Decimal(2**10), "Mi": Decimal(2**20), "Gi": Decimal(2**30), "Ti": Decimal(2**40),
}  # fmt: skip


@given(TEXTS)
def test_printed_quantity_reads_as_the_same_amount(text: str) -> None:
    quantity = Quantity(text)
    again = Quantity(str(quantity))
    assert again == quantity
    assert str(again) == str(quantity)


@given(TEXTS)
def test_sign_negates_the_amount(text: str) -> None:
    positive, negative = Quantity(text.lstrip("+-")), Quantity(f"-{text.lstrip('+-')}")
    assert negative.value == -positive.value
    assert str(negative).removeprefix("-") == str(positive)
    assert negative <= positive


@given(st.integers(0, 10**15), st.integers(0, 10**12 - 1), st.sampled_from(sorted(FACTORS)))
def test_an_amount_is_its_number_rounded_up_to_a_billionth(
    whole: int, fraction: int, suffix: str
) -> None:
    text = f"{whole}.{fraction:012}"
    with localcontext(prec=100):
        amount = (Decimal(text) * FACTORS[suffix]).quantize(Decimal("1e-9"), ROUND_CEILING)
        if suffix.endswith("i"):
            amount = min(amount, Decimal(MAX_BINARY))
    assert Quantity(text + suffix) == Quantity(format(amount, "f"))


@given(st.lists(st.integers(-(10**30), 10**30), min_size=2, max_size=6))
def test_quantities_sort_by_amount(numbers: list[int]) -> None:
    quantities = [Quantity(f"{number}n") for number in numbers]
    assert sorted(quantities) == [Quantity(f"{number}n") for number in sorted(numbers)]


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        quantity = Quantity(text)
    except ValueError:
        return
    assert Quantity(str(quantity)) == quantity
