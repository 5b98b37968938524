"""The limits of automatic liquidation as configured."""

from decimal import Decimal

import pytest

from liquidation.rules.autoliq import AutoLiqLimits, DrawdownMode, SessionFigures, normalize


def figures(**changes):
    values = {"starting_balance": None, "original_balance": None, "week_pnl_before": Decimal(0), "margin": None}
    return SessionFigures(**{**values, "max_net_liq": None, **changes})


@pytest.mark.parametrize("sent", [Decimal("500.25"), Decimal("-500.25")])
def test_both_signs_of_a_limit_are_stored_positive(sent):
    assert AutoLiqLimits(daily_loss_auto_liq=sent).daily_loss_auto_liq == Decimal("500.25")


def test_normalizing_loses_no_digit_of_a_long_amount():
    assert normalize(Decimal("-1." + "1" * 40)) == Decimal("1." + "1" * 40)


def test_the_account_value_where_trailing_stops_keeps_its_sign():
    assert AutoLiqLimits(trailing_max_drawdown_limit=Decimal(-100)).trailing_max_drawdown_limit == -100


@pytest.mark.parametrize("name", ["daily_loss_auto_liq", "trailing_max_drawdown_limit", "margin_percentage_alert"])
@pytest.mark.parametrize(
    ("value", "error"), [(0.5, TypeError), (Decimal("NaN"), ValueError), (Decimal("-Infinity"), ValueError)]
)
def test_a_limit_that_is_no_exact_finite_number_is_refused(name, value, error):
    with pytest.raises(error):
        AutoLiqLimits(**{name: value})


def test_a_margin_percentage_of_zero_is_refused_but_an_amount_of_zero_is_a_limit():
    with pytest.raises(ValueError, match="margin_percentage_liq_only"):
        AutoLiqLimits(margin_percentage_liq_only=Decimal(0))
    assert AutoLiqLimits(daily_loss_auto_liq=Decimal(0)).daily_loss_auto_liq == 0


@pytest.mark.parametrize("name", ["starting_balance", "original_balance", "week_pnl_before", "margin", "max_net_liq"])
def test_a_figure_that_is_not_finite_is_refused(name):
    with pytest.raises(ValueError, match=name):
        figures(**{name: Decimal("NaN")})


def test_a_negative_margin_is_refused():
    with pytest.raises(ValueError, match="margin"):
        figures(margin=Decimal(-1))


def test_the_modes_are_the_words_of_the_wire():
    assert [mode.value for mode in DrawdownMode] == ["EOD", "RealTime"]
