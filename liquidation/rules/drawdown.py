"""The trailing drawdown: a floor that follows the peak of net liq up, never down."""

from decimal import Decimal, localcontext

from accounts.rules.exact import EXACT, require_finite
from liquidation.rules.autoliq import AutoLiqLimits, DrawdownMode, SessionFigures


def peak_net_liq(figures: SessionFigures) -> Decimal:
    """Return the peak that a trailing drawdown hangs from: the recorded one, or the session's start if higher."""
    start = _start(figures)
    return start if figures.max_net_liq is None else max(figures.max_net_liq, start)


def trailing_is_frozen(limits: AutoLiqLimits, figures: SessionFigures) -> bool:
    """Return whether a higher net liq cannot raise the trailing floor during the session.

    So it is without a trailing drawdown, in any mode but REAL_TIME, and once the floor has reached its cap.
    """
    drawdown = limits.trailing_max_drawdown
    if drawdown is None or limits.trailing_max_drawdown_mode is not DrawdownMode.REAL_TIME:
        return True
    with localcontext(EXACT):
        return peak_net_liq(figures) - drawdown >= _cap(limits, figures)


def raised_peak(limits: AutoLiqLimits, *, net_liq: Decimal, max_net_liq: Decimal) -> Decimal:
    """Return the peak to record: the higher of both in mode REAL_TIME, else max_net_liq unchanged.

    Args:
        limits: The account's limits.
        net_liq: Net liquidation value now, account currency.
        max_net_liq: The peak so far; peak_net_liq where none is recorded.

    Raises:
        TypeError: a figure is not a Decimal.
        ValueError: a figure is not finite.
    """
    require_finite("net_liq", net_liq)
    require_finite("max_net_liq", max_net_liq)
    if limits.trailing_max_drawdown_mode is not DrawdownMode.REAL_TIME:
        return max_net_liq
    return max(net_liq, max_net_liq)


def drawdown_level(drawdown: Decimal, limits: AutoLiqLimits, figures: SessionFigures) -> Decimal:
    """Return the session P/L at which a trailing drawdown is reached.

    The floor of net liq trails its peak by the drawdown and stops at the cap: trailing_max_drawdown_limit, else
    the original balance. Net liq counts from zero where no starting balance is kept.

    Args:
        drawdown: Distance below the peak, account currency, >= 0.
        limits: The account's limits, for the cap.
        figures: The session's figures.

    Returns:
        Account currency, signed. Above zero when the session started below the floor.

    Example:
        >>> figures = SessionFigures(Decimal("100000"), None, Decimal(0), None, Decimal("101000"))
        >>> drawdown_level(Decimal("2500"), AutoLiqLimits(), figures)
        Decimal('-1500')

    Source: Tradovate partner API, fields trailingMaxDrawdown and trailingMaxDrawdownLimit.
    """
    with localcontext(EXACT):
        floor = min(peak_net_liq(figures) - drawdown, _cap(limits, figures))
        return floor - _start(figures)


def _cap(limits: AutoLiqLimits, figures: SessionFigures) -> Decimal:
    if limits.trailing_max_drawdown_limit is not None:
        return limits.trailing_max_drawdown_limit
    return _start(figures) if figures.original_balance is None else figures.original_balance


def _start(figures: SessionFigures) -> Decimal:
    return Decimal(0) if figures.starting_balance is None else figures.starting_balance
