"""Post-trade limits as levels of the account tree's session P/L, so that one number decides all."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal, localcontext
from enum import StrEnum

from accounts.rules.credit import CreditLossAction, credit_loss_threshold
from accounts.rules.exact import EXACT, ROUNDED, require_finite
from liquidation.rules.autoliq import AutoLiqLimits, DrawdownMode, SessionFigures, normalize
from liquidation.rules.drawdown import drawdown_level, peak_net_liq, raised_peak, trailing_is_frozen

__all__ = [
    "Action",
    "AutoLiqLimits",
    "Bound",
    "DrawdownMode",
    "Gap",
    "GapCode",
    "LimitKind",
    "SessionFigures",
    "Trigger",
    "UnlockRule",
    "auto_liq_triggers",
    "credit_loss_trigger",
    "normalize",
    "peak_net_liq",
    "raised_peak",
    "reached",
    "trailing_is_frozen",
    "unlock_rule",
]

# A P/L has at most 18 decimals, so a level rounded down at 30 is reached by the same figures as the exact one.
_LEVEL_STEP = Decimal(1).scaleb(-30)


class Action(StrEnum):
    """What a reached limit asks for."""

    ALERT = "ALERT"
    LIQUIDATE_ONLY = "LIQUIDATE_ONLY"
    DISABLE = "DISABLE"
    DISABLE_AND_CANCEL = "DISABLE_AND_CANCEL"
    AUTO_LIQUIDATE = "AUTO_LIQUIDATE"

    @property
    def severity(self) -> int:
        """Rank of the action: a higher one stops more."""
        return _SEVERITY[self]


_SEVERITY = {action: rank for rank, action in enumerate(Action)}


class LimitKind(StrEnum):
    """Which limit a trigger or a gap comes from."""

    CREDIT_LOSS = "CREDIT_LOSS"
    DAILY_LOSS = "DAILY_LOSS"
    DAILY_LOSS_PCT = "DAILY_LOSS_PCT"
    WEEKLY_LOSS = "WEEKLY_LOSS"
    MARGIN_PCT = "MARGIN_PCT"
    DAILY_PROFIT = "DAILY_PROFIT"
    WEEKLY_PROFIT = "WEEKLY_PROFIT"
    TRAILING_DRAWDOWN = "TRAILING_DRAWDOWN"


class Bound(StrEnum):
    """Which way the P/L must go to reach a level."""

    FLOOR = "FLOOR"
    CEILING = "CEILING"


class GapCode(StrEnum):
    """Which figure is missing."""

    STARTING_BALANCE_MISSING = "STARTING_BALANCE_MISSING"
    MARGIN_UNKNOWN = "MARGIN_UNKNOWN"


class UnlockRule(StrEnum):
    """When the lock of a reached limit opens by itself."""

    NEXT_SESSION = "NEXT_SESSION"
    NEXT_WEEK = "NEXT_WEEK"
    NEVER = "NEVER"


_PROFITS = frozenset({LimitKind.DAILY_PROFIT, LimitKind.WEEKLY_PROFIT})
_WEEKLY = frozenset({LimitKind.WEEKLY_LOSS, LimitKind.WEEKLY_PROFIT})
_NEVER_UNLOCKED = frozenset({LimitKind.CREDIT_LOSS, LimitKind.TRAILING_DRAWDOWN, LimitKind.MARGIN_PCT})


@dataclass(frozen=True, slots=True)
class Trigger:
    """One limit as a level of the session P/L; at the line counts.

    Attributes:
        kind: Which limit.
        action: What is due when it is reached.
        bound: FLOOR is reached at pnl_level and below, CEILING at pnl_level and above.
        pnl_level: Session P/L, account currency, signed.
        threshold: The limit as configured: money, or a percentage 0-100 where the kind is one.
    """

    kind: LimitKind
    action: Action
    bound: Bound
    pnl_level: Decimal
    threshold: Decimal

    def is_reached(self, pnl: Decimal) -> bool:
        """Return whether this session P/L is at the level or beyond it."""
        return pnl <= self.pnl_level if self.bound is Bound.FLOOR else pnl >= self.pnl_level


@dataclass(frozen=True, slots=True)
class Gap:
    """A limit that cannot be evaluated, and why. To be alerted, never taken for a limit that holds."""

    kind: LimitKind
    action: Action
    code: GapCode


def credit_loss_trigger(*, action: CreditLossAction, base: Decimal, credit_loss_pct: Decimal) -> Trigger | None:
    """Return the level of the credit loss action; None when the action is NONE.

    Args:
        action: What the account is set to do.
        base: What losses are measured against, account currency.
        credit_loss_pct: Share of base that may be lost, above 0, at most 100.

    Raises:
        TypeError: a figure is not a Decimal.
        ValueError: base is not finite, or credit_loss_pct is not valid.

    Example:
        >>> credit_loss_trigger(action=CreditLossAction.DISABLE, base=Decimal("10000"),
        ...                     credit_loss_pct=Decimal("80")).pnl_level
        Decimal('-8000.00')
    """
    if action is CreditLossAction.NONE:
        return None
    loss = credit_loss_threshold(base=base, credit_loss_pct=credit_loss_pct)
    return Trigger(LimitKind.CREDIT_LOSS, Action(action.value), Bound.FLOOR, loss.copy_negate(), credit_loss_pct)


def auto_liq_triggers(limits: AutoLiqLimits, figures: SessionFigures) -> tuple[tuple[Trigger, ...], tuple[Gap, ...]]:
    """Return every limit that is set, as triggers and as gaps where a figure is missing.

    A margin limit is reached when margin / net liq x 100 is at the percentage or above, or when net liq is
    gone; without margin there is nothing to reach, and no trigger.

    Example:
        >>> figures = SessionFigures(None, None, Decimal(0), Decimal(0), None)
        >>> limits = AutoLiqLimits(daily_loss_auto_liq=Decimal("500"), daily_loss_percentage_alert=Decimal("2"))
        >>> triggers, gaps = auto_liq_triggers(limits, figures)
        >>> [str(trigger.pnl_level) for trigger in triggers], [str(gap.code) for gap in gaps]
        (['-500'], ['STARTING_BALANCE_MISSING'])

    Source: Tradovate partner API, entity UserAccountAutoLiq.
    """
    triggers: list[Trigger] = []
    gaps: list[Gap] = []
    for kind, action, threshold in _limits_set(limits):
        level = _level(kind, threshold, limits, figures)
        if isinstance(level, GapCode):
            gaps.append(Gap(kind, action, level))
        elif level is not None:
            bound = Bound.CEILING if kind in _PROFITS else Bound.FLOOR
            triggers.append(Trigger(kind, action, bound, level, threshold))
    return tuple(triggers), tuple(gaps)


def reached(triggers: Iterable[Trigger], pnl: Decimal) -> tuple[Trigger, ...]:
    """Return the triggers that this session P/L reaches, most severe first; equals keep their order.

    Raises:
        TypeError: pnl is not a Decimal.
        ValueError: pnl is not finite.
    """
    require_finite("pnl", pnl)
    due = (trigger for trigger in triggers if trigger.is_reached(pnl))
    return tuple(sorted(due, key=lambda trigger: -trigger.action.severity))


def unlock_rule(trigger: Trigger, do_not_unlock: bool) -> UnlockRule:
    """Return when the lock of a reached trigger opens by itself.

    Source: Tradovate partner API, fields dailyLossAutoLiq, weeklyLossAutoLiq and doNotUnlock.
    """
    if do_not_unlock or trigger.kind in _NEVER_UNLOCKED:
        return UnlockRule.NEVER
    return UnlockRule.NEXT_WEEK if trigger.kind in _WEEKLY else UnlockRule.NEXT_SESSION


def _limits_set(limits: AutoLiqLimits) -> Sequence[tuple[LimitKind, Action, Decimal]]:
    rows = (
        (LimitKind.MARGIN_PCT, Action.ALERT, limits.margin_percentage_alert),
        (LimitKind.DAILY_LOSS_PCT, Action.ALERT, limits.daily_loss_percentage_alert),
        (LimitKind.DAILY_LOSS, Action.ALERT, limits.daily_loss_alert),
        (LimitKind.MARGIN_PCT, Action.LIQUIDATE_ONLY, limits.margin_percentage_liq_only),
        (LimitKind.DAILY_LOSS_PCT, Action.LIQUIDATE_ONLY, limits.daily_loss_percentage_liq_only),
        (LimitKind.DAILY_LOSS, Action.LIQUIDATE_ONLY, limits.daily_loss_liq_only),
        (LimitKind.MARGIN_PCT, Action.AUTO_LIQUIDATE, limits.margin_percentage_auto_liq),
        (LimitKind.DAILY_LOSS_PCT, Action.AUTO_LIQUIDATE, limits.daily_loss_percentage_auto_liq),
        (LimitKind.DAILY_LOSS, Action.AUTO_LIQUIDATE, limits.daily_loss_auto_liq),
        (LimitKind.WEEKLY_LOSS, Action.AUTO_LIQUIDATE, limits.weekly_loss_auto_liq),
        (LimitKind.TRAILING_DRAWDOWN, Action.AUTO_LIQUIDATE, limits.trailing_max_drawdown),
        (LimitKind.DAILY_PROFIT, Action.AUTO_LIQUIDATE, limits.daily_profit_auto_liq),
        (LimitKind.WEEKLY_PROFIT, Action.AUTO_LIQUIDATE, limits.weekly_profit_auto_liq),
    )
    return [(kind, action, threshold) for kind, action, threshold in rows if threshold is not None]


def _level(
    kind: LimitKind, threshold: Decimal, limits: AutoLiqLimits, figures: SessionFigures
) -> Decimal | GapCode | None:
    if kind is LimitKind.MARGIN_PCT:
        return _margin_level(threshold, figures)
    if kind is LimitKind.TRAILING_DRAWDOWN:
        is_gap = limits.trailing_max_drawdown_limit is not None and figures.starting_balance is None
        return GapCode.STARTING_BALANCE_MISSING if is_gap else drawdown_level(threshold, limits, figures)
    with localcontext(EXACT):
        if kind is LimitKind.DAILY_LOSS_PCT:
            return _daily_pct_level(threshold, figures.starting_balance)
        amount = threshold if kind in _PROFITS else -threshold
        return amount - figures.week_pnl_before if kind in _WEEKLY else amount


def _daily_pct_level(pct: Decimal, starting_balance: Decimal | None) -> Decimal | GapCode:
    if starting_balance is None or starting_balance <= 0:
        return GapCode.STARTING_BALANCE_MISSING
    return -(starting_balance * pct).scaleb(-2)


def _margin_level(pct: Decimal, figures: SessionFigures) -> Decimal | GapCode | None:
    if figures.margin is None:
        return GapCode.MARGIN_UNKNOWN
    if figures.margin == 0:
        return None
    if figures.starting_balance is None:
        return GapCode.STARTING_BALANCE_MISSING
    with localcontext(ROUNDED):
        level = figures.margin * 100 / pct - figures.starting_balance
        return level.quantize(_LEVEL_STEP, rounding=ROUND_FLOOR)
