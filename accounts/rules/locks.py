"""Locks: what stops an account from trading, what each administrative action does, who may lift what."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

HOLD_SECONDS = 60
"""How long an action that only holds auto-liquidation lasts."""


class LockMode(StrEnum):
    """What one lock forbids."""

    LIQUIDATE_ONLY = "LIQUIDATE_ONLY"
    LOCKED = "LOCKED"


class TradingMode(StrEnum):
    """What an account may do, all its locks taken together."""

    NORMAL = "NORMAL"
    LIQUIDATE_ONLY = "LIQUIDATE_ONLY"
    LOCKED = "LOCKED"


class LockCause(StrEnum):
    """Why a lock is there; lifting one cause lifts no other."""

    ADMIN = "ADMIN"
    CREDIT_LOSS = "CREDIT_LOSS"
    AUTO_LIQ = "AUTO_LIQ"
    COMPANY = "COMPANY"
    LOCKOUT = "LOCKOUT"
    MAX_ORDERS = "MAX_ORDERS"
    MARKET_IMPACT = "MARKET_IMPACT"
    FLATTEN = "FLATTEN"


class AdminAction(StrEnum):
    """The eight administrative actions, as on the wire and in the provider's order."""

    NORMAL = "Normal"
    PLACE_AUTO_LIQ_ON_HOLD = "PlaceAutoLiqOnHold"
    DISABLE_AUTO_LIQ = "DisableAutoLiq"
    AGREED_ON_LIQ_ONLY_MODE_BY_AUTO_LIQ = "AgreedOnLiqOnlyModeByAutoLiq"
    AGREED_ON_LIQUIDATION_BY_AUTO_LIQ = "AgreedOnLiquidationByAutoLiq"
    LIQUIDATE_ONLY_MODE_IMMEDIATELY = "LiquidateOnlyModeImmediately"
    LOCK_TRADING_IMMEDIATELY = "LockTradingImmediately"
    LIQUIDATE_IMMEDIATELY = "LiquidateImmediately"


class AdminActionReasonCode(StrEnum):
    """Why an administrative action was taken, as on the wire; the last four are of an older edition."""

    CLOSE_AML_DECISION = "CloseAMLDecision"
    CLOSE_COMPLIANCE_DECISION = "CloseComplianceDecision"
    CLOSE_CUSTOMER_REQUEST = "CloseCustomerRequest"
    CLOSE_DECEASED = "CloseDeceased"
    CLOSE_ESCHEATMENT = "CloseEscheatment"
    CLOSE_FRAUD = "CloseFraud"
    CLOSE_INACTIVE_UNFUNDED_ACCOUNT = "CloseInactiveUnfundedAccount"
    FULL_BALANCE_WITHDRAWAL = "FullBalanceWithdrawal"
    RESTRICTED_AML_REQUEST = "RestrictedAMLRequest"
    RESTRICTED_ACCOUNTS_REQUEST = "RestrictedAccountsRequest"
    RESTRICTED_COMPLIANCE_REQUEST = "RestrictedComplianceRequest"
    RESTRICTED_RISK_RESTRICTION = "RestrictedRiskRestriction"
    RESTRICTED_TREASURY_REQUEST = "RestrictedTreasuryRequest"
    RESTRICTED_W8_EXPIRED = "RestrictedW8Expired"
    OTHER = "Other"
    CALL_IN = "CallIn"
    CLOSING_ACCOUNT = "ClosingAccount"
    COMPLIANCE_REQUEST = "ComplianceRequest"
    LOW_LIQUIDITY = "LowLiquidity"


CURRENT_REASON_CODES = tuple(AdminActionReasonCode)[:15]
"""The codes to offer, CloseAMLDecision to Other; the older ones are accepted and stored as sent."""


@dataclass(frozen=True, slots=True)
class AdminEffect:
    """What an administrative action does.

    Attributes:
        lock_mode: The administrator's lock is put on in this mode, in place of the standing one; None puts on none.
        liquidates: A liquidation run starts.
        hold_seconds: The action ends by itself after this time; None lasts until the next action.
        suppresses_auto_liq: No automatic liquidation starts while the action lasts.
        releases: Every releasable lock on the account itself is lifted.
    """

    lock_mode: LockMode | None = None
    liquidates: bool = False
    hold_seconds: int | None = None
    suppresses_auto_liq: bool = False
    releases: bool = False


