"""Post-trade limits as levels of the session P/L."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.rules.credit import CreditLossAction, is_credit_loss_breached
from liquidation.rules.limits import (
    Action,
    AutoLiqLimits,
    Bound,
    Gap,
    GapCode,
    LimitKind,
    SessionFigures,
    Trigger,
    UnlockRule,
    auto_liq_triggers,
    credit_loss_trigger,
    reached,
    unlock_rule,
)

CENT = Decimal("0.01")
MONEY = st.decimals(min_value=-(10**9), max_value=10**9, places=6)
AMOUNTS = st.decimals(min_value=0, max_value=10**9, places=6)


def figures(**changes):
    values = {"starting_balance": Decimal(10000), "original_balance": None, "week_pnl_before": Decimal(0)}
    return SessionFigures(**{**values, "margin": Decimal(4000), "max_net_liq": None, **changes})


def only_trigger(limits, now):
    (trigger,), gaps = auto_liq_triggers(limits, now)
    assert gaps == ()
    return trigger


def trigger_of(kind, action=Action.AUTO_LIQUIDATE, level=0):
    return Trigger(kind, action, Bound.FLOOR, Decimal(level), Decimal(1))


def test_actions_grow_more_severe_in_their_order():
    assert [action.severity for action in Action] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("bound", "pnl", "is_reached"),
    [
        (Bound.FLOOR, "-499.99", False),
        (Bound.FLOOR, "-500", True),
        (Bound.FLOOR, "-500.01", True),
        (Bound.CEILING, "-500.01", False),
        (Bound.CEILING, "-500", True),
        (Bound.CEILING, "-499.99", True),
    ],
)
def test_a_trigger_is_reached_at_its_level_and_beyond(bound, pnl, is_reached):
    trigger = Trigger(LimitKind.DAILY_LOSS, Action.ALERT, bound, Decimal(-500), Decimal(500))
    assert trigger.is_reached(Decimal(pnl)) is is_reached


@pytest.mark.parametrize(
    ("name", "kind", "action", "level"),
    [
        ("daily_loss_alert", LimitKind.DAILY_LOSS, Action.ALERT, -50),
        ("daily_loss_liq_only", LimitKind.DAILY_LOSS, Action.LIQUIDATE_ONLY, -50),
        ("daily_loss_auto_liq", LimitKind.DAILY_LOSS, Action.AUTO_LIQUIDATE, -50),
        ("daily_loss_percentage_alert", LimitKind.DAILY_LOSS_PCT, Action.ALERT, -5000),
        ("daily_loss_percentage_liq_only", LimitKind.DAILY_LOSS_PCT, Action.LIQUIDATE_ONLY, -5000),
        ("daily_loss_percentage_auto_liq", LimitKind.DAILY_LOSS_PCT, Action.AUTO_LIQUIDATE, -5000),
        ("margin_percentage_alert", LimitKind.MARGIN_PCT, Action.ALERT, -2000),
        ("margin_percentage_liq_only", LimitKind.MARGIN_PCT, Action.LIQUIDATE_ONLY, -2000),
        ("margin_percentage_auto_liq", LimitKind.MARGIN_PCT, Action.AUTO_LIQUIDATE, -2000),
        ("weekly_loss_auto_liq", LimitKind.WEEKLY_LOSS, Action.AUTO_LIQUIDATE, -350),
        ("trailing_max_drawdown", LimitKind.TRAILING_DRAWDOWN, Action.AUTO_LIQUIDATE, -50),
    ],
)
def test_every_loss_limit_becomes_a_floor_of_the_session_pnl(name, kind, action, level):
    now = figures(week_pnl_before=Decimal(300))
    trigger = only_trigger(AutoLiqLimits(**{name: Decimal(50)}), now)
    assert trigger == Trigger(kind, action, Bound.FLOOR, Decimal(level), Decimal(50))


@pytest.mark.parametrize(
    ("name", "kind", "level"),
    [
        ("daily_profit_auto_liq", LimitKind.DAILY_PROFIT, 50),
        ("weekly_profit_auto_liq", LimitKind.WEEKLY_PROFIT, -250),
    ],
)
def test_every_profit_limit_becomes_a_ceiling_of_the_session_pnl(name, kind, level):
    now = figures(week_pnl_before=Decimal(300))
    trigger = only_trigger(AutoLiqLimits(**{name: Decimal(50)}), now)
    assert trigger == Trigger(kind, Action.AUTO_LIQUIDATE, Bound.CEILING, Decimal(level), Decimal(50))


def test_no_limit_gives_neither_triggers_nor_gaps():
    assert auto_liq_triggers(AutoLiqLimits(do_not_unlock=True), figures()) == ((), ())


@pytest.mark.parametrize("balance", [None, Decimal(-1), Decimal(0)])
def test_a_daily_percentage_without_a_balance_to_take_it_of_is_a_gap(balance):
    limits = AutoLiqLimits(daily_loss_percentage_auto_liq=Decimal(5))
    gap = Gap(LimitKind.DAILY_LOSS_PCT, Action.AUTO_LIQUIDATE, GapCode.STARTING_BALANCE_MISSING)
    assert auto_liq_triggers(limits, figures(starting_balance=balance)) == ((), (gap,))


def test_the_smallest_balance_is_enough_for_a_daily_percentage():
    trigger = only_trigger(AutoLiqLimits(daily_loss_percentage_alert=Decimal(5)), figures(starting_balance=CENT))
    assert trigger.pnl_level == Decimal("-0.0005")


@pytest.mark.parametrize(
    ("margin", "balance", "code"),
    [
        (None, Decimal(1), GapCode.MARGIN_UNKNOWN),
        (None, None, GapCode.MARGIN_UNKNOWN),
        (Decimal(1), None, GapCode.STARTING_BALANCE_MISSING),
    ],
)
def test_a_margin_limit_without_its_figures_is_a_gap(margin, balance, code):
    limits = AutoLiqLimits(margin_percentage_alert=Decimal(80))
    gap = Gap(LimitKind.MARGIN_PCT, Action.ALERT, code)
    assert auto_liq_triggers(limits, figures(margin=margin, starting_balance=balance)) == ((), (gap,))


def test_without_margin_a_margin_limit_cannot_be_reached():
    limits = AutoLiqLimits(margin_percentage_alert=Decimal(80))
    assert auto_liq_triggers(limits, figures(margin=Decimal(0), starting_balance=None)) == ((), ())


@given(
    margin=st.decimals(min_value=CENT, max_value=10**9, places=6),
    balance=MONEY,
    pct=st.decimals(min_value=CENT, max_value=1000, places=4),
    pnl=MONEY,
)
def test_a_margin_level_is_reached_exactly_when_margin_over_net_liq_is(margin, balance, pct, pnl):
    trigger = only_trigger(
        AutoLiqLimits(margin_percentage_auto_liq=pct), figures(margin=margin, starting_balance=balance)
    )
    net_liq = Fraction(balance) + Fraction(pnl)
    expected = net_liq <= 0 or Fraction(margin) * 100 / net_liq >= Fraction(pct)
    assert trigger.is_reached(pnl) is expected


@pytest.mark.parametrize(("pnl", "is_reached"), [("-8666.666666", False), ("-8666.666667", True)])
def test_a_margin_level_that_does_not_end_is_not_reached_by_rounding(pnl, is_reached):
    now = figures(margin=Decimal(4), starting_balance=Decimal(8680))
    trigger = only_trigger(AutoLiqLimits(margin_percentage_auto_liq=Decimal(30)), now)
    assert trigger.is_reached(Decimal(pnl)) is is_reached


def test_a_cap_of_the_trailing_floor_without_a_starting_balance_is_a_gap():
    limits = AutoLiqLimits(trailing_max_drawdown=Decimal(2000), trailing_max_drawdown_limit=Decimal(100100))
    gap = Gap(LimitKind.TRAILING_DRAWDOWN, Action.AUTO_LIQUIDATE, GapCode.STARTING_BALANCE_MISSING)
    assert auto_liq_triggers(limits, figures(starting_balance=None)) == ((), (gap,))


def test_a_cap_with_a_starting_balance_is_used():
    limits = AutoLiqLimits(trailing_max_drawdown=Decimal(2000), trailing_max_drawdown_limit=Decimal(10100))
    assert only_trigger(limits, figures(max_net_liq=Decimal(20000))).pnl_level == 100


@given(amount=AMOUNTS, before=MONEY, pnl=MONEY)
def test_a_weekly_loss_is_reached_by_the_sum_of_the_week(amount, before, pnl):
    trigger = only_trigger(AutoLiqLimits(weekly_loss_auto_liq=amount), figures(week_pnl_before=before))
    assert trigger.is_reached(pnl) is (Fraction(before) + Fraction(pnl) <= -Fraction(amount))


@given(amount=AMOUNTS, before=MONEY, pnl=MONEY)
def test_a_weekly_profit_is_reached_by_the_sum_of_the_week(amount, before, pnl):
    trigger = only_trigger(AutoLiqLimits(weekly_profit_auto_liq=amount), figures(week_pnl_before=before))
    assert trigger.is_reached(pnl) is (Fraction(before) + Fraction(pnl) >= Fraction(amount))


def test_no_digit_of_a_long_amount_is_lost():
    amount = Decimal("12345678901234567890.123456789012345678")
    now = figures(week_pnl_before=Decimal("0.000000000000000001"))
    trigger = only_trigger(AutoLiqLimits(weekly_loss_auto_liq=amount), now)
    assert trigger.pnl_level == Decimal("-12345678901234567890.123456789012345679")


def test_no_credit_loss_action_gives_no_trigger():
    assert credit_loss_trigger(action=CreditLossAction.NONE, base=Decimal(1), credit_loss_pct=Decimal(80)) is None


@pytest.mark.parametrize("action", [action for action in CreditLossAction if action is not CreditLossAction.NONE])
@given(base=MONEY, pct=st.decimals(min_value=CENT, max_value=100, places=2), pnl=MONEY)
def test_the_credit_loss_trigger_is_reached_exactly_when_the_credit_rule_says_so(action, base, pct, pnl):
    trigger = credit_loss_trigger(action=action, base=base, credit_loss_pct=pct)
    assert (trigger.kind, trigger.action.value, trigger.threshold) == (LimitKind.CREDIT_LOSS, action.value, pct)
    assert trigger.is_reached(pnl) is is_credit_loss_breached(base=base, credit_loss_pct=pct, pnl=pnl)


def test_the_most_severe_comes_first_and_equals_keep_their_order():
    alert = trigger_of(LimitKind.DAILY_LOSS, Action.ALERT)
    daily, weekly = trigger_of(LimitKind.DAILY_LOSS), trigger_of(LimitKind.WEEKLY_LOSS)
    beyond = trigger_of(LimitKind.TRAILING_DRAWDOWN, level=-1)
    assert reached([alert, daily, beyond, weekly], Decimal(0)) == (daily, weekly, alert)


def test_a_pnl_that_is_no_number_reaches_nothing_but_is_refused():
    with pytest.raises(ValueError, match="pnl"):
        reached([], Decimal("NaN"))


UNLOCKED = {
    LimitKind.DAILY_LOSS: UnlockRule.NEXT_SESSION,
    LimitKind.DAILY_LOSS_PCT: UnlockRule.NEXT_SESSION,
    LimitKind.DAILY_PROFIT: UnlockRule.NEXT_SESSION,
    LimitKind.WEEKLY_LOSS: UnlockRule.NEXT_WEEK,
    LimitKind.WEEKLY_PROFIT: UnlockRule.NEXT_WEEK,
    LimitKind.CREDIT_LOSS: UnlockRule.NEVER,
    LimitKind.TRAILING_DRAWDOWN: UnlockRule.NEVER,
    LimitKind.MARGIN_PCT: UnlockRule.NEVER,
}


@pytest.mark.parametrize("kind", LimitKind)
@pytest.mark.parametrize("action", [Action.LIQUIDATE_ONLY, Action.AUTO_LIQUIDATE])
def test_the_lock_of_each_limit_opens_when_its_period_ends(kind, action):
    assert unlock_rule(trigger_of(kind, action), do_not_unlock=False) is UNLOCKED[kind]


@pytest.mark.parametrize("kind", LimitKind)
def test_do_not_unlock_keeps_every_lock(kind):
    assert unlock_rule(trigger_of(kind), do_not_unlock=True) is UnlockRule.NEVER
