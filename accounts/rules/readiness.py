"""Readiness: whether an account could be liquidated automatically, and why a closing order cannot be sent."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from accounts.rules.credit import CreditLossAction
from accounts.rules.hierarchy import AccountType


class Prerequisite(StrEnum):
    """What must hold before an account can be liquidated automatically, in the order of the panel."""

    POST_TRADE_RISK_ENABLED = "POST_TRADE_RISK_ENABLED"
    LIQUIDATION_USER_ASSIGNED = "LIQUIDATION_USER_ASSIGNED"
    LIQUIDATION_USER_ACTIVE = "LIQUIDATION_USER_ACTIVE"
    OPERATOR_IDS_SET = "OPERATOR_IDS_SET"
    LIQUIDATION_USER_NEEDS_NO_ACCOUNT = "LIQUIDATION_USER_NEEDS_NO_ACCOUNT"
    CONNECTED = "CONNECTED"
    CREDIT_CHECKED = "CREDIT_CHECKED"
    DAILY_LIMIT_SET = "DAILY_LIMIT_SET"
    TYPE_IS_ROUTING = "TYPE_IS_ROUTING"
    AUTO_LIQUIDATE_CHOSEN = "AUTO_LIQUIDATE_CHOSEN"
    NO_ACTIVE_ANCESTOR = "NO_ACTIVE_ANCESTOR"


class BlockReason(StrEnum):
    """Why one leg of a liquidation is not getting anywhere."""

    NO_LIQUIDATION_USER = "NO_LIQUIDATION_USER"
    LIQUIDATION_USER_INACTIVE = "LIQUIDATION_USER_INACTIVE"
    NO_OPERATOR_ID = "NO_OPERATOR_ID"
    NO_CONNECTION = "NO_CONNECTION"
    REJECTED = "REJECTED"
    DEADLINE = "DEADLINE"
    CANCEL_UNCONFIRMED = "CANCEL_UNCONFIRMED"
    RETRIES_SPENT = "RETRIES_SPENT"


@dataclass(frozen=True, slots=True)
class ReadinessFacts:
    """All that readiness depends on.

    Attributes:
        post_trade_risk_enabled: The company's switch.
        liquidation_user: Name of the company's auto-liquidation user; None when there is none.
        liquidation_user_is_active: The user may act.
        operator_ids: The user's id for order routing (Tag 50), by exchange; an empty id is none. Needed where something
            is held, and by a flat account wherever it can send orders.
        exchanges_held: Where the account's tree has positions or working orders.
        connected_exchanges: Where the account can send orders.
        check_credit: The account's Check Credit.
        daily_limit: Account currency; None is not set.
        account_type: Whether orders may be routed.
        credit_loss_action: The account's own.
        credit_loss_pct: 0-100; None is not set.
        active_ancestor: Name of the account above whose auto-liquidate acts; None when there is none.
    """

    post_trade_risk_enabled: bool
    liquidation_user: str | None
    liquidation_user_is_active: bool
    operator_ids: Mapping[str, str]
    exchanges_held: frozenset[str]
    connected_exchanges: frozenset[str]
    check_credit: bool
    daily_limit: Decimal | None
    account_type: AccountType
    credit_loss_action: CreditLossAction
    credit_loss_pct: Decimal | None
    active_ancestor: str | None


@dataclass(frozen=True, slots=True)
class ReadinessCheck:
    """One line of the panel; `reason` says what holds, or what to do about it."""

    number: int
    prerequisite: Prerequisite
    passed: bool
    reason: str


def readiness(facts: ReadinessFacts) -> tuple[ReadinessCheck, ...]:
    """Return the eleven prerequisites in order, each with what to do when it does not hold.

    Source: Trading Technologies, Setup help, "Account auto-liquidation".
    """
    problems = {
        Prerequisite.POST_TRADE_RISK_ENABLED: _switch_problem(facts),
        Prerequisite.LIQUIDATION_USER_ASSIGNED: _user_problem(facts),
        Prerequisite.LIQUIDATION_USER_ACTIVE: _active_problem(facts),
        Prerequisite.OPERATOR_IDS_SET: _operator_id_problem(facts),
        # It closes positions in its own name on accounts it is not assigned to; the line is there to say so.
        Prerequisite.LIQUIDATION_USER_NEEDS_NO_ACCOUNT: None,
        Prerequisite.CONNECTED: _connection_problem(facts),
        Prerequisite.CREDIT_CHECKED: None if facts.check_credit else "Switch on Check Credit for the account.",
        Prerequisite.DAILY_LIMIT_SET: _daily_limit_problem(facts),
        Prerequisite.TYPE_IS_ROUTING: _type_problem(facts),
        Prerequisite.AUTO_LIQUIDATE_CHOSEN: _action_problem(facts),
        Prerequisite.NO_ACTIVE_ANCESTOR: _ancestor_problem(facts),
    }
    return tuple(
        ReadinessCheck(number, prerequisite, passed=problem is None, reason=problem or _HOLDS[prerequisite])
        for number, (prerequisite, problem) in enumerate(problems.items(), start=1)
    )


def is_ready(checks: Collection[ReadinessCheck]) -> bool:
    """Return whether every prerequisite holds.

    Args:
        checks: All that readiness returned; fewer than one for each prerequisite is not ready.
    """
    return {check.prerequisite for check in checks if check.passed} == set(Prerequisite)


def leg_block(
    *, liquidation_user: str | None, is_active: bool, operator_id: str | None, is_connected: bool
) -> BlockReason | None:
    """Return why a closing order cannot be sent to an exchange, or None when it can.

    Args:
        liquidation_user: In whose name the order would go; None or empty when there is none.
        is_active: That user may act.
        operator_id: The user's id for this exchange; None or empty when there is none.
        is_connected: The account can send orders to this exchange.

    Example:
        >>> leg_block(liquidation_user="liq", is_active=True, operator_id=None, is_connected=True)
        <BlockReason.NO_OPERATOR_ID: 'NO_OPERATOR_ID'>
    """
    if _is_missing(liquidation_user):
        return BlockReason.NO_LIQUIDATION_USER
    if not is_active:
        return BlockReason.LIQUIDATION_USER_INACTIVE
    if _is_missing(operator_id):
        return BlockReason.NO_OPERATOR_ID
    return None if is_connected else BlockReason.NO_CONNECTION


_HOLDS = {
    Prerequisite.POST_TRADE_RISK_ENABLED: "Credit loss actions are enabled for the company.",
    Prerequisite.LIQUIDATION_USER_ASSIGNED: "The company has an auto-liquidation user.",
    Prerequisite.LIQUIDATION_USER_ACTIVE: "The auto-liquidation user is active.",
    Prerequisite.OPERATOR_IDS_SET: "The auto-liquidation user has an operator id for every exchange that needs one.",
    Prerequisite.LIQUIDATION_USER_NEEDS_NO_ACCOUNT: "The auto-liquidation user needs no account of its own.",
    Prerequisite.CONNECTED: "The account is connected to every exchange it holds positions on.",
    Prerequisite.CREDIT_CHECKED: "Credit is checked.",
    Prerequisite.DAILY_LIMIT_SET: "A daily limit is set.",
    Prerequisite.TYPE_IS_ROUTING: "The account's type can route orders.",
    Prerequisite.AUTO_LIQUIDATE_CHOSEN: "Auto-liquidate is chosen with a percentage.",
    Prerequisite.NO_ACTIVE_ANCESTOR: "No account above this one has auto-liquidate active.",
}
_ASSIGN_USER = "Assign an auto-liquidation user to the company."


def _switch_problem(facts: ReadinessFacts) -> str | None:
    if facts.post_trade_risk_enabled:
        return None
    return "Enable credit loss actions (including auto-liquidation) on the company's settings."


def _user_problem(facts: ReadinessFacts) -> str | None:
    return _ASSIGN_USER if _is_missing(facts.liquidation_user) else None


def _active_problem(facts: ReadinessFacts) -> str | None:
    if problem := _user_problem(facts):
        return problem
    return None if facts.liquidation_user_is_active else f"Make the user {facts.liquidation_user} active."


def _operator_id_problem(facts: ReadinessFacts) -> str | None:
    if problem := _user_problem(facts):
        return problem
    exchanges = facts.exchanges_held or facts.connected_exchanges
    missing = [exchange for exchange in sorted(exchanges) if _is_missing(facts.operator_ids.get(exchange))]
    return f"Give the user {facts.liquidation_user} an operator id for {', '.join(missing)}." if missing else None


def _connection_problem(facts: ReadinessFacts) -> str | None:
    if not facts.connected_exchanges:
        return "There is no connection: give the account a connection to the exchanges it trades on."
    missing = sorted(facts.exchanges_held - facts.connected_exchanges)
    return f"Give the account a connection to {', '.join(missing)}." if missing else None


def _daily_limit_problem(facts: ReadinessFacts) -> str | None:
    if facts.daily_limit is None:
        return "Set a daily limit."
    if facts.daily_limit <= 0:
        return "Set a daily limit above zero: a percentage of nothing is reached at once."
    return None


def _type_problem(facts: ReadinessFacts) -> str | None:
    return None if facts.account_type.is_routing else "Change the account's type to one that can route orders."


def _action_problem(facts: ReadinessFacts) -> str | None:
    if facts.credit_loss_action is not CreditLossAction.AUTO_LIQUIDATE:
        return "Choose auto-liquidate as the account's credit loss action."
    if facts.credit_loss_pct is None or not 0 < facts.credit_loss_pct <= 100:
        return "Set a credit loss percentage above 0 and at most 100."
    return None


def _ancestor_problem(facts: ReadinessFacts) -> str | None:
    if facts.active_ancestor is None:
        return None
    return f"Auto-liquidate on {facts.active_ancestor} acts for this account; to use this one, switch that off."


def _is_missing(value: str | None) -> bool:
    return value is None or not value.strip()