@dataclass(frozen=True, slots=True)
class TradingFlags:
    """The four "Disable trading" boxes of the account's page."""

    disable_trading: bool
    auto_liquidate: bool
    max_order_limit: bool
    market_impact: bool


_EFFECTS = {
    AdminAction.NORMAL: AdminEffect(releases=True),
    AdminAction.PLACE_AUTO_LIQ_ON_HOLD: AdminEffect(hold_seconds=HOLD_SECONDS, suppresses_auto_liq=True),
    AdminAction.DISABLE_AUTO_LIQ: AdminEffect(suppresses_auto_liq=True),
    # Liquidate-only may still be set off by a limit during the hold; the action itself locks nothing.
    AdminAction.AGREED_ON_LIQ_ONLY_MODE_BY_AUTO_LIQ: AdminEffect(hold_seconds=HOLD_SECONDS, suppresses_auto_liq=True),
    AdminAction.AGREED_ON_LIQUIDATION_BY_AUTO_LIQ: AdminEffect(),
    AdminAction.LIQUIDATE_ONLY_MODE_IMMEDIATELY: AdminEffect(lock_mode=LockMode.LIQUIDATE_ONLY),
    AdminAction.LOCK_TRADING_IMMEDIATELY: AdminEffect(lock_mode=LockMode.LOCKED),
    AdminAction.LIQUIDATE_IMMEDIATELY: AdminEffect(lock_mode=LockMode.LOCKED, liquidates=True),
}
_SHOWN_AS_AUTO_LIQUIDATE = frozenset({LockCause.CREDIT_LOSS, LockCause.AUTO_LIQ})
_SHOWN_AS_DISABLE_TRADING = frozenset({LockCause.ADMIN, LockCause.COMPANY, LockCause.LOCKOUT, LockCause.FLATTEN})


def trading_mode(modes: Iterable[LockMode]) -> TradingMode:
    """Return the strictest of the modes of the locks in force, own and inherited; none is normal.

    Example:
        >>> trading_mode([LockMode.LIQUIDATE_ONLY, LockMode.LOCKED])
        <TradingMode.LOCKED: 'LOCKED'>
    """
    found = frozenset(modes)
    if LockMode.LOCKED in found:
        return TradingMode.LOCKED
    return TradingMode.LIQUIDATE_ONLY if found else TradingMode.NORMAL


def admin_effect(action: AdminAction) -> AdminEffect:
    """Return what an administrative action does.

    Source: Tradovate partner API, "Set Admin Auto Liq Action".
    """
    return _EFFECTS[action]


def tt_flags(causes: Iterable[LockCause]) -> TradingFlags:
    """Return the four boxes that the causes of the open locks are shown as; every cause sets exactly one.

    Example:
        >>> tt_flags([LockCause.CREDIT_LOSS]).auto_liquidate
        True

    Source: Trading Technologies, Setup help, "Restoring trading on an account".
    """
    found = frozenset(causes)
    return TradingFlags(
        disable_trading=not found.isdisjoint(_SHOWN_AS_DISABLE_TRADING),
        auto_liquidate=not found.isdisjoint(_SHOWN_AS_AUTO_LIQUIDATE),
        max_order_limit=LockCause.MAX_ORDERS in found,
        market_impact=LockCause.MARKET_IMPACT in found,
    )


def is_releasable(cause: LockCause, *, by_engine: bool, cooling_off: bool) -> bool:
    """Return whether a lock of this cause may be lifted by the one who asks.

    Args:
        cause: Why the lock is there.
        by_engine: The engine asks, not a person: it may lock, never unlock.
        cooling_off: The cooling-off period after a market impact check still runs; it binds that cause only.
    """
    if by_engine:
        return False
    return not (cause is LockCause.MARKET_IMPACT and cooling_off)
