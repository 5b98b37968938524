"""The trailing drawdown."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liquidation.rules.autoliq import AutoLiqLimits, DrawdownMode, SessionFigures
from liquidation.rules.drawdown import drawdown_level, peak_net_liq, raised_peak, trailing_is_frozen

AMOUNTS = st.decimals(min_value=0, max_value=10**9, places=2)
REAL_TIME = AutoLiqLimits(trailing_max_drawdown=Decimal(2000), trailing_max_drawdown_mode=DrawdownMode.REAL_TIME)


def figures(start="100000", peak=None, original=None):
    def amount(text):
        return None if text is None else Decimal(text)

    return SessionFigures(amount(start), amount(original), Decimal(0), None, amount(peak))


@pytest.mark.parametrize(
    ("start", "peak", "expected"),
    [(None, None, "0"), (None, "30", "30"), ("100", None, "100"), ("100", "99", "100"), ("100", "101", "101")],
)
def test_the_peak_is_the_recorded_one_but_never_below_the_start(start, peak, expected):
    assert peak_net_liq(figures(start, peak)) == Decimal(expected)


@pytest.mark.parametrize(
    ("start", "peak", "original", "cap", "level"),
    [
        ("100000", None, None, None, "-2000"),
        ("100000", "101000", None, None, "-1000"),
        ("100000", "101999", None, None, "-1"),
        ("100000", "102000", None, None, "0"),
        ("100000", "102001", None, None, "0"),
        ("101500", "103000", "100000", None, "-1500"),
        ("100000", "102100", None, "100100", "100"),
        ("100000", "102101", None, "100100", "100"),
        ("100000", "102099", None, "100100", "99"),
        (None, None, None, None, "-2000"),
    ],
)
def test_the_floor_trails_the_peak_and_stops_at_its_cap(start, peak, original, cap, level):
    limits = AutoLiqLimits(trailing_max_drawdown_limit=None if cap is None else Decimal(cap))
    assert drawdown_level(Decimal(2000), limits, figures(start, peak, original)) == Decimal(level)


@given(start=AMOUNTS, peak=AMOUNTS, more=AMOUNTS, drawdown=AMOUNTS, original=st.none() | AMOUNTS)
def test_a_higher_peak_never_lowers_the_floor(start, peak, more, drawdown, original):
    before = drawdown_level(drawdown, AutoLiqLimits(), figures(start, peak, original))
    assert drawdown_level(drawdown, AutoLiqLimits(), figures(start, peak + more, original)) >= before


@pytest.mark.parametrize(("peak", "frozen"), [("101999", False), ("102000", True), ("102001", True)])
def test_the_floor_is_frozen_from_its_cap_on(peak, frozen):
    assert trailing_is_frozen(REAL_TIME, figures(peak=peak)) is frozen


@pytest.mark.parametrize("mode", [None, DrawdownMode.EOD])
def test_the_floor_is_frozen_within_the_session_in_any_other_mode(mode):
    limits = AutoLiqLimits(trailing_max_drawdown=Decimal(2000), trailing_max_drawdown_mode=mode)
    assert trailing_is_frozen(limits, figures())


def test_without_a_trailing_drawdown_there_is_nothing_to_follow():
    assert trailing_is_frozen(AutoLiqLimits(trailing_max_drawdown_mode=DrawdownMode.REAL_TIME), figures())


@given(net_liq=AMOUNTS, start=AMOUNTS, peak=AMOUNTS)
def test_a_frozen_floor_stays_where_it_is_whatever_the_peak(net_liq, start, peak):
    now = figures(start, peak)
    if trailing_is_frozen(REAL_TIME, now):
        raised = raised_peak(REAL_TIME, net_liq=net_liq, max_net_liq=peak_net_liq(now))
        assert drawdown_level(Decimal(2000), REAL_TIME, figures(start, raised)) == drawdown_level(
            Decimal(2000), REAL_TIME, now
        )


@pytest.mark.parametrize(("net_liq", "peak"), [("99.99", "100"), ("100", "100"), ("100.01", "100.01")])
def test_a_real_time_peak_rises_with_net_liq_and_never_falls(net_liq, peak):
    assert raised_peak(REAL_TIME, net_liq=Decimal(net_liq), max_net_liq=Decimal(100)) == Decimal(peak)


@pytest.mark.parametrize("mode", [None, DrawdownMode.EOD])
def test_the_peak_of_another_mode_does_not_move_in_real_time(mode):
    limits = AutoLiqLimits(trailing_max_drawdown=Decimal(1), trailing_max_drawdown_mode=mode)
    assert raised_peak(limits, net_liq=Decimal(500), max_net_liq=Decimal(100)) == 100


def test_a_peak_is_never_raised_to_what_is_no_number():
    with pytest.raises(ValueError, match="net_liq"):
        raised_peak(REAL_TIME, net_liq=Decimal("NaN"), max_net_liq=Decimal(1))
