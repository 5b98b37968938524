"""The order gate: whether an order may go to the market, tested on its account and on every account above it."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from accounts.rules.credit import CreditRule, available_credit, credit_allows
from accounts.rules.locks import TradingMode
from accounts.rules.pnl import Side


class FailureReason(StrEnum):
    """Why an order failed, as on the wire."""

    AccountClosed = "AccountClosed"
    AdvancedTrailingStopUnsupported = "AdvancedTrailingStopUnsupported"
    AnotherCommandPending = "AnotherCommandPending"
    BackMonthProhibited = "BackMonthProhibited"
    ExecutionProviderNotConfigured = "ExecutionProviderNotConfigured"
    ExecutionProviderUnavailable = "ExecutionProviderUnavailable"
    InvalidContract = "InvalidContract"
    InvalidPrice = "InvalidPrice"
    KeyInformationDocumentRequired = "KeyInformationDocumentRequired"
    LiquidationOnly = "LiquidationOnly"
    LiquidationOnlyBeforeExpiration = "LiquidationOnlyBeforeExpiration"
    MaxOrderQtyIsNotSpecified = "MaxOrderQtyIsNotSpecified"
    MaxOrderQtyLimitReached = "MaxOrderQtyLimitReached"
    MaxPosLimitMisconfigured = "MaxPosLimitMisconfigured"
    MaxPosLimitReached = "MaxPosLimitReached"
    MaxTotalPosLimitReached = "MaxTotalPosLimitReached"
    MultipleAccountPlanRequired = "MultipleAccountPlanRequired"
    NoQuote = "NoQuote"
    NotEnoughLiquidity = "NotEnoughLiquidity"
    OtherExecutionRelated = "OtherExecutionRelated"
    ParentRejected = "ParentRejected"
    RiskCheckTimeout = "RiskCheckTimeout"
    SSFRiskDisclosureAcknowledgmentRequired = "SSFRiskDisclosureAcknowledgmentRequired"
    SessionClosed = "SessionClosed"
    Success = "Success"
    TooLate = "TooLate"
    TradingLocked = "TradingLocked"
    TrailingStopNonOrderQtyModify = "TrailingStopNonOrderQtyModify"
    Unauthorized = "Unauthorized"
    UnknownReason = "UnknownReason"
    Unsupported = "Unsupported"


class DenialCode(StrEnum):
    """Which of our own rules denied an order."""

    ACCOUNT_CLOSED = "ACCOUNT_CLOSED"
    NO_ROUTE = "NO_ROUTE"
    TRADING_LOCKED = "TRADING_LOCKED"
    LIQUIDATION_ONLY = "LIQUIDATION_ONLY"
    LIMIT_MISSING = "LIMIT_MISSING"
    PNL_NOT_EVALUABLE = "PNL_NOT_EVALUABLE"
    MARGIN_UNKNOWN = "MARGIN_UNKNOWN"
    CREDIT_EXHAUSTED = "CREDIT_EXHAUSTED"
    TRADE_OUT_NOT_ALLOWED = "TRADE_OUT_NOT_ALLOWED"
    ORDER_QTY_EXCEEDED = "ORDER_QTY_EXCEEDED"
    POSITION_LIMIT_EXCEEDED = "POSITION_LIMIT_EXCEEDED"


_REASONS = {
    DenialCode.ACCOUNT_CLOSED: FailureReason.AccountClosed,
    DenialCode.NO_ROUTE: FailureReason.ExecutionProviderNotConfigured,
    DenialCode.TRADING_LOCKED: FailureReason.TradingLocked,
    DenialCode.LIQUIDATION_ONLY: FailureReason.LiquidationOnly,
    DenialCode.LIMIT_MISSING: FailureReason.MaxPosLimitMisconfigured,
    DenialCode.PNL_NOT_EVALUABLE: FailureReason.NoQuote,
    DenialCode.MARGIN_UNKNOWN: FailureReason.OtherExecutionRelated,
    DenialCode.CREDIT_EXHAUSTED: FailureReason.NotEnoughLiquidity,
    DenialCode.TRADE_OUT_NOT_ALLOWED: FailureReason.NotEnoughLiquidity,
    DenialCode.ORDER_QTY_EXCEEDED: FailureReason.MaxOrderQtyLimitReached,
    DenialCode.POSITION_LIMIT_EXCEEDED: FailureReason.MaxPosLimitReached,
}


class Projection(StrEnum):
    """What an order can do to a position at worst."""

    REDUCES = "REDUCES"
    OPENS = "OPENS"


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """An order somebody wants to send; `qty` is in contracts, above zero.

    Raises:
        ValueError: qty is not above zero.
    """

    symbol: str
    side: Side
    qty: int
    is_block_cross: bool = False

    def __post_init__(self) -> None:
        if self.qty <= 0:
            raise ValueError(f"qty must be above zero, not {self.qty}")


@dataclass(frozen=True, slots=True)
class PretradeLevel:
    """One account the order is tested on. Figures are of its whole tree; money is in its own credit currency.

    Attributes:
        name: Account name, for the text of a denial.
        mode: By the locks on this very account; the accounts above it are levels of their own.
        lock_note: What locked it, for example "auto-liquidate"; may be empty.
        is_closed: The account is archived.
        check_credit: Credit is tested.
        apply_to_block_cross: Credit is tested for block and cross orders too.
        daily_limit: >= 0; None is not set, which is not "unlimited".
        rule: Which of P/L and margin counts.
        pnl: Realized + open this session, a loss is negative; None cannot be evaluated.
        margin_before: Worst-case margin without this order, >= 0; None is not known.
        margin_after: Worst-case margin with this order working, >= 0; None is not known.
        trade_out_allowed: An order that can only reduce needs no credit and passes the other limits.
        net: Position in this order's contract, short is negative.
        working_buys: Contracts still open in working buy orders of this contract, >= 0.
        working_sells: The same for sell orders, >= 0.
        max_order_qty: Contracts, >= 0; None is no limit.
        max_long: Largest long position, contracts, >= 0; None is no limit.
        max_short: Largest short position as a positive number, contracts, >= 0; None is no limit.
        holder: Whose credit it is, for the text of a denial: an account's, or the submitting user's own.

    Raises:
        ValueError: a number of contracts other than net is negative.
    """

    name: str
    mode: TradingMode
    lock_note: str
    is_closed: bool
    check_credit: bool
    apply_to_block_cross: bool
    daily_limit: Decimal | None
    rule: CreditRule
    pnl: Decimal | None
    margin_before: Decimal | None
    margin_after: Decimal | None
    trade_out_allowed: bool
    net: int
    working_buys: int
    working_sells: int
    max_order_qty: int | None
    max_long: int | None
    max_short: int | None
    holder: str = "account"

    def __post_init__(self) -> None:
        counts = (self.working_buys, self.working_sells, self.max_order_qty, self.max_long, self.max_short)
        if any(count is not None and count < 0 for count in counts):
            raise ValueError(f"working quantities and limits of {self.name} must not be negative")


@dataclass(frozen=True, slots=True)
class Denial:
    """Why an order was denied: for the wire, which account, for the trader to read, for programs."""

    reason: FailureReason
    level: str
    text: str
    code: DenialCode


def projection(level: PretradeLevel, order: OrderRequest) -> Projection:
    """Return whether the order can only reduce the level's position.

    It can when the position, with every working order on the order's side filled as well, does not pass zero.

    Source: controls and faults, C05: by projected position, not by side.
    """
    held = -level.net * order.side.sign
    return Projection.REDUCES if _working(level, order.side) + order.qty <= held else Projection.OPENS


def check_order(order: OrderRequest, levels: Sequence[PretradeLevel]) -> Denial | None:
    """Return why the order may not be sent, or None when it may.

    Locks of all levels come before any limit, so no limit that is waived can let an order past a lock.
    An order counts as reducing at a level above only when it reduces there and on its own account.

    Args:
        order: What somebody wants to send.
        levels: The order's own account first, then each ancestor, nearest first.

    Raises:
        ValueError: there is no level, or a figure is not finite.

    Source: Trading Technologies, Setup help, "Credit Limits"; Tradovate partner API, failureReason.
    """
    if not levels:
        raise ValueError("an order is tested on its own account at least")
    own_reduces = projection(levels[0], order) is Projection.REDUCES
    for level in levels:
        if denial := _lock_denial(level, reduces=own_reduces):
            return denial
    for level in levels:
        reduces = own_reduces and projection(level, order) is Projection.REDUCES
        if denial := _credit_denial(level, order, reduces=reduces) or _limit_denial(level, order, reduces=reduces):
            return denial
    return None


def route_denial(account: str, exchange: str, *, is_routing: bool, is_connected: bool) -> Denial | None:
    """Return why no order can be routed from the account, or None when it can.

    Args:
        account: Its name.
        exchange: Where the order would go.
        is_routing: By the account's own type; an account above it may be of any.
        is_connected: It has a connection to the exchange, of its own or from above.

    Source: Trading Technologies, Setup help, account types and connections.
    """
    if not is_routing:
        what = "is non-routing: change its type, or trade on a routing account"
    elif not is_connected:
        what = f"has no connection to {exchange}: assign one to it or to an account above it"
    else:
        return None
    text = f"Pre-trade risk rejection: Account {account} {what}"
    return Denial(_REASONS[DenialCode.NO_ROUTE], level=account, text=text, code=DenialCode.NO_ROUTE)


def _lock_denial(level: PretradeLevel, *, reduces: bool) -> Denial | None:
    if level.is_closed:
        return _deny(level, DenialCode.ACCOUNT_CLOSED, "Account closed")
    if level.mode is TradingMode.LOCKED:
        return _deny(level, DenialCode.TRADING_LOCKED, "Trading disabled for account", level.lock_note)
    if level.mode is TradingMode.LIQUIDATE_ONLY and not reduces:
        return _deny(level, DenialCode.LIQUIDATION_ONLY, "Only closing orders allowed for account", level.lock_note)
    return None


def _credit_denial(level: PretradeLevel, order: OrderRequest, *, reduces: bool) -> Denial | None:
    if not level.check_credit or (order.is_block_cross and not level.apply_to_block_cross):
        return None
    return _trade_out_denial(level) if reduces else _new_risk_denial(level)


def _new_risk_denial(level: PretradeLevel) -> Denial | None:
    if level.daily_limit is None:
        return _deny(level, DenialCode.LIMIT_MISSING, f"No daily limit set for {level.holder}")
    if level.rule is not CreditRule.MARGIN and level.pnl is None:
        return _deny(level, DenialCode.PNL_NOT_EVALUABLE, f"P/L cannot be evaluated for {level.holder}")
    available = _available(level, level.margin_after)
    if available is None:
        return _deny(level, DenialCode.MARGIN_UNKNOWN, f"Margin not known for {level.holder}")
    if not credit_allows(rule=level.rule, available_after=available):
        return _deny(level, DenialCode.CREDIT_EXHAUSTED, f"Credit used up for {level.holder}", _credit_note(level))
    return None


def _trade_out_denial(level: PretradeLevel) -> Denial | None:
    # Without a limit no new risk may be taken, and a reducing order takes none.
    if level.rule is CreditRule.PNL or level.trade_out_allowed or level.daily_limit is None:
        return None
    available = _available(level, level.margin_after)
    if available is not None and available > 0:
        return None
    return _deny(
        level, DenialCode.TRADE_OUT_NOT_ALLOWED, f"Trade out not allowed for {level.holder}", _credit_note(level)
    )


def _limit_denial(level: PretradeLevel, order: OrderRequest, *, reduces: bool) -> Denial | None:
    if reduces and level.trade_out_allowed:
        return None
    if level.max_order_qty is not None and order.qty > level.max_order_qty:
        note = f"{order.qty} is more than {level.max_order_qty}"
        return _deny(level, DenialCode.ORDER_QTY_EXCEEDED, "Maximum order quantity exceeded for account", note)
    worst = level.net + order.side.sign * (_working(level, order.side) + order.qty)
    limit = level.max_long if order.side is Side.BUY else level.max_short
    # The provider never holds block and cross orders to position limits.
    if limit is None or order.is_block_cross or worst * order.side.sign <= limit:
        return None
    note = f"worst case {worst:+d}, limit {order.side.sign * limit:+d}"
    return _deny(level, DenialCode.POSITION_LIMIT_EXCEEDED, "Maximum position exceeded for account", note)


def _available(level: PretradeLevel, margin: Decimal | None) -> Decimal | None:
    # A figure the rule does not count need not be known.
    pnl = Decimal(0) if level.rule is CreditRule.MARGIN else level.pnl
    counted = Decimal(0) if level.rule is CreditRule.PNL else margin
    if level.daily_limit is None or pnl is None or counted is None:
        return None
    return available_credit(daily_limit=level.daily_limit, pnl=pnl, margin=counted, rule=level.rule)


def _credit_note(level: PretradeLevel) -> str:
    before = _available(level, level.margin_before)
    after = _available(level, level.margin_after)
    return f"available {_figure(before)}, with this order {_figure(after)}"


def _figure(amount: Decimal | None) -> str:
    return "not known" if amount is None else f"{amount:,f}"


def _working(level: PretradeLevel, side: Side) -> int:
    return level.working_buys if side is Side.BUY else level.working_sells


def _deny(level: PretradeLevel, code: DenialCode, what: str, note: str = "") -> Denial:
    text = f"Pre-trade risk rejection: {what} ({level.name})" + (f" ({note})" if note else "")
    return Denial(reason=_REASONS[code], level=level.name, text=text, code=code)
