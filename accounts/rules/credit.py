"""Credit: what an account may still lose, and when it has lost too much."""

from decimal import ROUND_DOWN, Context, Decimal, DivisionByZero, InvalidOperation, Overflow, localcontext
from enum import StrEnum

from accounts.rules.exact import EXACT, require_finite, require_not_negative, require_positive

# Rounding down keeps a share that is not reached from reading as reached.
_SHARE = Context(prec=28, rounding=ROUND_DOWN, traps=[InvalidOperation, DivisionByZero, Overflow])


class CreditRule(StrEnum):
    """Which figures count against the daily limit."""

    PNL = "PNL"
    MARGIN = "MARGIN"
    PNL_AND_MARGIN = "PNL_AND_MARGIN"


class CreditLossAction(StrEnum):
    """What happens to an account that lost its credit loss percentage; each includes the ones before it."""

    NONE = "NONE"
    DISABLE = "DISABLE"
    DISABLE_AND_CANCEL = "DISABLE_AND_CANCEL"
    AUTO_LIQUIDATE = "AUTO_LIQUIDATE"


def available_credit(*, daily_limit: Decimal, pnl: Decimal, margin: Decimal, rule: CreditRule) -> Decimal:
    """Return what the account may still lose or tie up this session.

    Args:
        daily_limit: Credit at session start, account currency, >= 0.
        pnl: Realized + open this session, account currency; a loss is negative.
        margin: Worst-case margin of positions and working orders, account currency, >= 0.
        rule: Which of P/L and margin counts.

    Returns:
        Account currency. Negative when overdrawn; never clamped to zero.

    Raises:
        TypeError: a figure is not a Decimal.
        ValueError: daily_limit or margin is negative, or a figure is not finite.

    Example:
        >>> available_credit(daily_limit=Decimal("6000"), pnl=Decimal("-225"),
        ...                  margin=Decimal("4000"), rule=CreditRule.PNL_AND_MARGIN)
        Decimal('1775')

    Source: Trading Technologies, Setup help, "Credit Limits".
    """
    require_not_negative("daily_limit", daily_limit)
    require_finite("pnl", pnl)
    require_not_negative("margin", margin)
    with localcontext(EXACT):
        if rule == CreditRule.PNL:
            return daily_limit + pnl
        if rule == CreditRule.MARGIN:
            return daily_limit - margin
        return daily_limit + pnl - margin


def credit_allows(*, rule: CreditRule, available_after: Decimal) -> bool:
    """Return whether an order that adds risk passes the credit test.

    The lines differ: P/L alone blocks below zero; with margin, zero is already refused.

    Args:
        rule: The account's rule.
        available_after: available_credit as it would be with the order working, account currency.

    Raises:
        TypeError: available_after is not a Decimal.
        ValueError: available_after is not finite.

    Example:
        >>> [credit_allows(rule=rule, available_after=Decimal(0)) for rule in CreditRule]
        [True, False, False]

    Source: Trading Technologies, Setup help, "Credit Limits".
    """
    require_finite("available_after", available_after)
    if rule == CreditRule.PNL:
        return available_after >= 0
    return available_after > 0


def validate_credit_loss_pct(credit_loss_pct: Decimal) -> None:
    """Refuse a credit loss percentage that is not above 0, at most 100, with at most two decimals.

    Raises:
        TypeError: credit_loss_pct is not a Decimal.
        ValueError: it is out of range or too fine.
    """
    require_positive("credit_loss_pct", credit_loss_pct)
    if credit_loss_pct > 100:
        raise ValueError(f"credit_loss_pct must be at most 100, not {credit_loss_pct}")
    if credit_loss_pct != round(credit_loss_pct, 2):
        raise ValueError(f"credit_loss_pct must have at most two decimals, not {credit_loss_pct}")


def session_base(*, daily_limit: Decimal, carry: Decimal = Decimal(0)) -> Decimal:
    """Return what losses are measured against, fixed at session start.

    Args:
        daily_limit: Account currency, >= 0.
        carry: Previous session's realized P/L when the company carries it, else zero. Open P/L never counts.

    Returns:
        Account currency. Negative when the carried loss is greater than the limit.

    Raises:
        TypeError: a figure is not a Decimal.
        ValueError: daily_limit is negative, or a figure is not finite.

    Source: Trading Technologies, Setup help, "Credit Loss Actions".
    """
    require_not_negative("daily_limit", daily_limit)
    require_finite("carry", carry)
    with localcontext(EXACT):
        return daily_limit + carry


def credit_loss_threshold(*, base: Decimal, credit_loss_pct: Decimal) -> Decimal:
    """Return the loss at which the credit loss action is due, as positive money.

    Args:
        base: session_base, account currency.
        credit_loss_pct: Share of base that may be lost, 0-100 (80 means 80 % lost, 20 % left).

    Returns:
        Account currency. Negative when base is: then only a profit greater than that is no breach.

    Raises:
        TypeError: a figure is not a Decimal.
        ValueError: base is not finite, or credit_loss_pct is not valid.

    Example:
        >>> credit_loss_threshold(base=Decimal("10000"), credit_loss_pct=Decimal("80"))
        Decimal('8000.00')
    """
    require_finite("base", base)
    validate_credit_loss_pct(credit_loss_pct)
    with localcontext(EXACT):
        return (base * credit_loss_pct).scaleb(-2)


