"""Quantities in fields of objects, and two quantities printed in one unit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from app.model.quantity import Quantity, in_one_unit


class Holder(BaseModel):
    amount: Quantity


@pytest.mark.parametrize(
    ("json", "canonical"),
    [
        ('"1Gi"', "1Gi"),
        ('" 1Gi "', "1Gi"),
        ("10", "10"),
        ("-1", "-1"),
        ("1.5", "1500m"),
        ("0.0001", "100u"),
        ("1e3", "1k"),
    ],
)
def test_json_text_and_numbers_are_quantities(json: str, canonical: str) -> None:
    holder = Holder.model_validate_json(f'{{"amount": {json}}}')
    assert str(holder.amount) == canonical
    assert holder.model_dump(mode="json") == {"amount": canonical}


@pytest.mark.parametrize(
    ("json", "problem"),
    [
        ('"1GB"', "'1GB' is not a quantity"),
        ("true", "must be text or a number"),
        ("null", "must be text or a number"),
        ("[]", "must be text or a number"),
        ("{}", "must be text or a number"),
        ("1e400", "is not a quantity"),
    ],
)
def test_other_json_is_refused(json: str, problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        Holder.model_validate_json(f'{{"amount": {json}}}')


def test_a_python_quantity_passes_through() -> None:
    quantity = Quantity("1Gi")
    assert Holder(amount=quantity).amount is quantity


@pytest.mark.parametrize(
    ("amount", "limit", "texts"),
    [
        ("1953125Ki", "1Gi", ("1.86Gi", "1Gi")),
        ("3146605", "2Mi", ("3Mi", "2Mi")),
        ("1500000000", "1Gi", ("1.4Gi", "1Gi")),
        ("1200Mi", "1Gi", ("1.17Gi", "1Gi")),
        ("1200Mi", "1073741824", ("1.26G", "1.07G")),
        ("1200Mi", "1G", ("1.26G", "1G")),
        ("2G", "1e9", ("2G", "1G")),
        ("1025", "1Ki", ("1025", "1024")),
        ("1073741825", "1Gi", ("1073741825", "1073741824")),
        ("1029Mi", "1Gi", ("1029Mi", "1024Mi")),
        ("1025", "1025", ("1025", "1025")),
        ("3Gi", "500", ("3221225472", "500")),
        ("3Gi", "0", ("3.22G", "0G")),
        ("2Ei", "1Ei", ("2Ei", "1Ei")),
        ("1", "-1", ("1", "-1")),
    ],
)
def test_two_amounts_are_told_in_one_unit(amount: str, limit: str, texts: tuple[str, str]) -> None:
    assert in_one_unit(Quantity(amount), Quantity(limit)) == texts


@given(st.integers(0, 2**62), st.integers(0, 2**62), st.booleans())
def test_two_amounts_that_differ_look_different(amount: int, limit: int, binary: bool) -> None:
    of = Quantity.of_bytes if binary else Quantity.of_count
    texts = in_one_unit(Quantity.of_bytes(amount), of(limit))
    assert (texts[0] == texts[1]) is (amount == limit)
    assert texts[0].lstrip("0123456789.") == texts[1].lstrip("0123456789.")
