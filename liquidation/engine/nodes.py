"""What the engine keeps of each watched account: its limits and what its whole tree gains per tick."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from liquidation.rules.autoliq import AutoLiqLimits, SessionFigures
from liquidation.rules.drawdown import peak_net_liq, trailing_is_frozen
from liquidation.rules.limits import Action, Gap, Trigger, auto_liq_triggers

ZERO = Decimal(0)


@dataclass(slots=True)
class Node:
    """One watched account. Money is in `currency`; `pnl = sum(per_tick x ticks) - cost`.

    `acted` is the severest action whose lock stands.
    """

    account_id: int
    name: str
    currency: str
    limits: AutoLiqLimits
    figures: SessionFigures
    credit_trigger: Trigger | None
    per_tick: dict[str, Decimal] = field(default_factory=dict)
    cost: Decimal = ZERO
    nets: dict[str, int] = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    acted: Action | None = None
    hold_until: datetime | None = None
    is_held: bool = False
    do_not_unlock: bool = False
    inactive_trigger: Trigger | None = None

    def pnl(self, ticks: Mapping[str, int]) -> Decimal:
        """Return the session P/L of the whole tree. Raises KeyError where a mark is missing."""
        return sum((money * ticks[symbol] for symbol, money in self.per_tick.items() if money), ZERO) - self.cost

    def symbols(self) -> list[str]:
        return [symbol for symbol, money in self.per_tick.items() if money]

    def triggers(self) -> tuple[tuple[Trigger, ...], tuple[Gap, ...]]:
        """Return every limit as a level of P/L now, and those that cannot be computed."""
        triggers, gaps = auto_liq_triggers(self.limits, self.figures)
        return ((self.credit_trigger, *triggers) if self.credit_trigger else triggers), gaps

    def follows_peak(self) -> bool:
        return not trailing_is_frozen(self.limits, self.figures)

    @property
    def starting_balance(self) -> Decimal:
        return self.figures.starting_balance or ZERO

    @property
    def peak(self) -> Decimal:
        return peak_net_liq(self.figures)