def bal_to_liq(*, base: Decimal, credit_loss_pct: Decimal, pnl: Decimal) -> Decimal:
    """Return the room left before the credit loss action: TT's column BalToLiq.

    Args:
        base: session_base, account currency.
        credit_loss_pct: Share of base that may be lost, 0-100.
        pnl: Realized + open this session, account currency; a loss is negative. Margin never counts.

    Returns:
        Account currency. Positive while there is room; zero or negative is a breach.

    Raises:
        TypeError: a figure is not a Decimal.
        ValueError: a figure is not finite, or credit_loss_pct is not valid.

    Example:
        >>> bal_to_liq(base=Decimal("10000"), credit_loss_pct=Decimal("80"), pnl=Decimal("-8001"))
        Decimal('-1.00')

    Source: Trading Technologies, Trade help, Positions columns.
    """
    require_finite("pnl", pnl)
    with localcontext(EXACT):
        return credit_loss_threshold(base=base, credit_loss_pct=credit_loss_pct) + pnl


def is_credit_loss_breached(*, base: Decimal, credit_loss_pct: Decimal, pnl: Decimal) -> bool:
    """Return whether the credit loss action is due: bal_to_liq is zero or below.

    Raises:
        TypeError: a figure is not a Decimal.
        ValueError: a figure is not finite, or credit_loss_pct is not valid.

    Example:
        >>> is_credit_loss_breached(base=Decimal("10000"), credit_loss_pct=Decimal("80"), pnl=Decimal("-8000"))
        True
    """
    return bal_to_liq(base=base, credit_loss_pct=credit_loss_pct, pnl=pnl) <= 0


def curr_liq_pct(*, base: Decimal, pnl: Decimal) -> Decimal | None:
    """Return the share of the base that is lost, 0-100 and above: TT's column CurrLiq %.

    Rounded down to 28 digits, so that it reaches a credit loss percentage exactly when bal_to_liq reaches zero.

    Args:
        base: session_base, account currency.
        pnl: Realized + open this session, account currency; a loss is negative.

    Returns:
        Zero in profit. None when base is zero or below: there is nothing to take a share of.

    Raises:
        TypeError: a figure is not a Decimal.
        ValueError: a figure is not finite.

    Example:
        >>> curr_liq_pct(base=Decimal("10000"), pnl=Decimal("-2500"))
        Decimal('25')
    """
    require_finite("base", base)
    require_finite("pnl", pnl)
    if base <= 0:
        return None
    return max(Decimal(0), _share_pct(pnl.copy_negate(), base))


def net_liquidation(*, starting_balance: Decimal, pnl: Decimal) -> Decimal:
    """Return the starting balance with the session's P/L; margin never counts.

    Args:
        starting_balance: session_base, account currency.
        pnl: Realized + open this session, account currency; a loss is negative.

    Raises:
        TypeError: a figure is not a Decimal.
        ValueError: a figure is not finite.

    Source: Trading Technologies, Trade help, Positions columns.
    """
    require_finite("starting_balance", starting_balance)
    require_finite("pnl", pnl)
    with localcontext(EXACT):
        return starting_balance + pnl


def balance(*, daily_limit: Decimal, pnl: Decimal, margin: Decimal, rule: CreditRule) -> Decimal:
    """Return TT's column Balance: the daily limit with what the rule counts. The same as available_credit.

    Raises:
        TypeError: a figure is not a Decimal.
        ValueError: daily_limit or margin is negative, or a figure is not finite.
    """
    return available_credit(daily_limit=daily_limit, pnl=pnl, margin=margin, rule=rule)


def balance_used_pct(*, daily_limit: Decimal, balance: Decimal) -> Decimal | None:
    """Return the share of the daily limit that is used: TT's column BalanceUsed %.

    Args:
        daily_limit: Account currency, >= 0.
        balance: TT's column Balance, account currency.

    Returns:
        0-100, above 100 when overdrawn, negative in profit. None when daily_limit is zero. Rounded down to
        28 digits.

    Raises:
        TypeError: a figure is not a Decimal.
        ValueError: daily_limit is negative, or a figure is not finite.

    Example:
        >>> balance_used_pct(daily_limit=Decimal("10000"), balance=Decimal("7500"))
        Decimal('25')
    """
    require_not_negative("daily_limit", daily_limit)
    require_finite("balance", balance)
    if daily_limit == 0:
        return None
    with localcontext(EXACT):
        used = daily_limit - balance
    return _share_pct(used, daily_limit)


def _share_pct(part: Decimal, whole: Decimal) -> Decimal:
    with localcontext(EXACT):
        hundredfold = part * 100
    with localcontext(_SHARE):
        return hundredfold / whole
