"""The limits of automatic liquidation as configured, and the figures they are held against."""

from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from accounts.rules.exact import require_finite, require_not_negative, require_positive

_NOT_SIGNLESS = frozenset(
    {
        "trailing_max_drawdown_limit",
        "trailing_max_drawdown_mode",
        "flatten_timestamp",
        "do_not_unlock",
        "changes_locked",
    }
)


class DrawdownMode(StrEnum):
    """When the peak of a trailing drawdown is taken. The values are the wire's."""

    EOD = "EOD"
    REAL_TIME = "RealTime"


@dataclass(frozen=True, slots=True)
class AutoLiqLimits:
    """The wire's UserAccountAutoLiq. A limit left at None is not applied; zero is a limit of zero.

    Amounts and percentages are taken without their sign: a loss of 500 may come as 500 or as -500.
    trailing_max_drawdown_limit is an account value and keeps its sign. Amounts are in account currency,
    percentages 0-100.

    Raises:
        TypeError: an amount or percentage is not a Decimal.
        ValueError: one is not finite, or a margin percentage is zero.

    Source: Tradovate partner API, entity UserAccountAutoLiq.
    """

    margin_percentage_alert: Decimal | None = None
    daily_loss_percentage_alert: Decimal | None = None
    daily_loss_alert: Decimal | None = None
    margin_percentage_liq_only: Decimal | None = None
    daily_loss_percentage_liq_only: Decimal | None = None
    daily_loss_liq_only: Decimal | None = None
    margin_percentage_auto_liq: Decimal | None = None
    daily_loss_percentage_auto_liq: Decimal | None = None
    daily_loss_auto_liq: Decimal | None = None
    weekly_loss_auto_liq: Decimal | None = None
    trailing_max_drawdown: Decimal | None = None
    trailing_max_drawdown_limit: Decimal | None = None
    trailing_max_drawdown_mode: DrawdownMode | None = None
    daily_profit_auto_liq: Decimal | None = None
    weekly_profit_auto_liq: Decimal | None = None
    flatten_timestamp: datetime | None = None
    do_not_unlock: bool = False
    changes_locked: bool = False

    def __post_init__(self) -> None:
        for name in (field.name for field in fields(self) if field.name not in _NOT_SIGNLESS):
            value = normalize(getattr(self, name))
            object.__setattr__(self, name, value)
            if value is not None and name.startswith("margin_"):
                require_positive(name, value)
        if self.trailing_max_drawdown_limit is not None:
            require_finite("trailing_max_drawdown_limit", self.trailing_max_drawdown_limit)


@dataclass(frozen=True, slots=True)
class SessionFigures:
    """What limits are held against, fixed for the session but for margin and peak. Account currency.

    Attributes:
        starting_balance: Balance at session start; None when nobody keeps one.
        original_balance: Balance when the account was opened; None takes the starting balance.
        week_pnl_before: P/L of this week's earlier sessions; a loss is negative.
        margin: Margin of the positions open now, >= 0; None when it cannot be computed.
        max_net_liq: Highest net liq recorded; None before the first.

    Raises:
        TypeError: a figure is not a Decimal.
        ValueError: a figure is not finite, or margin is negative.
    """

    starting_balance: Decimal | None
    original_balance: Decimal | None
    week_pnl_before: Decimal
    margin: Decimal | None
    max_net_liq: Decimal | None

    def __post_init__(self) -> None:
        require_finite("week_pnl_before", self.week_pnl_before)
        for name in ("starting_balance", "original_balance", "max_net_liq"):
            value = getattr(self, name)
            if value is not None:
                require_finite(name, value)
        if self.margin is not None:
            require_not_negative("margin", self.margin)


def normalize(value: Decimal | None) -> Decimal | None:
    """Return a limit without its sign, exactly; None stays None.

    Raises:
        TypeError: value is not a Decimal.
        ValueError: value is not finite.

    Example:
        >>> normalize(Decimal("-500")), normalize(None)
        (Decimal('500'), None)
    """
    if value is None:
        return None
    require_finite("limit", value)
    return value.copy_abs()
