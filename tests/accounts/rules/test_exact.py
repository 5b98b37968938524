"""Guards and rounding."""

from decimal import Decimal
from typing import Any

import pytest

from accounts.rules.exact import (
    require_finite,
    require_integer,
    require_not_negative,
    require_positive,
    round_to_places,
)

NOT_DECIMALS: list[Any] = [1.5, True, 1, "1", None]


@pytest.mark.parametrize("value", NOT_DECIMALS)
def test_only_a_decimal_is_a_figure(value: Any) -> None:
    with pytest.raises(TypeError, match="margin must be a Decimal"):
        require_finite("margin", value)


@pytest.mark.parametrize("text", ["NaN", "sNaN", "Infinity", "-Infinity"])
def test_a_figure_is_finite(text: str) -> None:
    with pytest.raises(ValueError, match="margin must be finite"):
        require_finite("margin", Decimal(text))


def test_not_negative_takes_zero_and_refuses_just_below() -> None:
    require_not_negative("margin", Decimal("0.000001"))
    require_not_negative("margin", Decimal(0))
    with pytest.raises(ValueError, match="margin must not be negative"):
        require_not_negative("margin", Decimal("-0.000001"))


def test_positive_refuses_zero_and_takes_just_above() -> None:
    require_positive("rate", Decimal("0.000001"))
    for value in ("0", "-0.000001"):
        with pytest.raises(ValueError, match="rate must be above zero"):
            require_positive("rate", Decimal(value))


@pytest.mark.parametrize("value", [True, 1.0, "1", Decimal(1)])
def test_only_an_integer_is_a_quantity(value: Any) -> None:
    with pytest.raises(TypeError, match="qty must be an integer"):
        require_integer("qty", value)
    require_integer("qty", -1)


@pytest.mark.parametrize(
    ("text", "rounded"),
    [("1.0000005", "1.000000"), ("1.0000015", "1.000002"), ("-1.0000005", "-1.000000"), ("1.00000051", "1.000001")],
)
def test_ties_round_to_even(text: str, rounded: str) -> None:
    assert round_to_places(Decimal(text), 6) == Decimal(rounded)
